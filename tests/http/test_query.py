"""Query strings (contract 2.1, 4.4, 7.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.domain.drafts import ListQuery
from talos.errors import InvalidRequest
from talos.http.query import decode_list, decode_mask
from tests.http.surface import API_KEYS, IMPORTED, ISSUED, Surface, assert_envelope


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ListQuery()),
        ("&&", ListQuery()),
        ("page_size=5", ListQuery(page_size=5)),
        ("pageSize=5", ListQuery(page_size=5)),
        ("page%5Fsize=%35", ListQuery(page_size=5)),
        ("page_size=%2B5", ListQuery(page_size=5)),
        ("page_size=-5", ListQuery(page_size=-5)),
        ("page_size=0005", ListQuery(page_size=5)),
        ("page_size=2147483647", ListQuery(page_size=2**31 - 1)),
        ("page_size=-2147483648", ListQuery(page_size=-(2**31))),
        ("page_token=a&filter=b", ListQuery(page_token="a", filter="b")),
        ("pageToken=a=b", ListQuery(page_token="a=b")),
        (
            "filter=status%3DX+AND+actor_id%3D%22%C3%A9%22",
            ListQuery(filter='status=X AND actor_id="é"'),
        ),
        ("filter=\xc3\xa9", ListQuery(filter="é")),
        ("PAGE_SIZE=x&Page_Size=y&unknown=1&unknown=2&%FF=1", ListQuery()),
        ("update_mask=name&update_mask=scopes", ListQuery()),
        ("filter", ListQuery()),
    ],
)
def test_a_list_query(query: str, expected: ListQuery) -> None:
    assert decode_list(query) == expected


@pytest.mark.parametrize(
    "query",
    [
        "page_size=",
        "page_size",
        "page_size=+5",
        "page_size=%205",
        "page_size=5%20",
        "page_size=1e2",
        "page_size=2.0",
        "page_size=0x1",
        "page_size=1_0",
        "page_size=%D9%A1",
        "page_size=2147483648",
        "page_size=-2147483649",
        "page_size=99999999999999999999",
        "page_size=--1",
        "page_size=1&page_size=1",
        "page_size=1&pageSize=1",
        "pageSize=1&page_size=2",
        "pageToken=&page_token=",
        "filter=&filter=",
        "page_token=a&page_token=b",
        "filter=%FF",
        "page_token=%C0%80",
        "x=%",
        "x=%z1",
        "%2=x",
        "x=1;y=2",
        ";",
    ],
)
def test_a_list_query_that_is_refused(query: str) -> None:
    with pytest.raises(InvalidRequest):
        decode_list(query)


@pytest.mark.parametrize(
    ("query", "mask"),
    [
        ("", None),
        ("x=1", None),
        ("update_mask=", ("",)),
        ("update_mask", ("",)),
        ("update_mask=name", ("name",)),
        ("updateMask=name,scopes", ("name", "scopes")),
        ("update_mask=name%2Cscopes", ("name", "scopes")),
        ("update_mask=name,+scopes", ("name", " scopes")),
        ("update_mask=name,", ("name", "")),
        ("update_mask.paths=name", ("name",)),
        ("update_mask.paths=name&update_mask.paths=scopes", ("name", "scopes")),
        ("updateMask.paths=name&update_mask=scopes", ("scopes", "name")),
        ("page_size=x&filter=", None),
    ],
)
def test_a_mask(query: str, mask: tuple[str, ...] | None) -> None:
    assert decode_mask(query) == mask


@pytest.mark.parametrize(
    "query",
    [
        "update_mask=name&update_mask=name",
        "update_mask=a&updateMask=b",
        "update_mask=%FF",
        "x=%",
        ";",
    ],
)
def test_a_mask_that_is_refused(query: str) -> None:
    with pytest.raises(InvalidRequest):
        decode_mask(query)


QUERIES = st.text(st.characters(max_codepoint=255), max_size=30) | st.lists(
    st.sampled_from(["page_size", "filter", "update_mask", "page_token", "=", "&", "%", "%C3", ";"])
    | st.sampled_from(["1", "-", "+", "%00", "%22", "status=", "KEY_STATUS_ACTIVE", ",", "name"]),
    max_size=12,
).map("".join)


@given(QUERIES)
def test_any_query_is_read_or_refused(query: str) -> None:
    for decode in (decode_list, decode_mask):
        try:
            decode(query)
        except InvalidRequest as error:
            assert error.message


class TestWhoLooks:
    BAD = "page_size=1;x&x=%zz&page_size=2&update_mask=&update_mask=nothing"

    def test_lists_and_updates_do(self, surface: Surface) -> None:
        key_id = surface.issue()["issued_api_key"]["key_id"]
        for path in (ISSUED, IMPORTED):
            assert_envelope(surface.send("GET", f"{path}?{self.BAD}"), 400, "BAD_REQUEST")
        for query in ("%zz", ";", "update_mask=name&update_mask=name"):
            result = surface.send("PATCH", f"{ISSUED}/{key_id}?{query}", {})
            assert_envelope(result, 400, "BAD_REQUEST")

    def test_no_other_operation_does(self, surface: Surface) -> None:
        key_id = surface.issue()["issued_api_key"]["key_id"]
        assert surface.send("GET", f"{ISSUED}/{key_id}?{self.BAD}").status_code == 200
        verify = surface.send("POST", f"{API_KEYS}:verify?{self.BAD}", {"credential": "x"})
        assert verify.status_code == 200
        assert surface.send("POST", f"{ISSUED}/{key_id}:revoke?{self.BAD}").status_code == 204

    def test_the_body_is_judged_first(self, surface: Surface) -> None:
        result = surface.send("PATCH", f"{ISSUED}/x?%zz", b"{")
        assert "JSON" in assert_envelope(result, 400)["message"]

    def test_an_unknown_path_of_the_mask_is_told_before_the_key_is_looked_up(
        self, surface: Surface
    ) -> None:
        result = surface.send("PATCH", f"{ISSUED}/x?update_mask=metadata.plan", {})
        message = assert_envelope(result, 400, "BAD_REQUEST")["message"]
        assert '"metadata.plan"' in message
        for name in ("name", "scopes", "metadata", "rate_limit_policy", "ip_restriction"):
            assert name in message


class TestPages:
    def test_every_key_is_seen_once(self, surface: Surface) -> None:
        made = {surface.issue()["issued_api_key"]["key_id"] for _ in range(7)}
        seen: list[str] = []
        token = ""
        while True:
            page = surface.send("GET", f"{ISSUED}?page_size=3&page_token={token}").json
            seen += [key["key_id"] for key in page["issued_api_keys"]]
            token = page["next_page_token"]
            if not token:
                break
        assert seen == sorted(made, reverse=True)

    @pytest.mark.parametrize(
        "query", ["page_size=-1", "page_size=1001", "page_token=x", "filter=x"]
    )
    def test_what_they_refuse(self, surface: Surface, query: str) -> None:
        for path in (ISSUED, IMPORTED):
            assert_envelope(surface.send("GET", f"{path}?{query}"), 400, "BAD_REQUEST")

    def test_an_empty_list(self, surface: Surface) -> None:
        empty = {"issued_api_keys": [], "next_page_token": ""}
        assert surface.send("GET", ISSUED).json == empty
        empty = {"imported_api_keys": [], "next_page_token": ""}
        assert surface.send("GET", f"{IMPORTED}?page_size=0", b"{{{ ignored").json == empty
