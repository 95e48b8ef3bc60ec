"""Clients that make, change and take back keys all the time, and write down what they were told."""

import json
import random
import threading
import uuid
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from typing import Any, TypeAlias

from tests.e2e.ledger import Ledger, Lineage, Row, shown
from tests.e2e.processes import PATIENCE_S, eventually
from tests.support.talos_server import ADMIN

Request: TypeAlias = tuple[str, str, object]
Answer: TypeAlias = tuple[int, Any]

_ACTIVE = "KEY_STATUS_ACTIVE"
_REVOKED = "KEY_STATUS_REVOKED"
_RECONNECT_S = 0.005
_BATCH = 20


class InDoubt(Exception):
    """The last operation was not answered, or with a failure: nobody knows what became of it."""


class Over(Exception):
    """The storm ends; nothing more is begun."""


class Storm:
    """``clients`` threads that work on the keys of ``ledger`` until the block ends.

    ``outages`` are the statuses with which a server may refuse while its database is down; every
    other answer but the expected one is a surprise.
    """

    def __init__(
        self, port: int, ledger: Ledger, *, clients: int, outages: Sequence[int] = ()
    ) -> None:
        self._clients = [_Client(port, ledger, number, outages) for number in range(clients)]

    @property
    def acknowledged(self) -> int:
        """How many operations were answered with a success."""
        return sum(client.acknowledged for client in self._clients)

    @property
    def refused(self) -> int:
        """How many operations, verifications included, met an outage."""
        return sum(client.refused for client in self._clients)

    @property
    def surprises(self) -> list[str]:
        """What no server may answer."""
        return [surprise for client in self._clients for surprise in client.surprises]

    def wait_for_more(self, count: int) -> None:
        """Wait until ``count`` more operations have been acknowledged."""
        goal = self.acknowledged + count
        eventually(lambda: self.acknowledged >= goal or self.surprises, "operations in a storm")

    def __enter__(self) -> "Storm":
        for client in self._clients:
            client.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for client in self._clients:
            client.ending.set()
        for client in self._clients:
            client.thread.join()


