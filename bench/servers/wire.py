"""The API of talos, as any compatible server has it: issue a key there, and verify it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bench.load.requests import Request
from bench.servers.exchange import Answer, WrongAnswer, ask, expect

ADMIN: Final = "/v2alpha1/admin"
VERIFY: Final = f"{ADMIN}/apiKeys:verify"
BATCH_VERIFY: Final = f"{ADMIN}/apiKeys:batchVerify"

CREATED: Final = 201
OK: Final = 200

TYPICAL_KEY: Final[Mapping[str, object]] = {
    "name": "bench",
    "actor_id": "service:billing",
    "scopes": ["invoices:read", "invoices:write"],
    "metadata": {"team": "platform", "plan": "pro"},
    "ttl": "24h",
}
"""Verified, it makes an answer of some 300 to 400 bytes."""


def post(path: str, body: object) -> Request:
    """Return a request with a JSON body, compact as SDKs write it."""
    return Request(path, json.dumps(body, separators=(",", ":")).encode())


def verify_request(credential: str, prefix: str = "") -> Request:
    """Return the request that is measured."""
    return post(prefix + VERIFY, {"credential": credential})


def batch_request(credentials: Sequence[str]) -> Request:
    """Return a request for many verdicts at once."""
    return post(BATCH_VERIFY, {"requests": [{"credential": text} for text in credentials]})


def issue(
    port: int, prefix: str = "", fields: Mapping[str, object] | None = None
) -> tuple[str, str]:
    """Issue a typical key with ``fields`` over it; return its id and its secret.

    Raises ``WrongAnswer``.
    """
    request = post(f"{prefix}{ADMIN}/issuedApiKeys", {**TYPICAL_KEY, **(fields or {})})
    answer = ask(port, request)
    expect(answer.status == CREATED, "no key was issued", answer)
    issued: Any = answer.json()
    return str(issued["issued_api_key"]["key_id"]), str(issued["secret"])


def derive(port: int, credential: str, algorithm: str = "TOKEN_ALGORITHM_JWT") -> str:
    """Derive a token from a key. Raises ``WrongAnswer``."""
    body = {"credential": credential, "algorithm": algorithm, "ttl": "1h"}
    answer = ask(port, post(f"{ADMIN}/apiKeys:derive", body))
    expect(answer.status == OK, "no token was derived", answer)
    return str(answer.json()["token"]["token"])


def check(port: int, key_id: str, credential: str, prefix: str = "") -> Answer:
    """Make sure that the key verifies and that two others do not; return the good answer."""
    answer = ask(port, verify_request(credential, prefix))
    verdict = answer.json() if answer.status == OK else {}
    right = verdict.get("is_valid") is True and verdict.get("key_id") == key_id
    expect(right, "a good key was refused", answer)
    forged = credential[:-1] + ("2" if credential.endswith("3") else "3")
    for other in (forged, "no-such-key"):
        refusal = ask(port, verify_request(other, prefix))
        denied = refusal.status == OK and refusal.json().get("is_valid") is False
        expect(denied, "a bad key was not refused", refusal)
    return answer


def until_remembered(port: int, request: Request, connections: int = 64) -> str:
    """Verify until every worker answers from its cache, if it has one.

    Returns what the server says of the last answer: ``HIT``, ``MISS`` or ``SKIP``, or nothing.
    """
    hits, said = 0, ""
    for _ in range(4 * connections):
        answer = ask(port, request)
        if answer.status != OK:
            raise WrongAnswer(f"status {answer.status}")
        said = answer.header("Ory-Talos-Cache") or ""
        hits = hits + 1 if said == "HIT" else 0
        if hits == connections:
            break
    return said
