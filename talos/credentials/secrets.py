"""Secrets, and the lists by which they and other values are retired (contract 5.7, 14.1).

A secret is the UTF-8 text of the configuration, used as it stands: it is never decoded. It prints
redacted, is compared through the core in constant time, and cannot be pickled, copied or hashed,
so that it does not travel by accident.
"""

from dataclasses import dataclass
from typing import Generic, NoReturn, SupportsIndex, TypeVar

from talos._core import compare_digest

T = TypeVar("T")


class Secret:
    """Bytes that nobody prints.

    Only ``reveal`` gives them out; call it where the bytes are used and keep no copy.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str | bytes) -> None:
        """Keep ``value``; text is encoded as UTF-8. Raises ValueError for lone surrogates."""
        if isinstance(value, str):
            try:
                value = value.encode()
            except UnicodeEncodeError:
                # The original error carries the whole text.
                raise ValueError("a secret must be valid Unicode text") from None
        self._value = bytes(value)

    def reveal(self) -> bytes:
        """Return the bytes."""
        return self._value

    def __bool__(self) -> bool:
        """Return whether there is anything to keep secret: an empty one is no secret."""
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        """Compare in constant time; equal only to another ``Secret``."""
        if not isinstance(other, Secret):
            return NotImplemented
        return compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # a hash is a fingerprint that may be printed

    def __repr__(self) -> str:
        """Return a text that says nothing, not even the length."""
        return "Secret(redacted)"

    def __format__(self, spec: str) -> str:
        """Return the redacted text whatever ``spec`` asks for."""
        return repr(self)

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a secret cannot be pickled or copied")


@dataclass(frozen=True, slots=True)
class Retired(Generic[T]):
    """A value that is no longer used for new credentials and still accepted for old ones.

    ``expires_at_ns`` is nanoseconds since the Unix epoch; None accepts forever.
    """

    value: T
    expires_at_ns: int | None = None

    def accepted(self, now_ns: int) -> bool:
        """Return whether the value still counts; the very instant of expiry does not."""
        return self.expires_at_ns is None or now_ns < self.expires_at_ns


@dataclass(frozen=True, slots=True)
class SecretRing:
    """The secret that makes new credentials, and those that may still prove old ones."""

    current: Secret
    retired: tuple[Retired[Secret], ...] = ()

    def __post_init__(self) -> None:
        """Refuse an empty current secret: anyone can compute a MAC under it."""
        if not self.current:
            raise ValueError("the current secret must not be empty")

    def accepted(self, now_ns: int) -> tuple[bytes, ...]:
        """Return the bytes of every secret in force, the current one first.

        Empty retired values are skipped (contract 5.7).
        """
        return (
            self.current.reveal(),
            *(
                entry.value.reveal()
                for entry in self.retired
                if entry.value and entry.accepted(now_ns)
            ),
        )
