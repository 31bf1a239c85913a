"""The Slack adapter: real libraries, real store, real engine, and a Slack played on loopback."""
