"""Qala: an open platform for a city that measures what it does and asks its residents."""

__version__ = "0.1.0"
