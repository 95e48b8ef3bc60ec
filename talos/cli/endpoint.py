"""The base URL of a server or the path of its socket, as ``-e`` gives it."""

import base64
import os
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import quote, unquote, urlencode, urlsplit

_UNIX: Final = "unix:"
# What the kernel's address structure holds, without the NUL at its end.
_LONGEST_SOCKET_PATH: Final = 107


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go. ``base`` has no user, no query and no slash at its end.

    ``authorization`` is the value of that header when the URL names a user, else ``""``.
    ``socket_path`` is that of a Unix socket, else ``""``.
    """

    base: str
    authorization: str = field(default="", repr=False)
    socket_path: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``http[s]://[user[:password]@]host[:port][/base/path][/]`` or ``unix:/path``.

        Raises ``ValueError`` with a text that does not repeat the URL: it may hold a password.
        """
        if text.startswith(_UNIX):
            return cls._of_socket(text.removeprefix(_UNIX))
        try:
            url = urlsplit(text)
            host, port = url.hostname, url.port
        except ValueError:
            raise ValueError("is no URL") from None
        if url.scheme not in ("http", "https") or not host:
            raise ValueError(
                "must start with http:// or https://, such as http://localhost:4420, or be "
                "unix:/path of a socket"
            )
        if url.query or url.fragment:
            raise ValueError("takes no query and no fragment")
        if any(character.isspace() or not character.isprintable() for character in text):
            raise ValueError("holds a blank or a control character")
        netloc = f"[{host}]" if ":" in host else host
        if port is not None:
            netloc += f":{port}"
        return cls(
            f"{url.scheme}://{netloc}{url.path.rstrip('/')}",
            _basic(unquote(url.username or ""), unquote(url.password or ""))
            if "@" in url.netloc
            else "",
        )

    @classmethod
    def _of_socket(cls, path: str) -> Self:
        # As in a URL with an empty host: unix:///path.
        path = path.removeprefix("//") if path.startswith("///") else path
        if not path.startswith("/") or path.startswith("//") or "\0" in path:
            raise ValueError("must name the socket by its whole path, such as unix:/run/talos.sock")
        if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
            raise ValueError(f"has a path of more than {_LONGEST_SOCKET_PATH} bytes")
        return cls(f"{_UNIX}{path}", socket_path=path)

    @property
    def host(self) -> str:
        """What error messages call the server: its host and port, or its socket."""
        return self.base if self.socket_path else urlsplit(self.base).netloc

    @property
    def is_secure(self) -> bool:
        """Whether requests go through TLS."""
        return self.base.startswith("https:")

    def url(self, path: str, query: dict[str, str] | None = None) -> str:
        """Return the URL of ``path``, which starts with a slash and is percent-encoded.

        On a Unix socket that is the path alone.
        """
        base = "" if self.socket_path else self.base
        return base + path + (f"?{urlencode(query, quote_via=quote)}" if query else "")

    def proxy(self) -> str | None:
        """Return the proxy that the environment sets for this server; loopback never has one."""
        if self.socket_path or not any(name.lower().endswith("_proxy") for name in os.environ):
            return None
        from urllib.request import getproxies, proxy_bypass

        url = urlsplit(self.base)
        host = url.hostname or ""
        if _is_loopback(host) or proxy_bypass(url.netloc):
            return None
        proxies = getproxies()
        proxy = proxies.get(url.scheme) or proxies.get("all")
        return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
