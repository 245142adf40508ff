"""Logs and metrics: one event makes one log line and one metric update."""
