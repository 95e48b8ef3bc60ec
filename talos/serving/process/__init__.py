"""The processes of a server: the gunicorn master, its workers, and the sockets they listen on."""
