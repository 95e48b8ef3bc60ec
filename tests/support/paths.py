"""Spellings of paths."""

from tests.http.surface import (
    API_KEYS,
    IMPORTED,
    ISSUED,
)

ADMIN_OPERATIONS = [
    ("POST", ISSUED, {"name": "n", "actor_id": "a"}),
    ("GET", ISSUED, None),
    ("GET", f"{ISSUED}/k", None),
    ("POST", f"{ISSUED}/k:revoke", {}),
    ("DELETE", f"{IMPORTED}/k", None),
    ("POST", f"{IMPORTED}:batchCreate", {"requests": []}),
    ("POST", f"{API_KEYS}:verify", {"credential": "x"}),
    ("POST", f"{API_KEYS}:derive", {"credential": "x"}),
    ("POST", f"{API_KEYS}/k:revoke", {}),
]


def spellings(path: str) -> list[str]:
    """Every way that some server, proxy or router has been known to read as ``path``."""
    head, tail = "/v2alpha1/admin/", path.removeprefix("/v2alpha1/admin/")
    return [
        path,
        f"/{path}",
        path.replace("/", "//"),
        path.replace("/", "%2F"),
        path.replace("/", "%2f", 1),
        path.replace("/", "\\"),
        path.replace("/", "%5C"),
        path.replace("/admin", "/./admin"),
        path.replace("/admin", "/%2e/admin"),
        path.replace("/admin", "/x/../admin"),
        path.replace("/admin", "/x/%2e%2e/admin"),
        path.replace("/admin", "/x%2F..%2Fadmin"),
        path.replace("/admin", "/x/..%2Fadmin"),
        path.replace("/admin", "/x/.%2e/admin"),
        path.replace("/admin", "/x/..;/admin"),
        path.replace("/admin", ";/admin"),
        path.replace("/admin", "/admin;x=y"),
        path.replace("/admin", "/%61dmin"),
        path.replace("/admin", "/%2561dmin"),
        path.replace("/admin", "%252Fadmin"),
        path.replace("/admin", "/x/%252e%252e/admin"),
        path.replace("/admin", "/Admin"),
        path.replace("/admin", "/ADMIN"),
        path.replace("/admin", "/\N{CYRILLIC SMALL LETTER A}dmin".encode().decode("latin-1")),
        path.replace("/admin", "/%EF%BD%81dmin"),
        path.replace("/admin", "/%C0%AFadmin"),
        path.replace("/admin", "%C0%AFadmin"),
        path.replace("/admin", "/%u0061dmin"),
        path.replace("/admin", "/admin%00"),
        path.replace("/admin", "/admin%20"),
        path.replace("/admin", "/admin."),
        path.replace("/admin", "/admin/."),
        path.upper(),
        f"{path}/",
        f"{path}/.",
        f"{path}%00",
        f"{path}%20",
        f"{path}?",
        f"{path}#",
        f"{path};",
        f"{path}.json",
        f"/v2alpha1/apiKeys:selfRevoke/../admin/{tail}",
        f"/v2alpha1/apiKeys:selfRevoke%2F..%2Fadmin%2F{tail}",
        f"/v2alpha1/derivedKeys/jwks.json/..%2f..%2fadmin%2f{tail}",
        f"/health/alive/../..{path}",
        f"/version/..{path}",
        f"http://localhost{path}",
        f"{head}{tail}".replace(":", "%3A"),
    ]
