"""Benchmarks: our figure, the comparison's and the ratio, in one run; a table and JSON."""
