"""Serving: the gunicorn application, its worker, and the factories for stock gunicorn."""
