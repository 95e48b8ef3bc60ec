"""nginx, answering with a constant what our server answers: the limit.

Status, headers and body are those of our own answer, with a fresh request id in every one. nginx
says ``Server: nginx`` besides, some bytes more; the length of both answers is in the results.
"""

from string import Template
from typing import Final

from bench.load.requests import Request
from bench.program import free_port
from bench.servers.exchange import Answer, ask, expect
from bench.servers.site import Site, Subject
from bench.tools import Missing, find

_CONFIGURATION: Final = Template("""\
daemon off;
worker_processes $workers;
worker_rlimit_nofile 8192;
pid $folder/nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  server_tokens off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path $folder/body;
  proxy_temp_path $folder/proxy;
  fastcgi_temp_path $folder/fastcgi;
  uwsgi_temp_path $folder/uwsgi;
  scgi_temp_path $folder/scgi;
  server {
    listen 127.0.0.1:$port reuseport backlog=4096;
    location / {
      default_type $content_type;
$headers
      return $status '$body';
    }
  }
}
""")

# What nginx writes by itself.
_OWN_HEADERS: Final = frozenset({"date", "content-length", "content-type", "connection", "server"})
_REQUEST_ID: Final = "x-request-id"
_REQUEST_ID_LENGTH: Final = 32


def start(site: Site) -> Subject:
    """Return nginx answering as the server named ``cached`` did. That one is started first."""
    program = find("nginx")
    model = site.started.get("cached")
    if model is None:
        raise Missing("nginx repeats the answers of our own server, which did not start")
    folder, port = site.subfolder("nginx"), free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.substitute(
            workers=site.workers,
            folder=folder,
            port=port,
            status=model.answer.status,
            content_type=_quoted(model.answer.header("Content-Type") or "text/plain"),
            headers="\n".join(_added_headers(model.answer)),
            body=_escaped(model.answer.body.decode()),
        )
    )
    running = site.run(
        [program, "-p", folder, "-c", configuration],
        folder,
        lambda: ask(port, model.request).status == model.answer.status,
    )
    answer = ask(port, model.request)
    _check(answer, ask(port, model.request), model.answer)
    difference = answer.size - model.answer.size
    note = f"{difference:+d} bytes an answer" if difference else ""
    request = Request(model.request.path, model.request.body, model.request.method)
    return Subject(port, request, answer, running.pid, note=note)


def _added_headers(answer: Answer) -> list[str]:
    lines = []
    for name, value in answer.headers:
        if name.lower() == _REQUEST_ID:
            # As long as ours, whose form is another.
            padding = "0" * max(0, len(value) - _REQUEST_ID_LENGTH)
            lines.append(f"      add_header {name} ${{request_id}}{padding} always;")
        elif name.lower() not in _OWN_HEADERS:
            lines.append(f"      add_header {name} {_quoted(value)} always;")
    return lines


def _quoted(text: str) -> str:
    return f"'{_escaped(text)}'"


def _escaped(text: str) -> str:
    if "$" in text:
        raise Missing("nginx cannot repeat an answer with a dollar sign in it")
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _check(answer: Answer, another: Answer, model: Answer) -> None:
    expect(answer.status == model.status and answer.body == model.body, "not our body", answer)
    for name, value in model.headers:
        if name.lower() not in _OWN_HEADERS | {_REQUEST_ID}:
            expect(answer.header(name) == value, f"not our {name}", answer)
    fresh = answer.header(_REQUEST_ID) != another.header(_REQUEST_ID)
    expect(fresh or model.header(_REQUEST_ID) is None, "the request id is not fresh", answer)
