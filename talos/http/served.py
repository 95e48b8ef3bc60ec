"""An application as a server has to know it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

MAIN: Final = "main"
METRICS: Final = "metrics"


@dataclass(frozen=True, slots=True)
class ServedApplication:
    """A WSGI application, and what is asked before it is given a request."""

    wsgi: "WSGIApplication"
    body_limit: "Callable[[WSGIEnvironment], int]" = lambda _environ: 0
    """Returns for a request how many bytes of its body are worth reading.

    It is given the environ without the body. The application has to refuse a larger body by its
    ``CONTENT_LENGTH``, since it is given less of it. 0: the request is refused whatever it is.
    """
