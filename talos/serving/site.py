"""What a worker needs to know of the applications it serves."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class Site(Protocol):
    """The applications of one worker process, with everything that stands behind them."""

    @property
    def applications(self) -> "tuple[WSGIApplication, ...]":
        """One application for each listener, in the order of the listeners."""
        ...

    @property
    def body_limit(self) -> int:
        """Largest body in bytes; the applications see one byte more of a larger one."""
        ...

    def close(self) -> None:
        """Finish what runs in the background and give every resource back."""
        ...
