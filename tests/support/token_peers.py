"""Tokens made by other libraries."""

import time
from dataclasses import replace

from talos.credentials.claims import TokenClaims
from tests.unit.credentials.material import (
    CLAIMS,
)


def fresh() -> TokenClaims:
    """Claims for a peer that looks at the clock."""
    now_s = int(time.time())
    return replace(CLAIMS, iat_s=now_s, nbf_s=now_s, exp_s=now_s + 3600, aud=("billing",))
