"""Keys: made once, never written over, and no other kind taken for one."""

from __future__ import annotations

import os
import stat

import pytest
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.evidence import keys

PKCS8 = (s.Encoding.PEM, s.PrivateFormat.PKCS8)


@pytest.fixture
def pair(tmp_path):
    keys.generate(tmp_path / "k.pem")
    return tmp_path / "k.pem", tmp_path / "k.pub.pem"


@pytest.mark.parametrize("mask", [0o022, 0o000, 0o077])
def test_only_its_owner_reads_the_private_key(mask, tmp_path):
    before = os.umask(mask)
    try:
        keys.generate(tmp_path / "k.pem")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "k.pem").stat().st_mode) == 0o600
    assert keys.read_private(tmp_path / "k.pem").public_key() == keys.read_public(tmp_path / "k.pub.pem")


@pytest.mark.parametrize("taken", [0, 1])
def test_nothing_is_written_over(taken, pair, tmp_path):
    left = pair[taken].read_bytes()
    pair[1 - taken].unlink()
    with pytest.raises(UsageFailure, match="never written over"):
        keys.generate(pair[0])
    assert pair[taken].read_bytes() == left
    assert [path.name for path in tmp_path.iterdir()] == [pair[taken].name]


def test_half_a_pair_is_never_left(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keys, "public_pem", full)
    with pytest.raises(OSError, match="No space"):
        keys.generate(tmp_path / "k.pem")
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_others_may_read_is_refused(pair):
    pair[0].chmod(0o640)
    with pytest.raises(UsageFailure, match="others than you") as error:
        keys.read_private(pair[0])
    assert error.value.hint == f"chmod 600 {pair[0]}"


def other(kind: str) -> bytes:
    if kind == "elliptic":
        return ec.generate_private_key(ec.SECP256R1()).private_bytes(*PKCS8, s.NoEncryption())
    if kind == "public":
        return keys.public_pem(ed25519.Ed25519PrivateKey.generate().public_key()).encode()
    if kind == "secret":
        lock = s.BestAvailableEncryption(b"open sesame")
        return ed25519.Ed25519PrivateKey.generate().private_bytes(*PKCS8, lock)
    return {"empty": b"", "noise": bytes(range(256)), "torn": b"-----BEGIN PRIVATE KEY-----\nMC4CAQAw"}[kind]


@pytest.mark.parametrize("kind", ["elliptic", "public", "secret", "empty", "noise", "torn"])
def test_another_file_is_no_private_key(kind, tmp_path):
    (tmp_path / "k.pem").write_bytes(other(kind))
    (tmp_path / "k.pem").chmod(0o600)
    says = "passphrase" if kind == "secret" else "no private Ed25519 key"
    with pytest.raises(UsageFailure, match=says) as error:
        keys.read_private(tmp_path / "k.pem")
    assert error.value.hint


@pytest.mark.parametrize("kind", ["elliptic", "secret", "empty", "noise", "torn"])
def test_another_file_is_no_public_key(kind, tmp_path):
    (tmp_path / "k.pem").write_bytes(other(kind))
    with pytest.raises(
        UsageFailure, match="private key" if kind in ("elliptic", "secret", "torn") else "no public"
    ):
        keys.read_public(tmp_path / "k.pem")


@pytest.mark.parametrize("read", [keys.read_private, keys.read_public])
def test_no_file_is_told_so(read, tmp_path):
    with pytest.raises(NotFound, match="no key file"):
        read(tmp_path / "missing.pem")
    with pytest.raises(NotFound, match="no key file"):
        read(tmp_path)


def test_without_the_library_the_command_that_brings_it_is_told(monkeypatch):
    monkeypatch.setattr("deepunlearn_cli.core.extras.find_spec", lambda name: None)
    with pytest.raises(UsageFailure, match="cryptography") as error:
        keys.available()
    assert error.value.hint == "pip install 'deepunlearn[certify]'"
