"""Envelopes: what other tools make of them, and that nothing in one can be changed."""

from __future__ import annotations

import base64
import copy
import json
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from evidence_kit import HASH, signed

from deepunlearn_cli.core.errors import ExitCode, Failure, UsageFailure
from deepunlearn_cli.evidence import checking, envelope, keys, statement
from deepunlearn_cli.evidence.failures import DoesNotHold


@pytest.fixture(scope="module")
def key():
    return Ed25519PrivateKey.generate()


@pytest.fixture
def cert(key, tmp_path):
    """A certificate's file, and the public key's."""
    (tmp_path / "cert.json").write_bytes(signed(key).text())
    (tmp_path / "pub.pem").write_text(keys.public_pem(key.public_key()))
    return tmp_path / "cert.json", tmp_path / "pub.pem"


def caught(text: bytes, place, pub) -> Failure:
    """What a changed certificate is answered with, with the signer's key at hand and without it."""
    place.write_bytes(text)
    for known in (pub, None):
        with pytest.raises(Failure) as error:
            checking.read(place, known)
        assert error.value.code in (ExitCode.USAGE, ExitCode.AUDIT_FAIL)
        assert error.value.hint
    return error.value


def test_it_is_read_as_it_was_written(cert):
    for pub in (cert[1], None):
        one = checking.read(cert[0], pub)
        assert one.known is (pub is not None)
        assert one.statement["_type"] == "https://in-toto.io/Statement/v1"
        assert one.statement["predicate"]["request"]["id"] == "DSR-1"
    assert one.statement["predicate"]["audits"]["umia"]["gap"] == 0.0123
    assert one.statement["predicate"]["method"]["params"]["lr"] == 0.0123456789
    assert "hash" not in json.dumps(one.statement["predicate"]["audits"])
    assert "class:3" not in json.dumps(one.statement)


def test_securesystemslib_reads_and_verifies_it(cert, key):
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import SSlibKey

    table = json.loads(cert[0].read_bytes())
    theirs = Envelope.from_dict(copy.deepcopy(table))
    public = SSlibKey.from_crypto(key.public_key(), keyid=keys.key_id(key.public_key()))
    assert theirs.verify([public], 1) == {public.keyid: public}
    assert theirs.pae() == envelope.pae(theirs.payload)
    other = Ed25519PrivateKey.generate().public_key()
    with pytest.raises(VerificationError):
        theirs.verify([SSlibKey.from_crypto(other, keyid=public.keyid)], 1)
    theirs.payload += b" "
    with pytest.raises(VerificationError):
        theirs.verify([public], 1)


OPENSSL = """
payload=$(mktemp) && signature=$(mktemp) && signed=$(mktemp)
jq -r .payload cert.json | base64 -d > "$payload"
jq -r '.signatures[0].sig' cert.json | base64 -d > "$signature"
{ printf 'DSSEv1 28 application/vnd.in-toto+json %d ' "$(wc -c < "$payload")"
  cat "$payload"; } > "$signed"
openssl pkeyutl -verify -pubin -inkey officer.pub.pem -rawin -in "$signed" \\
  -sigfile "$signature"
"""


@pytest.mark.skipif(not (shutil.which("openssl") and shutil.which("jq")), reason="needs openssl and jq")
def test_openssl_verifies_it_as_the_guide_says(cert, tmp_path):
    from docs_kit import GUIDE

    assert OPENSSL.strip() in (GUIDE / "evidence.md").read_text("utf-8")
    cert[1].rename(tmp_path / "officer.pub.pem")
    command = ["bash", "-euc", OPENSSL]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "Success" in done.stdout) == (0, True), done.stderr
    table = json.loads(cert[0].read_bytes())
    payload = base64.b64decode(table["payload"]).replace(b"DSR-1", b"DSR-2")
    cert[0].write_text(json.dumps(table | {"payload": base64.b64encode(payload).decode()}))
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode


