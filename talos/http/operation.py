"""What is declared of an operation: where it is, what answers it, and how it is described."""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from msgspec import Struct

from talos.http.dependencies import HttpDependencies
from talos.http.fields import Message

_KEY_ID: Final = "{key_id}"
LIST_QUERY: Final = ("page_size", "page_token", "filter")


class Audience(enum.Enum):
    """Whom an operation is for. Surfaces choose by it."""

    ADMIN = "administrators, who may do anything"
    HOLDERS = "the holder of a credential, who has nothing but the credential"
    EVERYONE = "whoever reaches a main port"


class Tag(enum.StrEnum):
    """What the API description files an operation under."""

    ADMIN = "admin"
    SELF_SERVICE = "self-service"
    SERVER = "server"


TAGS: Final = {
    Tag.ADMIN: "For administrators; every caller is trusted.",
    Tag.SELF_SERVICE: "For holders of a credential.",
    Tag.SERVER: "About the server itself.",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    ``resource`` makes what answers it, from the collaborators of the application; it has a method
    named as ``responder`` says. Operations that name the same one share what it makes.

    ``errors`` are those beside the ones that every operation can meet, ``query`` and ``headers``
    the names of its query parameters and of the headers of its success.
    """

    id: str
    method: str
    """In lower case."""
    path: str
    resource: Callable[[HttpDependencies], object]
    audience: Audience
    tag: Tag
    summary: str
    description: str
    response: type[Struct] | None = None
    request: Message[Any] | None = None
    success: HTTPStatus = HTTPStatus.OK
    errors: Sequence[HTTPStatus] = (HTTPStatus.BAD_REQUEST,)
    query: Sequence[str] = ()
    headers: Sequence[str] = ()
    body_required: bool = True
    media_type: str | None = None
    """Of a success whose body is none of the structs."""
    any_method: bool = False
    """Whether it answers every method, though it is described for one."""

    @property
    def has_key_id(self) -> bool:
        """Whether there is an id in its path."""
        return _KEY_ID in self.path

    @property
    def route(self) -> str:
        """Its path without the verb."""
        before, key_id, _ = self.path.partition(_KEY_ID)
        return before + key_id

    @property
    def verb(self) -> str:
        """What its path has behind the colon that follows the id, empty where there is none."""
        return self.path.partition(f"{_KEY_ID}:")[2]

    @property
    def responder(self) -> str:
        """The name of the method that answers: as Falcon's, with the verb as a suffix."""
        if self.any_method:
            return "on_any"
        return f"on_{self.method}_{self.verb}" if self.verb else f"on_{self.method}"
