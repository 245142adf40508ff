"""Supervised extraction of Noggin inspection records into Postgres and a file tree."""

__version__ = "0.1.0"
