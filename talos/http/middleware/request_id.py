"""``X-Request-ID``: the client's own where it is usable, else a fresh one (contract 2.2)."""

import re
import uuid
from typing import Final

import falcon

from talos.http.request import Request
from talos.services.tenant import HttpSettings

_BLANKS: Final = " \t"
# What may stand in a response header; the client's bytes arrive as Latin-1.
_USABLE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]{1,128}")


class RequestId:
    """Names the request, for the response and for the log."""

    @staticmethod
    def fast_path_obstacle(_settings: HttpSettings) -> str | None:
        """The fast path echoes or makes the id itself."""
        return None

    def process_request(self, req: Request, resp: falcon.Response) -> None:
        """Take over or make the id, and put it into the response."""
        given = req.env.get("HTTP_X_REQUEST_ID", "").strip(_BLANKS)
        request_id = given if _USABLE.fullmatch(given) else str(uuid.uuid4())
        req.context.request_id = request_id
        resp.set_header("X-Request-ID", request_id)
