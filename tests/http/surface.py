"""An application on fakes, and a client that speaks to it as a WSGI server would."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import unquote_to_bytes

import falcon
from falcon import testing

from talos.errors import NotFound
from talos.http import metrics_port, surfaces
from talos.http.dependencies import BuildInfo, HttpDependencies
from talos.services.tenant import HttpSettings, Tenant
from tests.support.fakes.harness import ServiceHarness
from tests.support.fakes.tenants import TENANT

SURFACES: Mapping[str, Callable[[HttpDependencies], Any]] = {
    "all": partial(surfaces.create_app, surfaces.Surface.ALL),
    "admin": partial(surfaces.create_app, surfaces.Surface.ADMIN),
    "public": partial(surfaces.create_app, surfaces.Surface.PUBLIC),
}
ISSUED = "/v2alpha1/admin/issuedApiKeys"
IMPORTED = "/v2alpha1/admin/importedApiKeys"
API_KEYS = "/v2alpha1/admin/apiKeys"
SELF_REVOKE = "/v2alpha1/apiKeys:selfRevoke"
JWKS = "/v2alpha1/derivedKeys/jwks.json"
PEER = "192.0.2.1"


@dataclass(frozen=True)
class Directory:
    """Implements ``TenantDirectory``: one tenant for every host but those in ``unknown``."""

    tenant: Tenant
    http: HttpSettings
    unknown: set[str]
    seen: list[str]

    def resolve(self, host: str) -> Tenant:
        self.seen.append(host)
        if host in self.unknown:
            raise NotFound("network not found")
        return self.tenant

    def config_hash(self, host: str) -> str:
        return f"hash of {host}"


class Configuration:
    """Implements ``DirectorySource``. Setting ``tenant`` or calling ``change`` is a reload.

    ``after_read`` runs when a request has its directory: what is reloaded in the middle of it.
    """

    def __init__(self) -> None:
        self.tenant = TENANT
        self.http = HttpSettings()
        self.unknown: set[str] = set()
        self.seen: list[str] = []
        self.reads = 0
        self.after_read: Callable[[], None] = lambda: None

    def current(self) -> Directory:
        self.reads += 1
        directory = Directory(self.tenant, self.http, self.unknown, self.seen)
        self.after_read()
        return directory

    def change(self, **changes: Any) -> None:
        self.http = replace(self.http, **changes)


class Pinged:
    """Implements ``Database``; ``trouble`` is what a ping raises."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None

    def ping(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    def close(self) -> None:
        """Nothing is open."""


class Surface:
    """One surface, everything behind it, and a metrics port beside it."""

    def __init__(self, name: str = "all") -> None:
        self.harness = ServiceHarness()
        self.configuration = Configuration()
        self.database = Pinged()
        self.deps = HttpDependencies(
            services=self.harness.services,
            directories=self.configuration,
            database=self.database,
            build=BuildInfo("1.2.3", "abcdef0", "2026-01-02T03:04:05Z"),
            clock=self.harness.clock,
        )
        self.app = SURFACES[name](self.deps)
        self.metrics_app = metrics_port.create_app(self.deps)

    def send(
        self,
        method: str,
        target: str,
        body: bytes | str | Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **environ: Any,
    ) -> testing.Result:
        """Send a request with exactly this target; a mapping becomes a JSON body."""
        return send(self.app, method, target, body, headers, **environ)

    def issue(self, **members: Any) -> dict[str, Any]:
        """A fresh issued key, as the API answers."""
        body = {"name": "a key", "actor_id": "user_1", **members}
        result = self.send("POST", ISSUED, body)
        assert result.status_code == 201, result.text
        return result.json

    def import_key(self, raw_key: str = "sk_test_abc123", **members: Any) -> dict[str, Any]:
        """A fresh imported key, as the API answers."""
        body = {"raw_key": raw_key, "name": "a key", "actor_id": "user_1", **members}
        result = self.send("POST", IMPORTED, body)
        assert result.status_code == 201, result.text
        return result.json


def send(
    app: Any,
    method: str,
    target: str,
    body: bytes | str | Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    **environ: Any,
) -> testing.Result:
    """Call a WSGI application as gunicorn does: the path decoded once, the target kept beside."""
    if body is None:
        content = b""
    elif isinstance(body, str | bytes):
        content = body if isinstance(body, bytes) else body.encode()
    else:
        content = json.dumps(body).encode()
    path, _, query = target.partition("?")
    env = testing.create_environ(
        method=method, body=content, headers=dict(headers or {}), remote_addr=PEER
    )
    env |= {
        "PATH_INFO": unquote_to_bytes(path.encode("latin-1")).decode("latin-1"),
        "RAW_URI": target,
        "QUERY_STRING": query,
    }
    env |= environ
    for name in [name for name, value in env.items() if value is None]:
        del env[name]
    response = testing.StartResponseMock()
    chunks = list(testing.closed_wsgi_iterable(app(env, response)))
    return testing.Result(chunks, response.status, response.headers)


def assert_envelope(
    result: testing.Result, status: int, reason: str | None = None, canonical: str | None = None
) -> dict[str, Any]:
    """Check the whole shape of an error, and return its inner object."""
    assert result.status_code == status, result.text
    assert result.headers["content-type"] == falcon.MEDIA_JSON
    assert result.content.endswith(b"}\n")
    assert set(result.json) == {"error"}
    error: dict[str, Any] = result.json["error"]
    assert set(error) == {"code", "message", "status", "details"}
    assert error["code"] == status
    assert error["message"]
    (detail,) = error["details"]
    assert detail.keys() == {"@type", "reason", "domain"}
    assert detail["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert detail["domain"] == "www.ory.com/talos"
    if reason is not None:
        assert detail["reason"] == reason
    if canonical is not None:
        assert error["status"] == canonical
    return error
