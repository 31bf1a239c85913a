"""Thin translators between the core and the places people talk in."""
