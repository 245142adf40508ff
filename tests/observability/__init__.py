"""Dashboards, rules and alerts, against the real Prometheus and Alertmanager.

`python -m tests.observability` (make observe) is the long form; the suite runs a short one.
"""
