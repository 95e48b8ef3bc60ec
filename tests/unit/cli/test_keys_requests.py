"""Every command and flag, and the request that it makes."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.cli import Run
from tests.unit.cli.answers import KEY_ID, SECRET, invalid, key, verification
from tests.unit.cli.fake_server import FakeServer

ADMIN = "/v2alpha1/admin"
ISSUED = f"{ADMIN}/issuedApiKeys"
IMPORTED = f"{ADMIN}/importedApiKeys"
ISSUE = {"name": "n", "actor_id": "a", "ttl": "24h0m0s"}
IMPORT = {"raw_key": "test-raw-key", "name": "n", "actor_id": "a"}
NEW = {"issued_api_key": key(), "secret": SECRET}
POLICY = {"quota": "100", "window": "60s"}


@dataclass(frozen=True)
class Case:
    line: str
    method: str
    target: str
    body: Any = None
    answer: Any = field(default_factory=key)
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.line, *self.words])


def issue(flags: str, *words: str, **members: Any) -> Case:
    answer = {"issued_api_key": key(), "secret": SECRET}
    line = f"keys issue n --actor a {flags}"
    return Case(line, "POST", ISSUED, {**ISSUE, **members}, answer, words)


def import_(flags: str, *words: str, **members: Any) -> Case:
    line = f"keys imported import n --actor a --raw-key test-raw-key {flags}"
    return Case(line, "POST", IMPORTED, {**IMPORT, **members}, key(), words)


def update(flags: str, *words: str, query: str = "", **members: Any) -> Case:
    line = f"keys issued update k1 {flags}"
    return Case(line, "PATCH", f"{ISSUED}/k1{query}", members, key(), words)


def rotate(flags: str, *words: str, **members: Any) -> Case:
    answer = {"issued_api_key": key(), "secret": SECRET, "old_issued_api_key": key()}
    return Case(
        f"keys issued rotate k1 {flags}", "POST", f"{ISSUED}/k1:rotate", members, answer, words
    )


def derive(flags: str, *words: str, **members: Any) -> Case:
    body = {"credential": "c1", "algorithm": "TOKEN_ALGORITHM_JWT", "ttl": "1h", **members}
    answer = {"token": {"token": "t", "expire_time": "2026-01-01T00:00:00Z"}}
    return Case(
        f"keys derive-token c1 {flags}", "POST", f"{ADMIN}/apiKeys:derive", body, answer, words
    )


def listing(kind: str, flags: str, query: str, *words: str) -> Case:
    collection = {"issued": ISSUED, "imported": IMPORTED}[kind]
    answer = {f"{kind}_api_keys": [], "next_page_token": ""}
    return Case(f"keys {kind} list {flags}", "GET", collection + query, None, answer, words)


CASES = [
    issue(""),
    Case("keys create n --actor a", "POST", ISSUED, ISSUE, NEW),
    Case("keys issued issue n --actor a", "POST", ISSUED, ISSUE, NEW),
    Case("keys issued create n --actor a", "POST", ISSUED, ISSUE, NEW),
    issue("--scopes a,b", scopes=["a", "b"]),
    issue("--scopes a --scopes b,c", scopes=["a", "b", "c"]),
    issue("", "--scopes", " a , b:c ", scopes=["a", "b:c"]),
    issue("--scopes a,,b", scopes=["a", "", "b"]),
    issue("", "--scopes", "", scopes=[]),
    issue("--ttl 90m", ttl="1h30m0s"),
    issue("--ttl 30d", ttl="720h0m0s"),
    issue("--ttl 1w2d", ttl="216h0m0s"),
    import_("--ttl 30d", ttl="30d"),
    issue(
        "--rate-limit-quota 100 --rate-limit-window 1d",
        rate_limit_policy={"quota": "100", "window": "86400s"},
    ),
    issue("--ttl 1500ms", ttl="1.5s"),
    issue(
        "", "--metadata", '{"a": [1, null, 9007199254740993]}', metadata={"a": [1, None, 2**53 + 1]}
    ),
    issue("--metadata {}", metadata={}),
    issue(
        "--allowed-cidrs 10.0.0.0/8,::1/128",
        ip_restriction={"allowed_cidrs": ["10.0.0.0/8", "::1/128"]},
    ),
    issue("--rate-limit-quota 100 --rate-limit-window 1m", rate_limit_policy=POLICY),
    issue("--rate-limit-quota 100 --rate-limit-window 60999ms", rate_limit_policy=POLICY),
    issue("--rate-limit-quota 0"),
    import_(""),
    import_("--ttl 90m", ttl="90m"),
    import_("--ttl 24h", ttl="24h"),
    import_("--scopes a,b", scopes=["a", "b"]),
    import_("--metadata {}", metadata={}),
    import_("--allowed-cidrs 10.0.0.0/8", ip_restriction={"allowed_cidrs": ["10.0.0.0/8"]}),
    import_("--rate-limit-quota 100 --rate-limit-window 60s", rate_limit_policy=POLICY),
    update("--name x", name="x"),
    update("", "--name", "", name=""),
    update("", "--scopes", "", scopes=[]),
    update("--scopes a,b", scopes=["a", "b"]),
    update("--metadata {}", metadata={}),
    update("", "--allowed-cidrs", "", ip_restriction={"allowed_cidrs": []}),
    update("--allowed-cidrs 10.0.0.0/8", ip_restriction={"allowed_cidrs": ["10.0.0.0/8"]}),
    update("--rate-limit-quota 100 --rate-limit-window 60s", rate_limit_policy=POLICY),
    update("--update-mask rate_limit_policy", query="?update_mask=rate_limit_policy"),
    update(
        "--name x", "--update-mask", "name, scopes", query="?update_mask=name%2Cscopes", name="x"
    ),
    Case("keys imported update k1 --name x", "PATCH", f"{IMPORTED}/k1", {"name": "x"}),
    rotate(""),
    rotate("--name x", name="x"),
    rotate("", "--scopes", "", scopes=[]),
    rotate("--scopes a", scopes=["a"]),
    rotate("--metadata {}", metadata={}),
    Case("keys issued get k1", "GET", f"{ISSUED}/k1"),
    Case("keys imported get k1", "GET", f"{IMPORTED}/k1"),
    Case(
        "keys issued get",
        "GET",
        f"{ISSUED}/a%2Fb%3Fc%23%20%C3%A9%3Arevoke",
        words=("a/b?c# é:revoke",),
    ),
    Case("keys issued get", "GET", f"{ISSUED}/%2E%2E", words=("..",)),
    Case("keys imported delete k1", "DELETE", f"{IMPORTED}/k1", None, b""),
    listing("issued", "", ""),
    listing("imported", "", ""),
    listing("issued", "--page-size 5", "?page_size=5"),
    listing("issued", "--page-size 0", ""),
    listing("issued", "--page-size -3", ""),
    listing("issued", "--page-token a+b/c=", "?page_token=a%2Bb%2Fc%3D"),
    listing("imported", "--actor user:1", "?filter=actor_id%3D%22user%3A1%22"),
    listing("issued", "--status KEY_STATUS_REVOKED", "?filter=status%3DKEY_STATUS_REVOKED"),
    listing(
        "issued",
        "--status KEY_STATUS_ACTIVE --actor a",
        "?filter=actor_id%3D%22a%22%20AND%20status%3DKEY_STATUS_ACTIVE",
    ),
    Case("keys verify c1", "POST", f"{ADMIN}/apiKeys:verify", {"credential": "c1"}, verification()),
    Case(
        "keys validate c1", "POST", f"{ADMIN}/apiKeys:verify", {"credential": "c1"}, verification()
    ),
    Case(
        "keys batch-verify c1 c2 c1",
        "POST",
        f"{ADMIN}/apiKeys:batchVerify",
        {"requests": [{"credential": "c1"}, {"credential": "c2"}, {"credential": "c1"}]},
        {"results": [verification(), invalid("NOT_FOUND"), verification()]},
    ),
    derive(""),
    derive("--ttl 5m", ttl="5m"),
    derive("--algorithm jwt"),
    derive("--algorithm macaroon", algorithm="TOKEN_ALGORITHM_MACAROON"),
    derive("", "--claims", '{"a": 1}', custom_claims={"a": 1}),
    Case("keys self-revoke c1", "POST", "/v2alpha1/apiKeys:selfRevoke", {"credential": "c1"}, {}),
    Case(
        "keys self-revoke c1 --reason superseded",
        "POST",
        "/v2alpha1/apiKeys:selfRevoke",
        {"credential": "c1", "reason": "REVOCATION_REASON_SUPERSEDED"},
        {},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_request_of(case: Case, server: FakeServer, ask: Run) -> None:
    server.answer(case.answer)
    result = ask(*case.line.split(), *case.words)
    assert result.exit_code == 0, result.stderr
    request = server.only
    assert (request.method, request.target) == (case.method, case.target)
    assert "Authorization" not in request.headers
    if case.body is None:
        assert request.body == b""
    else:
        assert request.json == case.body
        assert request.headers["Content-Type"] == "application/json"


REVOCATIONS = [
    ([], {}),
    (["--reason", "key_compromise"], {"reason": "REVOCATION_REASON_KEY_COMPROMISE"}),
    (["--reason", "Affiliation_Changed"], {"reason": "REVOCATION_REASON_AFFILIATION_CHANGED"}),
    (["--reason", "REVOCATION_REASON_SUPERSEDED"], {"reason": "REVOCATION_REASON_SUPERSEDED"}),
    (["--reason", "unspecified"], {"reason": "REVOCATION_REASON_UNSPECIFIED"}),
    (["--reason", ""], {"reason": "REVOCATION_REASON_UNSPECIFIED"}),
    (
        ["--reason", "privilege_withdrawn", "--reason-text", "left"],
        {"reason": "REVOCATION_REASON_PRIVILEGE_WITHDRAWN", "description": "left"},
    ),
]


@pytest.mark.parametrize(("flags", "body"), REVOCATIONS)
@pytest.mark.parametrize("kind", ["issued", "imported"])
def test_revoke_shows_the_key_as_it_is_then(
    server: FakeServer, ask: Run, kind: str, flags: list[str], body: dict[str, str]
) -> None:
    server.answer(status=204)
    server.answer(key(status="KEY_STATUS_REVOKED"))
    result = ask("keys", kind, "revoke", "k1", *flags, "--format", "jsonpath=status")
    assert (result.stdout, result.exit_code) == ('"KEY_STATUS_REVOKED"\n', 0)
    assert result.stderr == "API key revoked.\n"
    revoke, get = server.requests
    path = f"{ADMIN}/{kind}ApiKeys/k1"
    assert (revoke.method, revoke.target, revoke.json) == ("POST", f"{path}:revoke", body)
    assert (get.method, get.target) == ("GET", path)


def test_revoke_without_a_kind_tries_issued_then_imported(server: FakeServer, ask: Run) -> None:
    server.refuse(404, "API key not found")
    server.answer(status=204)
    server.answer(key())
    result = ask("keys", "revoke", "k1", "--reason", "superseded", "-q")
    assert (result.stdout, result.exit_code) == (KEY_ID + "\n", 0)
    assert [(request.method, request.target) for request in server.requests] == [
        ("POST", f"{ISSUED}/k1:revoke"),
        ("POST", f"{IMPORTED}/k1:revoke"),
        ("GET", f"{IMPORTED}/k1"),
    ]
    assert server.requests[1].json == {"reason": "REVOCATION_REASON_SUPERSEDED"}


def test_revoke_without_a_kind_finds_none(server: FakeServer, ask: Run) -> None:
    server.refuse(404, "API key not found")
    server.refuse(404, "imported key not found")
    result = ask("keys", "revoke", "k1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: revoke API key: API key not found\n"


def test_revoke_without_a_kind_stops_at_any_other_refusal(server: FakeServer, ask: Run) -> None:
    server.refuse(409, "key is already revoked")
    result = ask("keys", "revoke", "k1")
    assert result.exit_code == 1
    assert result.stderr == "Error: revoke issued API key: key is already revoked\n"
    assert len(server.requests) == 1


@pytest.mark.parametrize("command", ["verify", "batch-verify"])
def test_no_cache_is_a_header(server: FakeServer, ask: Run, command: str) -> None:
    for flags in ([], ["--no-cache"]):
        server.answer({"is_valid": True, "results": [verification()]})
        assert ask("keys", command, "c1", *flags).exit_code == 0
    without, with_flag = server.requests
    assert "Cache-Control" not in without.headers
    assert with_flag.headers["Cache-Control"] == "no-cache"


def test_more_than_100_credentials_go_in_several_requests(server: FakeServer, ask: Run) -> None:
    for size in (100, 100, 5):
        server.answer({"results": [verification()] * size})
    credentials = [f"c{number}" for number in range(205)]
    result = ask("keys", "batch-verify", "-q", *credentials)
    assert result.stdout == f"{KEY_ID}\n" * 205
    sent = [item["credential"] for request in server.requests for item in request.json["requests"]]
    assert sent == credentials


REFUSED_FLAGS = [
    ("keys issue n", "Missing option '--actor'"),
    ("keys issue n --actor a --ttl 1x", "must be a duration"),
    ("keys issue n --actor a --ttl -1h", "must be a duration"),
    ("keys issue n --actor a --metadata []", "must be a JSON object"),
    ('keys issue n --actor a --metadata {"a":1,"a":2}', "has a member twice"),
    ('keys issue n --actor a --metadata {"a":1e400}', "JSON cannot carry"),
    ('keys issue n --actor a --metadata {"a":NaN}', "JSON cannot carry"),
    ("keys issue n --actor a --rate-limit-quota 1", "--rate-limit-quota needs --rate-limit-window"),
    (
        "keys issue n --actor a --rate-limit-window 1m",
        "--rate-limit-window needs --rate-limit-quota",
    ),
    (
        "keys issue n --actor a --rate-limit-quota 0 --rate-limit-window 1m",
        "needs --rate-limit-quota",
    ),
    ("keys issue n --actor a --rate-limit-quota -1 --rate-limit-window 1m", "negative"),
    (
        "keys issue n --actor a --rate-limit-quota 9223372036854775808 --rate-limit-window 1m",
        "64 bits",
    ),
    ("keys issue n --actor a --rate-limit-quota x --rate-limit-window 1m", "whole number"),
    ("keys issue n --actor a --rate-limit-quota 1 --rate-limit-window 999ms", "at least 1s"),
    ("keys issue n --actor a --format jsonpath=secrets", "the answer only has"),
    ("keys issue n --actor a --format jsonpointer=/key", "the answer only has"),
    ("keys issued rotate k1 --format jsonpath=key.secret", "the answer only has"),
    ("keys issued update k1", "nothing to update; give at least one of --name, --scopes"),
    ("keys issued update k1 --rate-limit-quota 0", "use --update-mask rate_limit_policy"),
    ("keys issued update k1 --rate-limit-quota 5", "needs --rate-limit-window"),
    ("keys issued update k1 --update-mask ", "names no field"),
    ("keys issued update k1 --metadata ", "must be a JSON object, such as {}"),
    ("keys issued revoke k1 --reason because", "must be one of key_compromise"),
    ("keys issued list --status ACTIVE", "is not one of"),
    ('keys issued list --actor a"b', "must not hold a double quote"),
    ("keys issued get ", "must not be empty"),
    ("keys imported import n --actor a", "Missing option '--raw-key'"),
    ("keys derive-token c1 --algorithm paseto", "is not one of"),
    ("keys derive-token c1 --claims 5", "must be a JSON object"),
    ("keys batch-verify", "Missing argument"),
]


@pytest.mark.parametrize(("line", "text"), REFUSED_FLAGS)
def test_bad_flags_are_refused_before_any_call(
    server: FakeServer, ask: Run, line: str, text: str
) -> None:
    result = ask(*line.split(" "))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert text in result.stderr
    assert not result.stderr.startswith(("Error:", "Usage:"))
    assert server.requests == []
