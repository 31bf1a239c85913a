"""The page in a real Chromium, served by the real command."""
