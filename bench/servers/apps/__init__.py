"""The programs of others that are compared, each the plain way its framework teaches."""
