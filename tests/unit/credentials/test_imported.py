import unicodedata

import pytest

from talos.credentials.imported import imported_key_id
from talos.domain.keys import NIL_NETWORK

NETWORK = "550e8400-e29b-41d4-a716-446655440001"


@pytest.mark.parametrize(
    ("network_id", "raw_key", "key_id"),
    [
        (
            NIL_NETWORK,
            "sk_live_abc123xyz789",
            "8b52f945087b56ec0a840c95c5e65ed48828f9f50d48b4f29a233ce856b9f43c",
        ),
        (
            NETWORK,
            "sk_live_abc123xyz789",
            "9fa944c5bb198a751ae1e92a699c44334c583f3a901956b340c315e2afca191a",
        ),
        (
            NIL_NETWORK,
            unicodedata.normalize("NFC", "clé-ü"),
            "d0bad73190966ae80fd8c3952b04a3f34e6df945c0c4146549b29fc71b5a3a8d",
        ),
    ],
)
def test_the_vectors_of_the_contract(network_id: str, raw_key: str, key_id: str) -> None:
    assert imported_key_id(network_id, raw_key) == key_id


def test_nothing_is_trimmed_or_normalised() -> None:
    spellings = ["clé", unicodedata.normalize("NFD", "clé"), "clé ", " clé", "Clé", "cl\u00e9\n"]
    assert len({imported_key_id(NIL_NETWORK, raw_key) for raw_key in spellings}) == len(spellings)


def test_a_key_that_is_no_text_is_refused_without_being_quoted() -> None:
    with pytest.raises(ValueError, match="valid Unicode") as caught:
        imported_key_id(NIL_NETWORK, "test-raw-key\ud800")
    assert "test-raw-key" not in repr(caught.value)
    assert caught.value.__suppress_context__