class _Client:
    def __init__(self, port: int, ledger: Ledger, number: int, outages: Sequence[int]) -> None:
        self.thread = threading.Thread(target=self._run, name=f"client-{number}")
        self.ending = threading.Event()
        self.acknowledged = 0
        self.refused = 0
        self.surprises: list[str] = []
        self._ledger = ledger
        self._outages = outages
        # Two, so that two requests can be under way at the same time.
        self._connections = [HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S) for _ in "ab"]
        self._stories: list[Callable[[], None]] = [
            self._issued_story,
            self._imported_story,
            self._batch_story,
        ]

    def _run(self) -> None:
        while not self.ending.is_set():
            try:
                random.choices(self._stories, (6, 4, 1))[0]()
            except InDoubt:
                continue
            except Over:
                break
        for connection in self._connections:
            connection.close()

    # Stories: one lineage each, until it is told or an operation is in doubt.

    def _issued_story(self) -> None:
        lineage = self._begin("issued")
        self._issue(lineage)
        for _ in range(random.randrange(4)):
            random.choice((self._update, self._rotate, self._verify))(lineage)
        random.choice((self._revoke, self._self_revoke, self._verify))(lineage)

    def _imported_story(self) -> None:
        lineage = self._begin("imported")
        raw_key = f"raw-{uuid.uuid4()}"
        self._import(lineage, raw_key)
        for _ in range(random.randrange(2)):
            random.choice((self._update, self._verify))(lineage)
        random.choice((self._revoke, self._self_revoke, self._delete, self._verify))(lineage)
        if random.random() < 0.5 and lineage.world:
            self._delete(lineage)
        if not lineage.world:
            self._import(lineage, raw_key)

    def _batch_story(self) -> None:
        lineage = self._begin("imported")
        drafts = [
            {**self._draft(lineage), "raw_key": f"batch-{uuid.uuid4()}"} for _ in range(_BATCH)
        ]
        after = [
            _expected(draft, key_id=lineage.imports(str(draft["raw_key"]))) for draft in drafts
        ]
        answer = self._ask(
            lineage,
            after,
            ("POST", f"{ADMIN}/importedApiKeys:batchCreate", {"requests": drafts}),
            200,
        )
        lineage.became([shown(result["imported_api_key"]) for result in answer["results"]])

    def _begin(self, kind: str) -> Lineage:
        lineage = Lineage(kind, f"{self.thread.name}.{uuid.uuid4()}")
        self._ledger.lineages.append(lineage)
        return lineage

    def _draft(self, lineage: Lineage) -> dict[str, Any]:
        return {
            "name": "as made",
            "actor_id": self._ledger.actor,
            "scopes": ["read", "write"],
            "metadata": {"lineage": lineage.name, "filling": "x" * random.randrange(2000)},
            "ttl": "24h",
            "ip_restriction": {"allowed_cidrs": ["127.0.0.0/8"]},
        }

    # Operations: the lineage must be without doubt, and has a key that is active.

    def _issue(self, lineage: Lineage) -> None:
        """Issue with one request id, sometimes twice at the same time."""
        draft = {**self._draft(lineage), "request_id": str(uuid.uuid4())}
        request = ("POST", f"{ADMIN}/issuedApiKeys", draft)
        times = random.choice((1, 1, 2))
        answers = self._send(lineage, [_expected(draft)], [request] * times)
        made = [body for status, body in answers if status == 201]
        for status, body in answers:
            if status not in (0, 201):
                self._refusal(status, body, request)
        if not made:
            lineage.unanswered_issue = draft
            raise InDoubt
        secrets = [body["secret"] for body in made if body["secret"]]
        ids = {body["issued_api_key"]["key_id"] for body in made}
        if len(ids) > 1 or len(secrets) > 1 or (len(made) == times and not secrets):
            self.surprises.append(f"{times} issues of {lineage.name}: {made}")
        key = shown(made[0]["issued_api_key"])
        lineage.credentials |= dict.fromkeys(secrets, key["key_id"])
        lineage.became([key])
        self.acknowledged += 1

    def _import(self, lineage: Lineage, raw_key: str) -> None:
        """Import, sometimes twice at the same time: one of them finds the other's key."""
        draft = {**self._draft(lineage), "raw_key": raw_key}
        request = ("POST", f"{ADMIN}/importedApiKeys", draft)
        after = [_expected(draft, key_id=lineage.imports(raw_key))]
        body = self._only_one(lineage, after, [request] * random.choice((1, 1, 2)))
        lineage.became([shown(body)])

    def _rotate(self, lineage: Lineage) -> None:
        """Rotate, sometimes twice at the same time: one of them comes too late."""
        current = _active(lineage)
        change = random.choice(({}, {"name": "as rotated", "scopes": ["read"]}))
        request = ("POST", f"{_path(lineage)}:rotate", change)
        old = _without_times(current, revocation_reason="REVOCATION_REASON_SUPERSEDED")
        new = {**current, **change}
        for name in ("key_id", "create_time", "update_time"):
            del new[name]
        after = [*_others(lineage), old, new]
        body = self._only_one(lineage, after, [request] * random.choice((1, 1, 2)))
        lineage.credentials[body["secret"]] = body["issued_api_key"]["key_id"]
        old |= {"expire_time": body["old_issued_api_key"]["expire_time"]}
        lineage.became([*_others(lineage), old, shown(body["issued_api_key"])])

    def _update(self, lineage: Lineage) -> None:
        current = _active(lineage)
        change = {
            "name": f"as edited {uuid.uuid4()}",
            "scopes": [str(uuid.uuid4())],
            "metadata": {**current["metadata"], "edit": str(uuid.uuid4())},
        }
        row = {**current, **change}
        del row["update_time"]
        others = _others(lineage)
        body = self._ask(lineage, [*others, row], ("PATCH", _path(lineage), change), 200)
        lineage.became([*others, shown(body)])

    def _revoke(self, lineage: Lineage) -> None:
        reason = "REVOCATION_REASON_PRIVILEGE_WITHDRAWN"
        change = {"reason": reason, "description": "the storm took it"}
        row = _without_times(
            _active(lineage), revocation_reason=reason, revocation_description="the storm took it"
        )
        after = [*_others(lineage), row]
        self._ask(lineage, after, ("POST", f"{_path(lineage)}:revoke", change), 204)
        lineage.became(after)
        self._verify(lineage)

    def _self_revoke(self, lineage: Lineage) -> None:
        current = _active(lineage)
        held = [text for text, id_ in lineage.credentials.items() if id_ == current["key_id"]]
        if not held:
            return
        reason = "REVOCATION_REASON_KEY_COMPROMISE"
        after = [*_others(lineage), _without_times(current, revocation_reason=reason)]
        body = {"credential": held[0], "reason": reason}
        self._ask(lineage, after, ("POST", "/v2alpha1/apiKeys:selfRevoke", body), 200)
        lineage.became(after)
        self._verify(lineage)

    def _delete(self, lineage: Lineage) -> None:
        path = f"{ADMIN}/importedApiKeys/{lineage.world[0]['key_id']}"
        self._ask(lineage, [], ("DELETE", path, None), 204)
        lineage.became([])
        self._verify(lineage)

    def _verify(self, lineage: Lineage) -> None:
        """Verify everything the lineage ever gave out."""
        states = {row["key_id"]: row["status"] for row in lineage.world}
        for text, key_id in lineage.credentials.items():
            request = ("POST", f"{ADMIN}/apiKeys:verify", {"credential": text})
            verdict = self._ask(lineage, lineage.world, request, 200)
            lineage.became(lineage.worlds[0])
            expected = {
                _ACTIVE: None,
                _REVOKED: "VERIFICATION_ERROR_REVOKED",
                None: "VERIFICATION_ERROR_NOT_FOUND",
            }[states.get(key_id)]
            error = verdict.get("error_code")
            if error == "VERIFICATION_ERROR_INTERNAL" and self._outages:
                self.refused += 1
            elif error != expected or verdict["is_valid"] is not (expected is None):
                self.surprises.append(f"{states.get(key_id)} verified as {verdict}")

    # The wire

    def _ask(self, lineage: Lineage, after: list[Row], request: Request, expected: int) -> Any:
        """Send one request that makes ``after`` of the lineage; return the body of its success."""
        status, body = self._send(lineage, after, [request])[0]
        if status != expected:
            if status:
                self._refusal(status, body, request)
            raise InDoubt
        self.acknowledged += 1
        return body

    def _only_one(self, lineage: Lineage, after: list[Row], requests: list[Request]) -> Any:
        """Send equal requests of which one must succeed; return the body of its answer."""
        answers = self._send(lineage, after, requests)
        made = [body for status, body in answers if status == 201]
        for status, body in answers:
            if status not in (0, 201) and not (status == 409 and len(requests) > 1):
                self._refusal(status, body, requests[0])
        if len(made) > 1:
            self.surprises.append(f"{len(made)} successes of {requests[0]}")
        if not made:
            if {status for status, _ in answers} == {409}:
                self.surprises.append(f"no success of {requests[0]}")
            raise InDoubt
        self.acknowledged += 1
        return made[0]

    def _refusal(self, status: int, body: Any, request: Request) -> None:
        if status in self._outages:
            self.refused += 1
        else:
            self.surprises.append(f"{request} was answered {status} {body}")

    def _send(self, lineage: Lineage, after: list[Row], requests: list[Request]) -> list[Answer]:
        """Send all requests before reading any answer; (0, None) stands for none."""
        connections = self._connections[: len(requests)]
        for connection in connections:
            self._connect(connection)
        lineage.may_become(after)
        answers: list[Answer] = [(0, None)] * len(requests)
        for connection, (method, path, body) in zip(connections, requests, strict=True):
            try:
                connection.request(method, path, None if body is None else json.dumps(body))
            except OSError:
                connection.close()
        for index, connection in enumerate(connections):
            if connection.sock is None:
                continue
            try:
                response = connection.getresponse()
                text = response.read()
            except (OSError, HTTPException):
                connection.close()
            else:
                answers[index] = (response.status, json.loads(text) if text else None)
        return answers

    def _connect(self, connection: HTTPConnection) -> None:
        """Connect before anything is in doubt. Raises ``Over``."""
        while connection.sock is None:
            if self.ending.is_set():
                raise Over
            try:
                connection.connect()
            except OSError:
                connection.close()
                self.ending.wait(_RECONNECT_S)


def _expected(draft: dict[str, Any], **more: str) -> Row:
    """Return what a key must show that was made of ``draft``."""
    unseen = ("ttl", "request_id", "raw_key")
    row = {name: value for name, value in draft.items() if name not in unseen}
    return {**row, "status": _ACTIVE, **more}


def _active(lineage: Lineage) -> Row:
    (row,) = (row for row in lineage.world if row["status"] == _ACTIVE)
    return row


def _others(lineage: Lineage) -> list[Row]:
    return [row for row in lineage.worlds[0] if row["status"] != _ACTIVE]


def _path(lineage: Lineage) -> str:
    return f"{ADMIN}/{lineage.kind}ApiKeys/{_active(lineage)['key_id']}"


def _without_times(row: Row, **changed: str) -> Row:
    """Return the row as revoked: when, and until when it is kept, is the server's to say."""
    kept = {
        name: value for name, value in row.items() if name not in ("update_time", "expire_time")
    }
    return {**kept, "status": _REVOKED, **changed}
