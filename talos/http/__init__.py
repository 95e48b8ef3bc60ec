"""The WSGI applications: what is said over HTTP, and nothing of what it means."""
