"""Why a derived token is turned away (contract 6.4)."""

from typing import Self

from talos.domain.verification import VerificationErrorCode


class TokenRejected(Exception):
    """A derived token is not valid.

    ``code`` and ``message`` are what the caller of verify is told. The message never says more
    than the contract does: what exactly was wrong would help whoever is guessing.
    """

    def __init__(self, code: VerificationErrorCode, message: str) -> None:
        """Keep the verdict."""
        super().__init__(message)
        self.code = code
        self.message = message

    @classmethod
    def signature(cls) -> Self:
        """Not authentic: forged, malformed, of another issuer, or outside its time."""
        return cls(VerificationErrorCode.SIGNATURE_INVALID, "Signature verification failed.")

    @classmethod
    def token_type(cls) -> Self:
        """Authentic, and not a derived token."""
        return cls(VerificationErrorCode.INVALID_FORMAT, "The token type is invalid.")
