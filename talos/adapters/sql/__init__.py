"""Persistence on SQLite, PostgreSQL, CockroachDB, MySQL and MariaDB (contract 8.5, 8.6)."""
