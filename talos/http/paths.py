"""The paths of the API, up to the ids and verbs in them (contract 1.2, 1.3)."""

from typing import Final

ROOT: Final = "/v2alpha1"
ADMIN: Final = f"{ROOT}/admin"

ISSUED: Final = f"{ADMIN}/issuedApiKeys"
IMPORTED: Final = f"{ADMIN}/importedApiKeys"
API_KEYS: Final = f"{ADMIN}/apiKeys"
"""Of keys of either kind."""
DOCS: Final = f"{ADMIN}/docs"

DESCRIPTION: Final = "/openapi.json"
VERSION: Final = "/version"
ALIVE: Final = "/health/alive"
READY: Final = "/health/ready"
