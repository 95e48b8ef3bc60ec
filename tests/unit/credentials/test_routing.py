import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.credentials.routing import route
from talos.domain.verification import CredentialType
from tests.support.issued_keys import VECTOR_A, VECTOR_B
from tests.unit.credentials.material import PAYLOAD, jws, macaroon, settings

JWT = jws()


@pytest.mark.parametrize(
    ("credential", "expected"),
    [
        (JWT, CredentialType.JWT),
        (JWT.rpartition(".")[0], CredentialType.IMPORTED),
        (JWT + "\n", CredentialType.IMPORTED),
        (macaroon(PAYLOAD), CredentialType.MACAROON),
        (macaroon(PAYLOAD, prefix="old"), CredentialType.MACAROON),
        (macaroon(PAYLOAD, prefix="other"), CredentialType.IMPORTED),
        ("mc_v1_", CredentialType.MACAROON),
        (VECTOR_A, CredentialType.ISSUED),
        (VECTOR_B, CredentialType.ISSUED),
        (VECTOR_A + " ", CredentialType.IMPORTED),
        ("sk_live_abc123xyz789", CredentialType.IMPORTED),
        ("", CredentialType.IMPORTED),
        ("\ud800", CredentialType.IMPORTED),
    ],
)
def test_the_first_shape_that_fits_wins(credential: str, expected: CredentialType) -> None:
    assert route(credential, settings(macaroon_prefixes_retired=("old",))) is expected


def test_an_issued_key_under_a_macaroon_prefix_is_a_macaroon() -> None:
    assert route(VECTOR_A, settings(macaroon_prefix="ory_ak")) is CredentialType.MACAROON


@given(st.text())
def test_every_text_has_a_type(text: str) -> None:
    assert isinstance(route(text, settings()), CredentialType)
