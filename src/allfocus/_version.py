"""The version, said once; nothing needs the package root to know it."""

__version__ = "0.2.0"
