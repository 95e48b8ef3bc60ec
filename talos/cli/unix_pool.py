"""HTTP over a Unix socket, for the connection pool of urllib3."""

import socket
import sys
from typing import Any

import urllib3
from urllib3 import exceptions


class _UnixConnection(urllib3.connection.HTTPConnection):
    """A connection to the socket at ``path``; the server sees the host ``localhost``."""

    def __init__(self, *args: Any, path: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._path = path

    def _new_conn(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if isinstance(self.timeout, int | float):
                sock.settimeout(self.timeout)
            sock.connect(self._path)
        except OSError as error:
            sock.close()
            raise exceptions.NewConnectionError(self, str(error)) from error
        sys.audit("http.client.connect", self, self._path, 0)
        return sock


class UnixConnectionPool(urllib3.HTTPConnectionPool):
    """Connections to one Unix socket."""

    ConnectionCls = _UnixConnection

    def __init__(self, path: str, timeout: urllib3.Timeout) -> None:
        """Connect to ``path``, within ``timeout``."""
        super().__init__("localhost", timeout=timeout, path=path)
