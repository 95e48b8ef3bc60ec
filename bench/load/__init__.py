"""The load generators. Both send the very bytes of a file of requests (``requests.py``)."""
