"""Reverse proxies as the pages of ``docs`` configure them."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.support.servers.binaries import Unavailable, find_program
from tests.support.servers.process import ServerProcess

REQUIRED: Final = ("nginx", "haproxy", "caddy")
"""Those that Debian has a package for. Envoy and Traefik run where somebody has installed them."""

_NGINX: Final = """\
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ }}
http {{
access_log off;
underscores_in_headers {underscores};
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi;
{text}
}}
"""

_CADDY: Final = """\
{{
    admin off
    auto_https off
    storage file_system {folder}
}}
{text}
"""


def proxy(
    name: str, text: Callable[[Path, int], str], *, underscores: bool = False
) -> ServerProcess:
    """Prepare a proxy; the caller starts and closes it. Raises ``Unavailable``.

    ``text`` is given folder and port, and returns the configuration: of nginx what stands in
    ``http``, where ``underscores`` lets header names with underscores pass; of all others a file.
    """
    program = find_program(name)
    if program is None:
        raise Unavailable(name, "PATH", name)

    def command(folder: Path, port: int) -> list[str]:
        match name:
            case "nginx":
                switch = "on" if underscores else "off"
                file = _NGINX.format(folder=folder, text=text(folder, port), underscores=switch)
                arguments = ["-p", str(folder), "-c"]
            case "caddy":
                file = _CADDY.format(folder=folder, text=text(folder, port))
                arguments = ["run", "--adapter", "caddyfile", "--config"]
            case "haproxy":
                file, arguments = text(folder, port), ["-W", "-f"]
            case "envoy":
                file = text(folder, port)
                arguments = ["--use-dynamic-base-id", "--concurrency", "1", "-c"]
            case _:
                raise ValueError(name)
        configuration = folder / f"{name}.yaml" if name == "envoy" else folder / f"{name}.conf"
        configuration.write_text(file)
        configuration.chmod(0o644)
        return [str(program), *arguments, str(configuration)]

    return ServerProcess(name, command, _connect)


def _connect(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), 5).close()
