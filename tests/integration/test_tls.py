"""Encrypted connections to PostgreSQL: ``sslmode`` keeps what it says (contract 8.5)."""

import datetime
import ipaddress
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import text

from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.dsn import parse_dsn
from talos.adapters.sql.engine import create_engine
from talos.errors import ServiceUnavailable
from tests.support.outages import Server, started
from tests.support.servers.process import server_uid


@dataclass
class Authority:
    """A certificate authority of our own, and a certificate of it for 127.0.0.1."""

    folder: Path

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test authority")])
        certificate = self._signed(self._name, self._key.public_key(), is_authority=True)
        self.root = self._write("root.pem", certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self) -> tuple[Path, Path]:
        """Write a certificate and its key; return where they are."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        certificate = self._signed(name, key.public_key(), is_authority=False)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return (
            self._write("server.pem", certificate.public_bytes(serialization.Encoding.PEM)),
            self._write("server.key", private),
        )

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, is_authority: bool
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(0o600)
        return path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[Server]:
    """A PostgreSQL server that speaks TLS, and does without where it is not asked to."""
    server = started("postgres")
    with server.process as process:
        for source, setting in zip(
            authority.issue(), ("ssl_cert_file", "ssl_key_file"), strict=True
        ):
            installed = process.folder / source.name
            shutil.copyfile(source, installed)
            installed.chmod(0o600)
            uid = server_uid()
            if uid is not None:
                os.chown(installed, uid, uid)
            _execute(server, f"ALTER SYSTEM SET {setting} = '{installed}'")
        _execute(server, "ALTER SYSTEM SET ssl = on")
        process.stop()
        process.start()
        yield server


def _execute(server: Server, statement: str) -> None:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


def is_encrypted(server: Server, mode: str, **parameters: object) -> bool:
    """Connect as the server would, and ask the database what it sees."""
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    dsn = server.dsn.replace("sslmode=disable", f"sslmode={mode}&{query}")
    engine = create_engine(parse_dsn(dsn))
    try:
        SqlDatabase(engine).ping()
        with engine.connect() as connection:
            asked = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            return bool(connection.execute(asked).scalar_one())
    finally:
        engine.dispose()


@pytest.mark.parametrize(("mode", "encrypted"), [("disable", False), ("require", True)])
def test_encryption_is_what_was_asked_for(server: Server, mode: str, encrypted: bool) -> None:
    assert is_encrypted(server, mode) is encrypted


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_a_server_of_the_named_authority_is_accepted(
    server: Server, authority: Authority, mode: str
) -> None:
    assert is_encrypted(server, mode, sslrootcert=authority.root)


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_a_server_of_another_authority_is_refused(
    server: Server, mode: str, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path).root
    with pytest.raises(ServiceUnavailable):
        is_encrypted(server, mode, sslrootcert=stranger)


def test_a_server_under_another_name_is_refused(server: Server, authority: Authority) -> None:
    renamed = Server(server.process, server.dsn.replace("127.0.0.1", "localhost"))
    assert is_encrypted(renamed, "verify-ca", sslrootcert=authority.root)
    with pytest.raises(ServiceUnavailable):
        is_encrypted(renamed, "verify-full", sslrootcert=authority.root)
