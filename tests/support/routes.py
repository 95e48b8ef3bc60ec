"""What each surface serves."""

import uuid
from typing import Any

from tests.http.surface import (
    API_KEYS,
    IMPORTED,
    ISSUED,
    JWKS,
    SELF_REVOKE,
)

KEY_ID = str(uuid.UUID(int=7))


KEY = {"name": "n", "actor_id": "a"}


CREDENTIAL = {"credential": "an-unknown-credential"}


ADMIN_ROUTES: list[tuple[str, str, Any, int]] = [
    ("POST", ISSUED, KEY, 201),
    ("GET", ISSUED, None, 200),
    ("GET", f"{ISSUED}/{KEY_ID}", None, 404),
    ("PATCH", f"{ISSUED}/{KEY_ID}", {}, 404),
    ("POST", f"{ISSUED}/{KEY_ID}:rotate", {}, 404),
    ("POST", f"{ISSUED}/{KEY_ID}:revoke", {}, 404),
    ("POST", IMPORTED, KEY | {"raw_key": "k"}, 201),
    ("POST", f"{IMPORTED}:batchCreate", {"requests": [KEY | {"raw_key": "k"}]}, 200),
    ("GET", IMPORTED, None, 200),
    ("GET", f"{IMPORTED}/{KEY_ID}", None, 404),
    ("PATCH", f"{IMPORTED}/{KEY_ID}", {}, 404),
    ("DELETE", f"{IMPORTED}/{KEY_ID}", None, 404),
    ("POST", f"{IMPORTED}/{KEY_ID}:revoke", {}, 404),
    ("POST", f"{API_KEYS}:derive", CREDENTIAL, 401),
    ("POST", f"{API_KEYS}:verify", CREDENTIAL, 200),
    ("POST", f"{API_KEYS}:batchVerify", {"requests": [CREDENTIAL]}, 200),
    ("POST", f"{API_KEYS}/{KEY_ID}:revoke", {}, 404),
    ("GET", "/v2alpha1/admin/docs", None, 200),
]


PUBLIC_ROUTES: list[tuple[str, str, Any, int]] = [("POST", SELF_REVOKE, CREDENTIAL, 404)]


COMMON_ROUTES = [
    ("GET", JWKS, None, 200),
    ("GET", "/openapi.json", None, 200),
    ("GET", "/version", None, 200),
    ("GET", "/health/alive", None, 200),
    ("GET", "/health/ready", None, 200),
]


HAS = {
    "all": (*ADMIN_ROUTES, *PUBLIC_ROUTES, *COMMON_ROUTES),
    "admin": (*ADMIN_ROUTES, *COMMON_ROUTES),
    "public": (*PUBLIC_ROUTES, *COMMON_ROUTES),
}
