"""One process per host: metrics, health, status page, maintenance."""