def places(value, path=()):
    """Every leaf of a payload."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [leaf for name, one in inner for leaf in places(one, (*path, name))]
    return found if inner and value else [path]


def test_every_field_that_is_changed_is_caught(cert):
    place, pub = cert
    table = json.loads(place.read_bytes())
    payload = json.loads(base64.b64decode(table["payload"]))
    every = places(payload)
    assert len(every) > 60
    for path in every:
        changed = copy.deepcopy(payload)
        holder = changed
        for name in path[:-1]:
            holder = holder[name]
        old = holder[path[-1]]
        holder[path[-1]] = (
            (not old) if isinstance(old, bool) else old + 1 if isinstance(old, int | float) else f"{old}0"
        )
        text = json.dumps(changed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        caught(json.dumps(table | {"payload": base64.b64encode(text).decode()}).encode(), place, pub)


def test_every_byte_that_is_changed_is_caught(cert):
    place, pub = cert
    text = place.read_bytes()
    step = max(1, len(text) // 60)
    ends = [*range(30), *range(len(text) - 120, len(text) - 1)]
    for index in sorted({*range(0, len(text) - 1, step), *ends}):
        caught(text[:index] + bytes([text[index] ^ 1 + index % 2 * 31]) + text[index + 1 :], place, pub)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_what_is_torn_is_no_certificate(share, cert):
    text = cert[0].read_bytes()
    failure = caught(text[: int(share * len(text))], *cert)
    assert (failure.code, "no certificate" in failure.message) == (ExitCode.USAGE, True)


@pytest.mark.parametrize(
    "change",
    [
        {"payloadType": "application/json"},
        {"payloadType": ""},
        {"signatures": []},
        {"signatures": [{"keyid": HASH, "sig": ""}]},
        {"signatures": [{"keyid": HASH, "sig": "AAAA"}]},
        {"signatures": "none"},
        {"more": 1},
        {"payload": 7},
        {"payload": "e30="},
        {"payload": "!!!"},
    ],
)
def test_another_envelope_is_refused(change, cert):
    table = json.loads(cert[0].read_bytes())
    caught(json.dumps(table | change).encode(), *cert)


def test_base64_of_two_meanings_and_keys_named_twice_are_refused(cert):
    place, pub = cert
    table = json.loads(place.read_bytes())
    signature = table["signatures"][0]
    bent = signature["sig"][:-3] + chr(ord(signature["sig"][-3]) + 1) + "=="  # bits that decoders drop
    assert base64.b64decode(bent) == base64.b64decode(signature["sig"])
    caught(json.dumps(table | {"signatures": [signature | {"sig": bent}]}).encode(), place, pub)
    caught(json.dumps(table | {"payload": f"{table['payload']}\n"}).encode(), place, pub)
    text = place.read_bytes().decode()
    caught(text.replace('{"payload"', '{"payload":"e30=","payload"', 1).encode(), place, pub)
    caught(json.dumps(table | {"signatures": [signature, signature]}).encode(), place, pub)
    caught(json.dumps(table | {"signatures": [signature | {"more": 1}]}).encode(), place, pub)


def test_another_key_is_caught_only_with_the_right_one_at_hand(cert, key):
    place, pub = cert
    forger = Ed25519PrivateKey.generate()
    place.write_bytes(signed(forger).text())
    with pytest.raises(DoesNotHold, match="names another key"):
        checking.read(place, pub)
    assert checking.read(place, None).known is False
    mixed = signed(key, signer={"id": HASH, "public_key": keys.public_pem(key.public_key())})
    place.write_bytes(mixed.text())
    with pytest.raises(DoesNotHold, match="another signer"):
        checking.read(place, pub)


def test_the_id_of_the_key_is_no_hiding_place(cert, key):
    forger = Ed25519PrivateKey.generate()
    fake = signed(forger)
    worn = envelope.Envelope(fake.payload, keys.key_id(key.public_key()), fake.signature)
    caught(worn.text(), *cert)


@pytest.mark.parametrize("verdict", ["FAIL", "INCONCLUSIVE", None])
def test_a_signed_certificate_without_a_pass_does_not_hold(verdict, cert, key):
    cert[0].write_bytes(signed(key, audits={"umia": {"verdict": verdict}}).text())
    with pytest.raises(DoesNotHold, match="umia says"):
        checking.read(*cert)
    cert[0].write_bytes(signed(key, audits={}).text())
    with pytest.raises(DoesNotHold, match="no audit"):
        checking.read(*cert)


@pytest.mark.parametrize("field", ["request", "commitment", "policy", "ledger", "limitations", "previous"])
def test_a_signed_statement_of_another_form_does_not_hold(field, cert, key):
    cert[0].write_bytes(signed(key, **{field: 17}).text())
    with pytest.raises(DoesNotHold, match=field):
        checking.read(*cert)


@pytest.mark.parametrize(
    "payload", [b"{}", b"[]", b"7", b"\xff", b'{"_type":1,"predicateType":2}', b"[" * 9000]
)
def test_a_signed_payload_that_is_no_statement_does_not_hold(payload, cert, key):
    cert[0].write_bytes(keys.sign(payload, key).text())
    with pytest.raises(DoesNotHold):
        checking.read(*cert)


def test_a_statement_of_another_kind_is_told_so(cert, key):
    other = {"_type": statement.STATEMENT, "subject": [], "predicateType": "https://slsa.dev/provenance/v1"}
    cert[0].write_bytes(keys.sign(json.dumps(other).encode(), key).text())
    with pytest.raises(UsageFailure, match=r"slsa\.dev"):
        checking.read(*cert)


def test_certificates_follow_each_other(key, tmp_path):
    first = signed(key)
    second = signed(key, previous=first.digest)
    for number, one in enumerate((first, second)):
        (tmp_path / f"{number}.json").write_bytes(one.text())
    ones = [checking.read(tmp_path / f"{number}.json", None) for number in (0, 1)]
    assert "2 certificates" in checking.chain(ones)[0].found
    for wrong in (ones[::-1], [ones[0], ones[0]], [ones[1], ones[1]]):
        with pytest.raises(Failure, match="does not follow") as error:
            checking.chain(wrong)
        assert error.value.code == ExitCode.STORE_CORRUPT
