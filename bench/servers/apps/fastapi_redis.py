"""A key verifier on FastAPI and Redis, as a careful engineer would write it in an afternoon.

A key is stored under its SHA-256, so that Redis holds no secret; one HGETALL answers a request.
``BENCH_REDIS`` is the URL of the server.
"""

import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel, Field
from redis.asyncio import Redis


class VerifyRequest(BaseModel):
    """The body of a request."""

    credential: str = Field(min_length=1, max_length=8192)


class Verdict(BaseModel):
    """What is known of a key. ``error_code`` is set exactly when it is not valid."""

    is_valid: bool
    key_id: str = ""
    actor_id: str = ""
    scopes: list[str] = []
    expires_at: int | None = None
    metadata: dict[str, Any] | None = None
    error_code: str | None = None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold one pool of connections for the life of the process."""
    app.state.redis = Redis.from_url(os.environ["BENCH_REDIS"], decode_responses=True)
    yield
    await app.state.redis.aclose()


app = FastAPI(lifespan=lifespan)


@app.post("/v2alpha1/admin/apiKeys:verify")
async def verify(body: VerifyRequest, request: Request) -> Verdict:
    """Look the key up, and refuse it if it is unknown, revoked or expired."""
    digest = sha256(body.credential.encode()).hexdigest()
    record = await request.app.state.redis.hgetall(f"key:{digest}")
    if not record:
        return Verdict(is_valid=False, error_code="NOT_FOUND")
    if record["revoked"] != "0":
        return Verdict(is_valid=False, error_code="REVOKED")
    expires_at = int(record["expires_at"])
    if expires_at < time.time():
        return Verdict(is_valid=False, error_code="EXPIRED")
    return Verdict(
        is_valid=True,
        key_id=record["key_id"],
        actor_id=record["actor_id"],
        scopes=json.loads(record["scopes"]),
        expires_at=expires_at,
        metadata=json.loads(record["metadata"]),
    )
