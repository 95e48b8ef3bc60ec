"""The three kinds of success (contract 2.2)."""

import falcon
import msgspec
from msgspec import Struct


def ok(resp: falcon.Response, body: Struct) -> None:
    """Answer 200 with a body."""
    resp.data = msgspec.json.encode(body)


def created(resp: falcon.Response, body: Struct, location: str) -> None:
    """Answer 201 with a body and the path of what was made."""
    resp.status = falcon.HTTP_201
    resp.set_header("Location", location)
    resp.data = msgspec.json.encode(body)


def no_content(resp: falcon.Response) -> None:
    """Answer 204; the contract has it name a content type all the same."""
    resp.status = falcon.HTTP_204
    resp.content_type = falcon.MEDIA_JSON
