"""What clients were told about their keys, and whether a server agrees.

The keys that come from one another (a key and its successors, the items of a batch) are a
``Lineage``; its name stands in their metadata. A lineage keeps the *worlds* that are possible: one
after every acknowledged operation, two while an operation is under way or was never answered. What
a server shows must be one of them, whole; what it has shown once, it must show from then on.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from http.client import HTTPConnection
from typing import Any, TypeAlias

from talos.credentials.imported import imported_key_id
from talos.domain.keys import NIL_NETWORK
from tests.e2e.processes import PATIENCE_S
from tests.support.talos_server import ADMIN

Row: TypeAlias = dict[str, Any]
"""Members that a key must show, by name. ``key_id`` is missing where nobody was told it."""
World: TypeAlias = list[Row]

_MOVING = ("last_used_time",)
"""Written in the background, whenever there is time."""
_BATCH = 100


class Lineage:
    """Keys that come from one another, as their owner knows them."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        """``issued`` or ``imported``."""
        self.name = name
        self.worlds: list[World] = [[]]
        self.credentials: dict[str, str] = {}
        """Key ids by the texts that verify them."""
        self.unanswered_issue: dict[str, Any] | None = None
        """The body of an issue with a request id, while it is in doubt."""

    @property
    def world(self) -> World:
        """The one world there is."""
        (world,) = self.worlds
        return world

    def may_become(self, world: World) -> None:
        """An operation is about to be sent."""
        self.worlds = [self.world, world]

    def became(self, world: World) -> None:
        """The operation was acknowledged."""
        self.worlds = [world]

    def imports(self, raw_key: str) -> str:
        """Remember a raw key and return its id."""
        key_id = imported_key_id(NIL_NETWORK, raw_key)
        self.credentials[raw_key] = key_id
        return key_id


def shown(resource: Mapping[str, Any]) -> Row:
    """Return what a key must show that was answered as ``resource``."""
    return {name: value for name, value in resource.items() if name not in _MOVING}


class Ledger:
    """The lineages of one actor, whose name finds their keys."""

    def __init__(self, actor: str) -> None:
        self.actor = actor
        self.lineages: list[Lineage] = []

    def check(self, port: int) -> None:
        """Compare everything with what the server at ``port`` shows."""
        with _Reader(port) as reader:
            rows = {kind: reader.rows(kind, self.actor) for kind in ("issued", "imported")}
            for lineage in self.lineages:
                found = rows[lineage.kind].pop(lineage.name, [])
                possible = [world for world in lineage.worlds if _explains(world, found)]
                assert possible, f"{lineage.name}: {lineage.worlds} became {found}"
                lineage.became([shown(row) for row in found])
            # Nothing is there that nobody asked for.
            assert rows == {"issued": {}, "imported": {}}
            self._check_verdicts(reader)
            for lineage in self.lineages:
                _repeat_issue(reader, lineage)

    def _check_verdicts(self, reader: "_Reader") -> None:
        asked = {text: lineage for lineage in self.lineages for text in lineage.credentials}
        for text, verdict in reader.verdicts(list(asked)).items():
            lineage = asked[text]
            key_id = lineage.credentials[text]
            statuses = [row["status"] for row in lineage.world if row["key_id"] == key_id]
            expected = {
                (): "VERIFICATION_ERROR_NOT_FOUND",
                ("KEY_STATUS_ACTIVE",): None,
                ("KEY_STATUS_REVOKED",): "VERIFICATION_ERROR_REVOKED",
            }[tuple(statuses)]
            assert verdict.get("error_code") == expected, (lineage.name, lineage.world, verdict)
            assert verdict["is_valid"] is (expected is None)
            assert verdict["key_id"] == ("" if expected else key_id)


def _explains(world: World, found: Iterable[Row]) -> bool:
    """Tell whether every row that was found is one of the world, and none is missing."""
    left = list(found)
    for expected in sorted(world, key=lambda row: "key_id" not in row):
        match = next((row for row in left if _agrees(expected, row)), None)
        if match is None:
            return False
        left.remove(match)
    return not left


def _agrees(expected: Row, row: Row) -> bool:
    return all(name in row and row[name] == value for name, value in expected.items())


def _repeat_issue(reader: "_Reader", lineage: Lineage) -> None:
    """Repeat an issue that was never answered: its key is made now, or was made whole then."""
    body, lineage.unanswered_issue = lineage.unanswered_issue, None
    if body is None:
        return
    before = lineage.world
    answer = reader.ask("POST", f"{ADMIN}/issuedApiKeys", body, expected=201)
    row = shown(answer["issued_api_key"])
    if before:
        assert answer["secret"] == ""
        assert before == [row]
    else:
        lineage.credentials[answer["secret"]] = row["key_id"]
        lineage.became([row])
        verdict = reader.verdicts([answer["secret"]])[answer["secret"]]
        assert verdict["is_valid"] is True


class _Reader:
    """Reads on one connection; every answer must be a success."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, method: str, path: str, body: object = None, expected: int = 200) -> Any:
        self._connection.request(method, path, None if body is None else json.dumps(body))
        response = self._connection.getresponse()
        text = response.read()
        assert response.status == expected, text
        return json.loads(text)

    def rows(self, kind: str, actor: str) -> dict[str, list[Row]]:
        """Return all keys of ``actor`` by their lineages."""
        rows: dict[str, list[Row]] = defaultdict(list)
        token = ""
        while True:
            path = f"{ADMIN}/{kind}ApiKeys?page_size=1000&filter=actor_id={actor}"
            page = self.ask("GET", f"{path}&page_token={token}")
            for row in page[f"{kind}_api_keys"]:
                rows[row["metadata"]["lineage"]].append(row)
            token = page["next_page_token"]
            if not token:
                return dict(rows)

    def verdicts(self, credentials: list[str]) -> dict[str, Any]:
        """Return what is said about each credential."""
        verdicts: dict[str, Any] = {}
        for start in range(0, len(credentials), _BATCH):
            some = credentials[start : start + _BATCH]
            body = {"requests": [{"credential": text} for text in some]}
            answer = self.ask("POST", f"{ADMIN}/apiKeys:batchVerify", body)
            verdicts |= zip(some, answer["results"], strict=True)
        return verdicts
