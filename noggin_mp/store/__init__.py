"""Everything that talks to Postgres: one SQL statement or function per protocol step."""
