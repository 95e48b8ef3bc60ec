"""Whether verifications may be answered without the middleware (contract 6.2, 16 (38), 16 (39)).

The fast path answers before any middleware runs. So each class of middleware declares, in a static
method ``fast_path_obstacle``, why it may not be passed by under some settings: None says that the
fast path does the same as it, or that it does nothing for the requests that the fast path answers.
A class without a declaration switches the fast path off.
"""

from collections.abc import Iterable, Iterator

from talos.services.tenant import HttpSettings


def obstacles(middleware: Iterable[type], settings: HttpSettings) -> Iterator[str]:
    """Yield in words what of ``middleware`` may not be passed by under ``settings``."""
    for part in middleware:
        # What a class derives from has not spoken for it.
        if "fast_path_obstacle" not in vars(part):
            yield f"the middleware {part.__name__} does not declare that it may be passed by"
        elif (reason := part.fast_path_obstacle(settings)) is not None:  # type: ignore[attr-defined]
            yield reason
