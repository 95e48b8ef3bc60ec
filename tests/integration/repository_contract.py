"""What every ``KeyRepository`` does, whatever it keeps its keys in.

A test module derives a class from ``RepositoryContract`` and provides three fixtures:
``repository``, and ``network`` and ``other_network``: ids of two networks that it knows and that
hold no keys.
"""

import json
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from talos.domain.keys import (
    Key,
    KeyKind,
    KeyRef,
    KeyStatus,
    KeyVisibility,
    Metadata,
    RateLimitPolicy,
    RevocationReason,
)
from talos.errors import ApiKeyExists, ApiKeyNotFound, FailedPrecondition, QuotaExceeded
from talos.services.ports import KeyRepository
from tests.integration.sample_keys import DAY_NS, NOW_NS, make_key
from tests.support.writes import change, delete, rotate

KINDS = pytest.mark.parametrize("kind", list(KeyKind))

IMPOSSIBLE_IDS = [
    pytest.param("", id="empty"),
    pytest.param("x" * 37, id="longer than an issued id"),
    pytest.param("x" * 100_000, id="very long"),
    pytest.param("a\0b", id="NUL"),
    pytest.param("\0", id="only NUL"),
    pytest.param("\udc80", id="lone surrogate"),
    pytest.param("'; DROP TABLE networks; --", id="a quote"),
    pytest.param("%_\\", id="wildcards"),
]


def add(repository: KeyRepository, *keys: Key) -> None:
    for key in keys:
        assert repository.insert(key, quota=0, now_ns=NOW_NS).created


