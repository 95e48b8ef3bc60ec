"""Answers of a server, in the shape of contract 2.3."""

from typing import Any

KEY_ID = "2e1b4c5d-6f70-4819-92a3-b4c5d6e7f809"
SECRET = "test-secret-of-an-issued-key"


def key(**changes: Any) -> dict[str, Any]:
    return {
        "key_id": KEY_ID,
        "name": "billing",
        "actor_id": "user:1",
        "scopes": ["read", "write"],
        "status": "KEY_STATUS_ACTIVE",
        "metadata": None,
        "create_time": "2026-01-01T00:00:00Z",
        "expire_time": "2026-01-02T00:00:00Z",
        "visibility": "KEY_VISIBILITY_SECRET",
        **changes,
    }


def verification(**changes: Any) -> dict[str, Any]:
    return {
        "is_valid": True,
        "key_id": KEY_ID,
        "actor_id": "user:1",
        "issuer": "https://issuer.example",
        "scopes": ["read"],
        "expire_time": None,
        "metadata": None,
        "status": "KEY_STATUS_ACTIVE",
        "visibility": "KEY_VISIBILITY_SECRET",
        "audiences": [],
        **changes,
    }


def invalid(code: str, message: str = "no good") -> dict[str, Any]:
    return verification(
        is_valid=False,
        key_id="",
        actor_id="",
        scopes=[],
        issuer="",
        status="KEY_STATUS_UNSPECIFIED",
        error_code=f"VERIFICATION_ERROR_{code}",
        error_message=message,
    )
