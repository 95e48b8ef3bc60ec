"""What a worker needs to know of the applications it serves."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from talos._core import HotPath


class WorkerApplication(Protocol):
    """The applications of one worker process, with everything that stands behind them."""

    @property
    def applications(self) -> "tuple[WSGIApplication, ...]":
        """One application for each listener, in the order of the listeners."""
        ...

    @property
    def body_limit(self) -> "Callable[[WSGIEnvironment], int]":
        """Tells of a request to the first listener how many bytes of its body are worth reading.

        It is given the environ without the body. The application has to refuse a larger body by its
        ``CONTENT_LENGTH``, since it is given less of it. 0: the request is refused whatever it is.
        """
        ...

    @property
    def hot_path(self) -> "HotPath | None":
        """What answers requests of the first listener from memory, if anything does."""
        ...

    @property
    def configuration_revision(self) -> memoryview | None:
        """The word that changes when the configuration does; None where it never does."""
        ...

    @property
    def configure_hot_path(self) -> "Callable[[], None]":
        """Brings ``hot_path`` in line with the configuration in force; it may not fail."""
        ...

    def close(self) -> None:
        """Finish what runs in the background and give every resource back."""
        ...
