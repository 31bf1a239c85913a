"""A local server that speaks Replicate's API and draws with the CPU."""