def race(*calls: Callable[[], object]) -> list[object]:
    """Start all calls at one moment; return what each returned or raised."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        barrier.wait()
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def listed(
    repository: KeyRepository,
    network: str,
    kind: KeyKind = KeyKind.ISSUED,
    *,
    limit: int = 1000,
    before_id: str | None = None,
    actor_id: str | None = None,
    status: KeyStatus | None = None,
    now_ns: int = NOW_NS,
) -> list[str]:
    keys = repository.list_page(
        network,
        kind,
        limit=limit,
        before_id=before_id,
        actor_id=actor_id,
        status=status,
        now_ns=now_ns,
    )
    return [key.key_id for key in keys]


def descending(key_ids: Sequence[str]) -> list[str]:
    return sorted(key_ids, key=str.encode, reverse=True)


class RepositoryContract:
    """The tests. Each gets two empty networks."""

    @KINDS
    def test_a_key_comes_back_as_it_went_in(
        self, repository: KeyRepository, network: str, kind: KeyKind
    ) -> None:
        key = make_key(
            network,
            kind,
            name=" Schlüssel \U0001f511 ",
            actor_id="\t'\"\\;--",
            scopes=("read", "read", "schreiben:ü", '"', "\\", ""),
            metadata=Metadata('{"b":[1,2.50,1e3,18446744073709551615],"a":{"ttl":"1d","ü":null}}'),
            visibility=KeyVisibility.PUBLIC,
            expires_at_ns=NOW_NS + 1,
            rate_limit=RateLimitPolicy(2**63 - 1, 9_223_372_036),
            allowed_cidrs=("10.0.0.1/8", "::/0"),
            request_id="Anfrage-1",
        )
        inserted = repository.insert(key, quota=0, now_ns=NOW_NS)
        assert inserted.created
        assert inserted.key == key
        assert repository.get(KeyRef(network, kind, key.key_id)) == key

    @KINDS
    def test_a_key_with_little_comes_back(
        self, repository: KeyRepository, network: str, kind: KeyKind
    ) -> None:
        key = make_key(network, kind, name="", scopes=(), expires_at_ns=None)
        add(repository, key)
        assert repository.get(KeyRef(network, kind, key.key_id)) == key

    @KINDS
    def test_a_revoked_key_comes_back(
        self, repository: KeyRepository, network: str, kind: KeyKind
    ) -> None:
        key = make_key(
            network,
            kind,
            status=KeyStatus.REVOKED,
            revocation_reason=RevocationReason.PRIVILEGE_WITHDRAWN,
            revocation_description="ü" * 500,
            last_used_at_ns=1,
        )
        add(repository, key)
        assert repository.get(KeyRef(network, kind, key.key_id)) == key

    def test_the_longest_fields_fit(self, repository: KeyRepository, network: str) -> None:
        metadata = json.dumps({"x": "m" * (65536 - 8)}, separators=(",", ":"))
        assert len(metadata) == 65536
        key = make_key(
            network,
            name="\U0001f511" * 255,
            actor_id="\U0001f511" * 255,
            request_id="\U0001f511" * 36,
            scopes=("\U0001f511" * 100,) * 100,
            allowed_cidrs=("2001:db8::1/128",) * 50,
            metadata=Metadata(metadata),
            token_prefix="p" * 16,
        )
        add(repository, key)
        assert repository.get(KeyRef(network, KeyKind.ISSUED, key.key_id)) == key

    @KINDS
    @pytest.mark.parametrize("key_id", IMPOSSIBLE_IDS)
    def test_an_impossible_id_is_no_key(
        self, repository: KeyRepository, network: str, kind: KeyKind, key_id: str
    ) -> None:
        assert repository.get(KeyRef(network, kind, key_id)) is None
        assert repository.get(KeyRef(key_id, kind, str(uuid.uuid4()))) is None
        assert repository.get_many(network, kind, [key_id]) == {}
        repository.mark_used(network, kind, {key_id: NOW_NS})
        with pytest.raises(ApiKeyNotFound):
            change(repository, KeyRef(network, kind, key_id), lambda key: key)
        with pytest.raises(ApiKeyNotFound):
            delete(repository, KeyRef(network, kind, key_id))
        with pytest.raises(ApiKeyNotFound):
            rotate(repository, network, key_id, lambda key: (key, key))

    def test_ids_are_compared_by_their_bytes(self, repository: KeyRepository, network: str) -> None:
        key = make_key(network, key_id="abcdef")
        add(repository, key)
        for other in ("ABCDEF", "abcdef ", " abcdef", "abcdéf", "abcdefg", "abcde"):
            assert repository.get(KeyRef(network, KeyKind.ISSUED, other)) is None
        add(repository, make_key(network, key_id="ABCDEF"), make_key(network, key_id="abcdef "))

    def test_networks_and_kinds_are_apart(
        self, repository: KeyRepository, network: str, other_network: str
    ) -> None:
        key = make_key(network)
        add(repository, key)
        assert repository.get(KeyRef(other_network, KeyKind.ISSUED, key.key_id)) is None
        assert repository.get(KeyRef(network, KeyKind.IMPORTED, key.key_id)) is None
        assert repository.get_many(other_network, KeyKind.ISSUED, [key.key_id]) == {}
        assert listed(repository, other_network) == []
        repository.mark_used(other_network, KeyKind.ISSUED, {key.key_id: NOW_NS})
        for attempt in (
            lambda: change(
                repository, KeyRef(other_network, KeyKind.ISSUED, key.key_id), lambda k: k
            ),
            lambda: delete(repository, KeyRef(other_network, KeyKind.ISSUED, key.key_id)),
            lambda: rotate(repository, other_network, key.key_id, lambda k: (k, k)),
        ):
            with pytest.raises(ApiKeyNotFound):
                attempt()
        assert repository.get(KeyRef(network, KeyKind.ISSUED, key.key_id)) == key
        add(repository, replace(key, network_id=other_network))

    # insert

    @KINDS
    def test_an_id_is_taken_once(
        self, repository: KeyRepository, network: str, kind: KeyKind
    ) -> None:
        key = make_key(network, kind)
        add(repository, key)
        with pytest.raises(ApiKeyExists):
            repository.insert(replace(key, name="another"), quota=0, now_ns=NOW_NS)
        assert repository.get(KeyRef(network, kind, key.key_id)) == key

    @KINDS
    def test_a_repeated_request_gets_the_stored_key(
        self, repository: KeyRepository, network: str, kind: KeyKind
    ) -> None:
        first = make_key(network, kind, request_id="r")
        taken = make_key(network, kind)
        add(repository, first, taken)
        changed = change(
            repository,
            KeyRef(network, kind, first.key_id),
            lambda key: replace(key, status=KeyStatus.REVOKED),
        )
        # Whatever else is wrong with the repetition: quota, an id that another key has.
        for repetition in (
            make_key(network, kind, request_id="r", name="different"),
            replace(taken, request_id="r"),
            first,
        ):
            inserted = repository.insert(repetition, quota=1, now_ns=NOW_NS)
            assert not inserted.created
            assert inserted.key == changed
        assert len(listed(repository, network, kind)) == 2

    def test_request_ids_of_others_do_not_matter(
        self, repository: KeyRepository, network: str, other_network: str
    ) -> None:
        add(
            repository,
            *(
                make_key(of, kind, request_id="r")
                for of in (network, other_network)
                for kind in KeyKind
            ),
        )

    def test_request_ids_are_compared_by_their_bytes(
        self, repository: KeyRepository, network: str
    ) -> None:
        spellings = ("abc", "ABC", "abc ", "äbc", " abc", "a\u0308bc")
        add(repository, *(make_key(network, request_id=spelling) for spelling in spellings))

    def test_keys_without_request_id_do_not_meet(
        self, repository: KeyRepository, network: str
    ) -> None:
        add(repository, make_key(network), make_key(network))

    @KINDS
    def test_the_quota_counts_keys_that_can_verify(
        self, repository: KeyRepository, network: str, other_network: str, kind: KeyKind
    ) -> None:
        add(
            repository,
            make_key(network, KeyKind.ISSUED, expires_at_ns=NOW_NS),
            make_key(network, KeyKind.IMPORTED, expires_at_ns=None),
            make_key(network, KeyKind.ISSUED, expires_at_ns=NOW_NS - 1),
            make_key(network, KeyKind.IMPORTED, status=KeyStatus.REVOKED),
            make_key(other_network, KeyKind.ISSUED),
        )
        with pytest.raises(QuotaExceeded):
            repository.insert(make_key(network, kind), quota=2, now_ns=NOW_NS)
        assert repository.insert(make_key(network, kind), quota=3, now_ns=NOW_NS).created
        with pytest.raises(QuotaExceeded):
            repository.insert(make_key(network, kind), quota=3, now_ns=NOW_NS)
        # One nanosecond later the first has expired.
        assert repository.insert(make_key(network, kind), quota=3, now_ns=NOW_NS + 1).created

    def test_a_network_is_full_when_an_insert_would_be_refused(
        self, repository: KeyRepository, network: str, other_network: str
    ) -> None:
        add(
            repository,
            make_key(network, KeyKind.ISSUED, expires_at_ns=NOW_NS),
            make_key(network, KeyKind.IMPORTED, expires_at_ns=None),
            make_key(network, KeyKind.IMPORTED, status=KeyStatus.REVOKED),
            make_key(other_network, KeyKind.ISSUED),
        )
        assert repository.is_full(network, quota=1, now_ns=NOW_NS)
        assert repository.is_full(network, quota=2, now_ns=NOW_NS)
        assert not repository.is_full(network, quota=3, now_ns=NOW_NS)
        assert not repository.is_full(network, quota=2, now_ns=NOW_NS + 1)

    def test_racing_inserts_do_not_pass_the_quota(
        self, repository: KeyRepository, network: str
    ) -> None:
        add(repository, make_key(network))
        outcomes = race(
            *(
                lambda kind=kind: repository.insert(make_key(network, kind), quota=4, now_ns=NOW_NS)
                for kind in [KeyKind.ISSUED, KeyKind.IMPORTED] * 4
            )
        )
        refused = [outcome for outcome in outcomes if isinstance(outcome, QuotaExceeded)]
        assert len(refused) == 5
        stored = [key for kind in KeyKind for key in listed(repository, network, kind)]
        assert len(stored) == 4

    @KINDS
    @pytest.mark.parametrize("quota", [0, 1])
    def test_of_racing_repetitions_one_creates(
        self, repository: KeyRepository, network: str, kind: KeyKind, quota: int
    ) -> None:
        for round_ in range(5):
            if quota:
                for key_id in listed(repository, network, kind):
                    delete(repository, KeyRef(network, kind, key_id))
            candidates = [make_key(network, kind, request_id=f"r{round_}") for _ in range(6)]
            outcomes = race(
                *(
                    lambda key=key: repository.insert(key, quota=quota, now_ns=NOW_NS)
                    for key in candidates
                )
            )
            created = [outcome for outcome in outcomes if getattr(outcome, "created", False)]
            assert len(created) == 1, outcomes
            assert {outcome.key for outcome in outcomes} == {created[0].key}  # type: ignore[attr-defined]

    @KINDS
    def test_of_racing_equal_ids_one_is_created(
        self, repository: KeyRepository, network: str, kind: KeyKind
    ) -> None:
        for _ in range(5):
            key = make_key(network, kind)
            outcomes = race(
                *(
                    lambda key=key, name=name: repository.insert(
                        replace(key, name=name), quota=0, now_ns=NOW_NS
                    )
                    for name in "abcdef"
                )
            )
            taken = [outcome for outcome in outcomes if isinstance(outcome, ApiKeyExists)]
            assert len(taken) == 5, outcomes

    # insert_batch

    def test_a_batch_goes_in(self, repository: KeyRepository, network: str) -> None:
        keys = [make_key(network, KeyKind.IMPORTED, name=f"{n}") for n in range(1000)]
        outcome = repository.insert_batch(keys, quota=0, now_ns=NOW_NS)
        assert outcome.existing == outcome.over_quota == frozenset()
        ids = [key.key_id for key in keys]
        assert repository.get_many(network, KeyKind.IMPORTED, ids) == dict(
            zip(ids, keys, strict=True)
        )

    def test_an_empty_batch_is_nothing(self, repository: KeyRepository) -> None:
        outcome = repository.insert_batch([], quota=1, now_ns=NOW_NS)
        assert outcome.existing == outcome.over_quota == frozenset()

    def test_a_batch_leaves_existing_keys_alone(
        self, repository: KeyRepository, network: str, other_network: str
    ) -> None:
        keys = [make_key(network, KeyKind.IMPORTED) for _ in range(4)]
        add(repository, keys[1], replace(keys[2], network_id=other_network))
        again = [replace(key, name="again") for key in keys]
        outcome = repository.insert_batch(again, quota=0, now_ns=NOW_NS)
        assert outcome.existing == {1}
        assert outcome.over_quota == frozenset()
        assert repository.get(KeyRef(network, KeyKind.IMPORTED, keys[1].key_id)) == keys[1]
        assert repository.get(KeyRef(network, KeyKind.IMPORTED, keys[2].key_id)) == again[2]

    def test_a_batch_stops_at_the_quota(self, repository: KeyRepository, network: str) -> None:
        keys = [make_key(network, KeyKind.IMPORTED) for _ in range(5)]
        add(repository, keys[0], make_key(network), make_key(network, expires_at_ns=NOW_NS - 1))
        # Two live keys: headroom for two positions, the first of which exists and still uses it.
        outcome = repository.insert_batch(keys, quota=4, now_ns=NOW_NS)
        assert outcome.existing == {0}
        assert outcome.over_quota == {2, 3, 4}
        assert listed(repository, network, KeyKind.IMPORTED) == descending(
            [keys[0].key_id, keys[1].key_id]
        )

    def test_a_batch_over_a_full_quota_does_nothing(
        self, repository: KeyRepository, network: str
    ) -> None:
        existing = make_key(network, KeyKind.IMPORTED)
        add(repository, existing, make_key(network))
        # The quota may have been lowered below what is there.
        outcome = repository.insert_batch(
            [existing, make_key(network, KeyKind.IMPORTED)], quota=1, now_ns=NOW_NS
        )
        assert outcome.existing == frozenset()
        assert outcome.over_quota == {0, 1}

    def test_racing_batches_make_every_key_once(
        self, repository: KeyRepository, network: str
    ) -> None:
        keys = [make_key(network, KeyKind.IMPORTED) for _ in range(60)]
        outcomes = race(
            *(
                lambda some=some: repository.insert_batch(some, quota=0, now_ns=NOW_NS)
                for some in (keys, keys[::-1], keys[30:] + keys[:30], keys)
            )
        )
        inserted = sum(60 - len(outcome.existing) for outcome in outcomes)  # type: ignore[attr-defined]
        assert inserted == 60
        assert len(listed(repository, network, KeyKind.IMPORTED)) == 60

    # get_many

    @KINDS
    def test_get_many_returns_those_that_exist(
        self, repository: KeyRepository, network: str, kind: KeyKind
    ) -> None:
        keys = [make_key(network, kind) for _ in range(3)]
        add(repository, *keys)
        asked = [keys[0].key_id, keys[2].key_id, keys[2].key_id, str(uuid.uuid4()), "\0", ""]
        assert repository.get_many(network, kind, asked) == {
            keys[0].key_id: keys[0],
            keys[2].key_id: keys[2],
        }
        assert repository.get_many(network, kind, []) == {}

    # change

    @KINDS
    def test_a_change_is_written(
        self, repository: KeyRepository, network: str, kind: KeyKind
    ) -> None:
        key = make_key(network, kind, rate_limit=RateLimitPolicy(1, 1), allowed_cidrs=("::/0",))
        bystander = make_key(network, kind)
        add(repository, key, bystander)
        wanted = replace(
            key,
            name="new",
            scopes=(),
            metadata=Metadata('{"n":1}'),
            status=KeyStatus.REVOKED,
            updated_at_ns=NOW_NS + 5,
            expires_at_ns=None,
            rate_limit=None,
            allowed_cidrs=(),
            revocation_reason=RevocationReason.KEY_COMPROMISE,
            revocation_description="text",
        )
        seen: list[Key] = []

        def see(old: Key) -> Key:
            seen.append(old)
            return wanted

        assert change(repository, KeyRef(network, kind, key.key_id), see) == wanted
        assert seen[-1] == key
        assert repository.get(KeyRef(network, kind, key.key_id)) == wanted
        assert repository.get(KeyRef(network, kind, bystander.key_id)) == bystander

    def test_identity_is_never_rewritten(
        self, repository: KeyRepository, network: str, other_network: str
    ) -> None:
        key = make_key(network)
        add(repository, key)
        repository.mark_used(network, KeyKind.ISSUED, {key.key_id: NOW_NS + 3})
        stranger = make_key(
            other_network, KeyKind.IMPORTED, created_at_ns=1, last_used_at_ns=None, name="n"
        )
        written = change(
            repository, KeyRef(network, KeyKind.ISSUED, key.key_id), lambda _: stranger
        )
        assert (written.kind, written.network_id, written.key_id) == (
            KeyKind.ISSUED,
            network,
            key.key_id,
        )
        assert written.created_at_ns == NOW_NS
        assert written.last_used_at_ns == NOW_NS + 3
        assert written.name == "n"
        assert listed(repository, other_network, KeyKind.IMPORTED) == []

    def test_a_refused_change_writes_nothing(self, repository: KeyRepository, network: str) -> None:
        key = make_key(network)
        add(repository, key)

        def refuse(_: Key) -> Key:
            raise FailedPrecondition("not now")

        with pytest.raises(FailedPrecondition, match="not now"):
            change(repository, KeyRef(network, KeyKind.ISSUED, key.key_id), refuse)
        assert repository.get(KeyRef(network, KeyKind.ISSUED, key.key_id)) == key
        # And nothing stays locked.
        change(repository, KeyRef(network, KeyKind.ISSUED, key.key_id), lambda old: old)

    def test_racing_changes_are_not_lost(self, repository: KeyRepository, network: str) -> None:
        key = make_key(network, name="")
        add(repository, key)

        def append(letter: str) -> Callable[[Key], Key]:
            return lambda old: replace(old, name=old.name + letter)

        outcomes = race(
            *(
                lambda letter=letter: [
                    change(repository, KeyRef(network, KeyKind.ISSUED, key.key_id), append(letter))
                    for _ in range(10)
                ]
                for letter in "abcdef"
            )
        )
        assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        stored = repository.get(KeyRef(network, KeyKind.ISSUED, key.key_id))
        assert stored is not None
        assert sorted(stored.name) == sorted("abcdef" * 10)

    # rotate

    def test_a_rotation_makes_a_successor(self, repository: KeyRepository, network: str) -> None:
        old = make_key(network, request_id="r")
        add(repository, old)
        new = make_key(network, name="successor")
        revoked = replace(
            old,
            status=KeyStatus.REVOKED,
            updated_at_ns=NOW_NS + 1,
            revocation_reason=RevocationReason.SUPERSEDED,
        )
        assert rotate(repository, network, old.key_id, lambda _: (new, revoked)) == (old, revoked)
        assert repository.get(KeyRef(network, KeyKind.ISSUED, new.key_id)) == new
        assert repository.get(KeyRef(network, KeyKind.ISSUED, old.key_id)) == revoked

    def test_a_refused_rotation_writes_nothing(
        self, repository: KeyRepository, network: str
    ) -> None:
        old = make_key(network)
        add(repository, old)

        def refuse(_: Key) -> tuple[Key, Key]:
            raise FailedPrecondition

        with pytest.raises(FailedPrecondition):
            rotate(repository, network, old.key_id, refuse)
        assert listed(repository, network) == [old.key_id]
        assert repository.get(KeyRef(network, KeyKind.ISSUED, old.key_id)) == old

    def test_a_rotation_onto_a_taken_id_changes_nothing(
        self, repository: KeyRepository, network: str
    ) -> None:
        old, taken = make_key(network), make_key(network)
        add(repository, old, taken)
        with pytest.raises(ApiKeyExists):
            rotate(
                repository,
                network,
                old.key_id,
                lambda key: (replace(taken, name="x"), replace(key, status=KeyStatus.REVOKED)),
            )
        assert repository.get(KeyRef(network, KeyKind.ISSUED, old.key_id)) == old
        assert repository.get(KeyRef(network, KeyKind.ISSUED, taken.key_id)) == taken

    def test_of_racing_rotations_one_succeeds(
        self, repository: KeyRepository, network: str
    ) -> None:
        def succeed(old: Key) -> tuple[Key, Key]:
            if old.status is not KeyStatus.ACTIVE:
                raise FailedPrecondition
            return make_key(network), replace(old, status=KeyStatus.REVOKED)

        for round_ in range(1, 6):
            old = make_key(network)
            add(repository, old)
            outcomes = race(
                *[partial(rotate, repository, network, old.key_id, succeed) for _ in range(6)]
            )
            refused = [outcome for outcome in outcomes if isinstance(outcome, FailedPrecondition)]
            assert len(refused) == 5, outcomes
            assert len(listed(repository, network)) == 2 * round_
            stored = repository.get(KeyRef(network, KeyKind.ISSUED, old.key_id))
            assert stored is not None
            assert stored.status is KeyStatus.REVOKED

    # delete

    @KINDS
    def test_a_deleted_key_is_gone(
        self, repository: KeyRepository, network: str, kind: KeyKind
    ) -> None:
        key = make_key(network, kind, request_id="r", status=KeyStatus.REVOKED)
        bystander = make_key(network, kind)
        add(repository, key, bystander)
        assert delete(repository, KeyRef(network, kind, key.key_id)) == key
        with pytest.raises(ApiKeyNotFound):
            delete(repository, KeyRef(network, kind, key.key_id))
        assert listed(repository, network, kind) == [bystander.key_id]
        add(repository, key)

    # list_page

    @KINDS
    def test_pages_follow_one_another(
        self, repository: KeyRepository, network: str, kind: KeyKind
    ) -> None:
        keys = [make_key(network, kind) for _ in range(25)]
        add(repository, *keys)
        expected = descending([key.key_id for key in keys])
        assert listed(repository, network, kind) == expected
        walked: list[str] = []
        while page := listed(
            repository, network, kind, limit=7, before_id=walked[-1] if walked else None
        ):
            assert len(page) <= 7
            walked += page
        assert walked == expected

    def test_ids_are_ordered_by_their_bytes(self, repository: KeyRepository, network: str) -> None:
        ids = ["a", "B", "b", "A", "aa", "a-", "a_", "a b", "~", "0", "10", "9", "ä", "z", "é", "€"]
        add(repository, *(make_key(network, key_id=key_id) for key_id in ids))
        assert listed(repository, network) == descending(ids)
        for key_id in ids:
            below = [other for other in ids if other.encode() < key_id.encode()]
            assert listed(repository, network, before_id=key_id) == descending(below)
            for status in (KeyStatus.ACTIVE, KeyStatus.EXPIRED):
                found = listed(repository, network, before_id=key_id, status=status)
                assert found == (descending(below) if status is KeyStatus.ACTIVE else [])

    def test_a_page_starts_below_an_id_that_is_not_there(
        self, repository: KeyRepository, network: str
    ) -> None:
        add(repository, make_key(network, key_id="a"), make_key(network, key_id="c"))
        assert listed(repository, network, before_id="b") == ["a"]
        # An id from the other list, longer than any of this one.
        assert listed(repository, network, before_id="b" * 64) == ["a"]
        assert listed(repository, network, before_id="a") == []

    def test_a_page_holds_whole_keys(self, repository: KeyRepository, network: str) -> None:
        key = make_key(network, metadata=Metadata('{"a":1}'), request_id="r")
        add(repository, key)
        for status in (None, KeyStatus.ACTIVE):
            for actor in (None, key.actor_id):
                assert repository.list_page(
                    network,
                    KeyKind.ISSUED,
                    limit=1,
                    before_id=None,
                    actor_id=actor,
                    status=status,
                    now_ns=NOW_NS,
                ) == [key]

    def test_filters_agree_with_what_is_shown(
        self, repository: KeyRepository, network: str
    ) -> None:
        ends = [NOW_NS - 1, NOW_NS, NOW_NS + 1, None]
        keys = [
            make_key(network, actor_id=actor, status=status, expires_at_ns=end)
            for actor in ("a", "b")
            for status in (KeyStatus.ACTIVE, KeyStatus.REVOKED)
            for end in ends
            for _ in range(3)
        ]
        add(repository, *keys)
        shown = (KeyStatus.ACTIVE, KeyStatus.REVOKED, KeyStatus.EXPIRED)
        for now_ns in (NOW_NS, NOW_NS + 1, NOW_NS + 2):
            for status in (None, *shown):
                for actor in (None, "a", "b", "c"):
                    expected = descending(
                        [
                            key.key_id
                            for key in keys
                            if status in (None, key.shown_status(now_ns))
                            and actor in (None, key.actor_id)
                        ]
                    )
                    found = listed(
                        repository, network, actor_id=actor, status=status, now_ns=now_ns
                    )
                    assert found == expected
                    for limit in (1, 2):
                        page = listed(
                            repository,
                            network,
                            limit=limit,
                            before_id=expected[0] if expected else None,
                            actor_id=actor,
                            status=status,
                            now_ns=now_ns,
                        )
                        assert page == expected[1 : 1 + limit]

    def test_actors_are_compared_by_their_bytes(
        self, repository: KeyRepository, network: str
    ) -> None:
        actors = ("user", "USER", "user ", "üser", "u", "user%", "us_r", "", "\uff55ser")
        keys = {actor: make_key(network, actor_id=actor) for actor in actors}
        add(repository, *keys.values())
        for actor, key in keys.items():
            assert listed(repository, network, actor_id=actor) == [key.key_id]

    @pytest.mark.parametrize("actor", ["a\0b", "\0", "x" * 256, "x" * 100_000, "\udfff"])
    @pytest.mark.parametrize("status", [None, KeyStatus.ACTIVE])
    def test_an_impossible_actor_has_no_keys(
        self, repository: KeyRepository, network: str, actor: str, status: KeyStatus | None
    ) -> None:
        add(repository, make_key(network))
        assert listed(repository, network, actor_id=actor, status=status) == []

    @pytest.mark.parametrize("before_id", ["\0", "\udfff"])
    def test_an_impossible_start_has_no_keys_below(
        self, repository: KeyRepository, network: str, before_id: str
    ) -> None:
        assert listed(repository, network, before_id=before_id) == []

    # mark_used

    @KINDS
    def test_marks_change_nothing_else(
        self, repository: KeyRepository, network: str, other_network: str, kind: KeyKind
    ) -> None:
        keys = [make_key(network, kind) for _ in range(3)]
        twin = replace(keys[0], network_id=other_network)
        add(repository, *keys, twin)
        ids = (keys[0].key_id, keys[1].key_id, "unknown", "\0")
        repository.mark_used(network, kind, dict.fromkeys(ids, NOW_NS + 1))
        repository.mark_used(network, kind, {keys[1].key_id: NOW_NS + DAY_NS})
        repository.mark_used(network, kind, {})
        found = [repository.get(KeyRef(network, kind, key.key_id)) for key in keys]
        assert found == [
            replace(keys[0], last_used_at_ns=NOW_NS + 1),
            replace(keys[1], last_used_at_ns=NOW_NS + DAY_NS),
            keys[2],
        ]
        assert repository.get(KeyRef(other_network, kind, twin.key_id)) == twin

    @KINDS
    def test_each_key_is_marked_with_its_own_use_and_never_back(
        self, repository: KeyRepository, network: str, kind: KeyKind
    ) -> None:
        keys = [make_key(network, kind) for _ in range(3)]
        add(repository, *keys)
        for uses_ns in ((30, 20, 2**62), (10, 40, 20), (30, 40, 20)):
            ids = [key.key_id for key in keys]
            repository.mark_used(network, kind, dict(zip(ids, uses_ns, strict=True)))
        found = [repository.get(KeyRef(network, kind, key.key_id)) for key in keys]
        assert [key and key.last_used_at_ns for key in found] == [30, 40, 2**62]

    @KINDS
    def test_no_key_is_used_after_its_revocation(
        self, repository: KeyRepository, network: str, kind: KeyKind
    ) -> None:
        """A use that ended after the revocation had begun is told as of that moment."""
        revoked = {"status": KeyStatus.REVOKED, "updated_at_ns": NOW_NS}
        late, early, again = (make_key(network, kind, **revoked) for _ in range(3))
        add(repository, late, early, again)
        repository.mark_used(network, kind, {late.key_id: NOW_NS + 5, early.key_id: NOW_NS - 5})
        for used_at_ns in (NOW_NS - 9, NOW_NS + 5, NOW_NS + 7):
            repository.mark_used(network, kind, {again.key_id: used_at_ns})
        found = [repository.get(KeyRef(network, kind, key.key_id)) for key in (late, early, again)]
        told = [key and key.last_used_at_ns for key in found]
        assert told == [NOW_NS, NOW_NS - 5, NOW_NS]
