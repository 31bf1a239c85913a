"""The core of Threadreel: jobs, models, providers and media; it knows no platform."""
