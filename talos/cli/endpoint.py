"""The base URL of a server, as ``-e`` gives it."""

import base64
import os
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, unquote, urlencode, urlsplit


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go. ``base`` has no user, no query and no slash at its end.

    ``authorization`` is the value of that header when the URL names a user, else ``""``.
    """

    base: str
    authorization: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``http[s]://[user[:password]@]host[:port][/base/path][/]``.

        Raises ``ValueError`` with a text that does not repeat the URL: it may hold a password.
        """
        try:
            url = urlsplit(text)
            host, port = url.hostname, url.port
        except ValueError:
            raise ValueError("is no URL") from None
        if url.scheme not in ("http", "https") or not host:
            raise ValueError("must start with http:// or https://, such as http://localhost:4420")
        if url.query or url.fragment:
            raise ValueError("takes no query and no fragment")
        if any(character.isspace() for character in text):
            raise ValueError("holds a blank")
        netloc = f"[{host}]" if ":" in host else host
        if port is not None:
            netloc += f":{port}"
        return cls(
            f"{url.scheme}://{netloc}{url.path.rstrip('/')}",
            _basic(unquote(url.username or ""), unquote(url.password or ""))
            if "@" in url.netloc
            else "",
        )

    def url(self, path: str, query: dict[str, str] | None = None) -> str:
        """Return the URL of ``path``, which starts with a slash and is percent-encoded."""
        return self.base + path + (f"?{urlencode(query, quote_via=quote)}" if query else "")

    def proxy(self) -> str | None:
        """Return the proxy that the environment sets for this server; loopback never has one."""
        if not any(name.lower().endswith("_proxy") for name in os.environ):
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
