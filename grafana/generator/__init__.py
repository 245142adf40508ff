"""Writes the dashboards and the rules' tests: `python -m grafana.generator` (make docs).

Not part of the installed program.
"""
