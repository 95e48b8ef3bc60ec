"""The operations of the main ports, in the order of the API description (contract 1.2, 1.3)."""

from typing import Final

from talos.http.operation import Operation
from talos.http.operations import any_keys, imported_keys, issued_keys, self_service, server

OPERATIONS: Final[tuple[Operation, ...]] = (
    *issued_keys.OPERATIONS,
    *imported_keys.OPERATIONS,
    *any_keys.OPERATIONS,
    *self_service.OPERATIONS,
    *server.OPERATIONS,
)
"""The one table: routes, surfaces and the API description are made from it."""
