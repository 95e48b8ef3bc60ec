"""``talos jwk``."""

import base64
import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.support.cli import Run
from tests.unit.cli.fake_server import FakeServer

PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "k"}

KINDS = [
    ("eddsa", "OKP", "EdDSA"),
    ("ecdsa", "EC", "ES256"),
    ("ecdsa --curve P-256", "EC", "ES256"),
    ("ecdsa --curve p384", "EC", "ES384"),
    ("ecdsa --curve P-521", "EC", "ES512"),
    ("rsa", "RSA", "RS256"),
    ("rsa --alg PS384", "RSA", "PS384"),
    ("hmac", "oct", "HS512"),
    ("hmac --bits 384", "oct", "HS384"),
    ("hmac --bits 256", "oct", "HS256"),
]


def thumbprint(key: dict[str, Any]) -> str:
    """RFC 7638, from its text."""
    members = {"OKP": "crv kty x", "EC": "crv kty x y", "RSA": "e kty n", "oct": "k kty"}
    required = {name: key[name] for name in members[key["kty"]].split()}
    digest = hashlib.sha256(json.dumps(required, separators=(",", ":")).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@pytest.mark.parametrize(("line", "kty", "alg"), KINDS)
def test_a_generated_key_signs(talos: Run, line: str, kty: str, alg: str) -> None:
    result = talos("jwk", "generate", *line.split())
    assert result.exit_code == 0
    key = json.loads(result.stdout)
    assert result.stdout == json.dumps(key, indent=2, sort_keys=True) + "\n"
    assert (key["kty"], key["alg"], key["use"]) == (kty, alg, "sig")
    assert key["kid"] == thumbprint(key)
    assert result.stderr == f"Key ID: {key['kid']}\nKey Type: {kty}\nAlgorithm: {alg}\n"
    signer = jwt.PyJWK(key)
    token = jwt.encode({"sub": "x"}, signer, algorithm=alg)
    public = {name: value for name, value in key.items() if name not in PRIVATE or kty == "oct"}
    assert jwt.decode(token, jwt.PyJWK(public), algorithms=[alg]) == {"sub": "x"}


@pytest.mark.parametrize("kind", ["eddsa", "ecdsa", "rsa"])
def test_the_public_part_alone(talos: Run, kind: str) -> None:
    key = json.loads(talos("jwk", "generate", kind, "--public-only").stdout)
    assert PRIVATE.isdisjoint(key)
    assert key["kid"] == thumbprint(key)


def test_a_symmetric_key_has_no_public_part(talos: Run) -> None:
    result = talos("jwk", "generate", "hmac", "--public-only")
    assert (result.exit_code, result.stdout) == (1, "")


def test_kid_use_and_wrapping(talos: Run) -> None:
    result = talos("jwk", "generate", "eddsa", "--kid", "k 1", "--use", "anything", "--jwks")
    key_set = json.loads(result.stdout)
    assert list(key_set) == ["keys"]
    (key,) = key_set["keys"]
    assert (key["kid"], key["use"]) == ("k 1", "anything")


@pytest.mark.parametrize(
    "line",
    ["rsa --bits 1024", "rsa --bits 8193", "rsa --alg RS1", "rsa --bits x", "hmac --bits 255",
     "hmac --bits 257", "hmac --bits 248", "ecdsa --curve P-192", "ecdsa --curve secp256k1"],
)  # fmt: skip
def test_keys_that_are_not_made(talos: Run, line: str) -> None:
    result = talos("jwk", "generate", *line.split())
    assert (result.exit_code, result.stdout) == (1, "")
    assert "--" in result.stderr


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("before", [None, 0o644, 0o777, 0o400])
def test_a_file_is_for_its_owner_only(talos: Run, tmp_path: Path, before: int | None) -> None:
    path = tmp_path / "key.json"
    if before is not None:
        path.write_text("x" * 10_000)
        path.chmod(before)
    result = talos("jwk", "generate", "eddsa", "-o", str(path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"Written to {path}\n" in result.stderr
    assert mode_of(path) == 0o600
    key = json.loads(path.read_text())
    assert path.read_text() == json.dumps(key, indent=2, sort_keys=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["key.json"]


def test_a_reader_of_the_old_file_does_not_see_the_new_key(talos: Run, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text("old")
    with path.open() as reader:
        talos("jwk", "generate", "eddsa", "-o", str(path))
        assert reader.read() == "old"


def test_a_link_is_followed(talos: Run, tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    assert talos("jwk", "generate", "eddsa", "-o", str(link)).exit_code == 0
    assert link.is_symlink()
    assert json.loads(target.read_text())["kty"] == "OKP"
    assert mode_of(target) == 0o600


def test_what_is_no_file_is_left_alone(talos: Run, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, tmp_path, tmp_path / "none" / "key.json"):
        result = talos("jwk", "generate", "eddsa", "-o", str(path))
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"cannot write {path}: ")
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_dash_is_standard_output(talos: Run) -> None:
    result = talos("jwk", "generate", "eddsa", "-o", "-")
    assert json.loads(result.stdout)["kty"] == "OKP"
    assert "Written" not in result.stderr


@pytest.mark.parametrize("wrapped", [True, False])
def test_get_prints_the_bare_key_set(server: FakeServer, ask: Run, wrapped: bool) -> None:
    key_set = {"keys": [{"kty": "OKP", "kid": "k", "crv": "Ed25519", "x": "AA"}]}
    server.answer({"jwks": key_set} if wrapped else key_set)
    result = ask("jwk", "get")
    assert result.exit_code == 0
    assert result.stdout == json.dumps(key_set, indent=2, sort_keys=True) + "\n"
    assert (server.only.method, server.only.target) == ("GET", "/v2alpha1/derivedKeys/jwks.json")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, {"error": {"message": "list signing keys"}}, "500 Internal Server Error"),
        (404, b"", "404 Not Found"),
        (307, b"", "307 Temporary Redirect"),
        (200, b"<html>", "the answer is no key set; is this a Talos server?"),
        (200, {"jwks": {}}, "the answer is no key set; is this a Talos server?"),
        (200, {"jwks": []}, "the answer is no key set; is this a Talos server?"),
        (200, [], "the answer is no key set; is this a Talos server?"),
    ],
)
def test_get_fails_with_the_status(
    server: FakeServer, ask: Run, status: int, body: object, said: str
) -> None:
    server.answer(body, status)
    result = ask("jwk", "get")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"fetch JWKS: {said}\n"


def test_get_without_a_server(talos: Run) -> None:
    result = talos("jwk", "get", "-e", "http://127.0.0.1:1")
    assert result.exit_code == 1
    assert result.stderr == (
        "fetch JWKS: cannot connect to http://127.0.0.1:1: Connection refused\n"
    )


@pytest.mark.parametrize("kind", ["eddsa", "ecdsa", "rsa", "hmac"])
def test_an_empty_use_is_no_member(talos: Run, kind: str) -> None:
    shown = json.loads(talos("jwk", "generate", kind, "--use", "").stdout)
    assert "use" not in shown
    assert json.loads(talos("jwk", "generate", kind).stdout)["use"] == "sig"
