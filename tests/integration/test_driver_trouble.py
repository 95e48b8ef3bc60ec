"""What drivers raise outside of their own errors is trouble in words, never anything else."""

import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.driver_errors import explain
from talos.adapters.sql.dsn import parse_dsn
from talos.adapters.sql.engine import create_engine
from talos.adapters.sql.repository import SqlKeyRepository
from talos.adapters.sql.transactions import Transactions
from talos.domain.keys import NIL_NETWORK, KeyKind, KeyRef
from talos.errors import GatewayTimeout, InternalError, ServiceUnavailable, TalosError
from tests.integration.repository_contract import add
from tests.integration.sample_keys import make_key
from tests.support.servers import MySqlService
from tests.support.servers.forwarder import Forwarder
from tests.support.writes import change, delete

STORAGE_ERRORS = (ServiceUnavailable, GatewayTimeout, InternalError)

GREETINGS = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", id="HTTP"),
    pytest.param(b"\x05\x00\x00\x00hello", id="a packet of text"),
    pytest.param(b"\x01\x00\x00\x00\x0a", id="a protocol and no more"),
    pytest.param(b"\x00\x00\x00\x00", id="an empty packet"),
    pytest.param(b"\x40\x00\x00\x00\x0a" + b"\xff" * 63, id="a version without end"),
    pytest.param(b"\xff" * 4096, id="high bytes"),
    pytest.param(b"E\x00\x00\x00\x0cSFATAL\x00\x00", id="an error without a code"),
    pytest.param(b"R\x00\x00\x00\x08\x00\x00\x00\x63", id="an unknown way to sign in"),
]


@contextmanager
def saying(greeting: bytes) -> Iterator[int]:
    """A port where every connection is told ``greeting`` and closed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    client.sendall(greeting)
                    client.shutdown(socket.SHUT_WR)
                    client.settimeout(5)
                    try:
                        while client.recv(65536):
                            pass
                    except OSError:
                        pass

        threading.Thread(target=serve, daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("greeting", GREETINGS)
@pytest.mark.parametrize("product", ["postgres", "mysql"])
def test_a_peer_that_is_no_database_is_told_of_in_words(product: str, greeting: bytes) -> None:
    with saying(greeting) as port:
        place = f"tcp(127.0.0.1:{port})" if product == "mysql" else f"127.0.0.1:{port}"
        engine = create_engine(parse_dsn(f"{product}://u:test-password@{place}/db"))
        with pytest.raises(ServiceUnavailable) as caught:
            SqlDatabase(engine).wait_until_reachable(patience_ns=0)
        assert explain(caught.value).strip()
        assert "test-password" not in explain(caught.value)
        for operation in (
            SqlDatabase(engine).ping,
            lambda: delete(SqlKeyRepository(engine), KeyRef(NIL_NETWORK, KeyKind.ISSUED, "x")),
        ):
            with pytest.raises(ServiceUnavailable):
                operation()
        engine.dispose()


def test_a_plug_in_that_is_not_installed_is_named(
    mysql_service: MySqlService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyMySQL raises ``RuntimeError`` for it."""
    # The tests themselves bring it.
    monkeypatch.setitem(sys.modules, "nacl", None)
    monkeypatch.setattr("pymysql._auth._nacl_bindings", False)
    mysql_service.execute("INSTALL SONAME 'auth_ed25519'")
    try:
        mysql_service.execute(
            "CREATE OR REPLACE USER modern@'127.0.0.1' IDENTIFIED VIA ed25519 "
            "USING PASSWORD('test-password-of-modern')"
        )
        place = re.search(r"tcp\([^)]*\)", mysql_service.dsn)
        assert place is not None
        dsn = f"mysql://modern:test-password-of-modern@{place[0]}/mysql"
        database = SqlDatabase(create_engine(parse_dsn(dsn)))
        with pytest.raises(ServiceUnavailable) as caught:
            database.wait_until_reachable(patience_ns=0)
        assert "pynacl" in explain(caught.value)
        assert "test-password" not in explain(caught.value)
        with pytest.raises(ServiceUnavailable):
            database.ping()
    finally:
        mysql_service.execute("DROP USER IF EXISTS modern@'127.0.0.1'")
        mysql_service.execute("UNINSTALL SONAME 'auth_ed25519'")


def test_a_name_that_cannot_be_encoded_is_told_of_without_it(mysql_service: MySqlService) -> None:
    place = re.search(r"tcp\([^)]*\)", mysql_service.dsn)
    assert place is not None
    engine = create_engine(parse_dsn(f"mysql://u\udc80ser:test-password@{place[0]}/mysql"))
    with pytest.raises(ServiceUnavailable) as caught:
        SqlDatabase(engine).wait_until_reachable(patience_ns=0)
    assert "cannot encode" in explain(caught.value)
    assert "udc80" not in explain(caught.value)


SPOILED = [
    pytest.param(lambda data: data[:4] + b"\xfb" * (len(data) - 4), id="other bytes"),
    pytest.param(lambda data: data[:4] + b"\x00" * (len(data) - 4), id="zeros"),
    pytest.param(lambda data: b"\x01\x00\x00\x01\xff", id="an error without a code"),
    pytest.param(lambda data: b"\x01\x00\x00\x01\x05", id="five columns and no more"),
    pytest.param(lambda data: b"", id="nothing"),
]


def selected(number: int, connection: Connection) -> object:
    return connection.execute(text(f"SELECT {number}")).scalar_one()


@pytest.mark.parametrize("spoil", SPOILED)
def test_an_answer_that_makes_no_sense_ends_its_connection(mysql_dsn: str, spoil: object) -> None:
    """The driver fails in ways of its own (``IndexError``, ``struct.error``, ...)."""
    port = re.search(r":(\d+)\)", mysql_dsn)
    assert port is not None
    with Forwarder(int(port[1])) as address:
        dsn = f"{mysql_dsn.replace(port[0], f':{address.port})')}&max_conns=1&readTimeout=300ms"
        engine = create_engine(parse_dsn(dsn))
        keys, key = SqlKeyRepository(engine), make_key(NIL_NETWORK)
        SqlDatabase(engine).ensure_network(NIL_NETWORK)
        add(keys, key)
        address.spoil = spoil  # type: ignore[assignment]
        for operation in (
            lambda: keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, key.key_id)),
            lambda: change(keys, KeyRef(NIL_NETWORK, KeyKind.ISSUED, key.key_id), lambda old: old),
        ):
            try:
                operation()
            except TalosError as error:
                assert isinstance(error, STORAGE_ERRORS)
        address.spoil = bytes
        # What that connection still says is nobody's answer.
        for number in range(5):
            answer = Transactions(engine).read("ask", partial(selected, number))
            assert answer == number
        assert keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, key.key_id)) == key
        engine.dispose()
