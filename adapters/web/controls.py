"""Which control of /admin fits a setting, and which group it stands in. Pure."""
