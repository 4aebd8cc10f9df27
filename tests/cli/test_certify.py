"""`certify` as people type it: from a policy to a certificate, its check, proofs, and all that is refused."""

from __future__ import annotations

import atexit
import base64
import importlib
import json
import os
import re
import shutil
import signal
import stat
import tempfile
import time
from functools import cache, partial
from hashlib import sha256
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_kit import Bench, Child, call, files, ok, refused, small_npz

from deepunlearn_cli import data
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import canonical
from deepunlearn_cli.evidence import proving
from deepunlearn_cli.store import Store
from deepunlearn_cli.store.ledger import Ledger

POLICY = """
name = "Small pictures"
expires = 2099-12-31
accept_uninformative = true

[attacks.umia]
tolerance = 0.45
metrics = ["accuracy", "auc"]

[sizes]
forget = 50
"""
RULE = ("--tolerance", "0.45", "--metric", "accuracy,auc", "--accept-uninformative")
REQUEST = ("--request", "DSR 7")


@cache
def base() -> tuple[Path, dict[str, str]]:
    """A store with a policy, a request that was carried out twice, and an audit of one of both."""
    place = Path(tempfile.mkdtemp(prefix="deepunlearn-tests-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    store = ("--store", place / "store", "-q")
    (place / "policy.toml").write_text(POLICY)
    ok("certify", "keygen", "--out", place / "officer.pem", *store)
    ok("certify", "policy", place / "policy.toml", *store)
    named = (
        "--dataset",
        small_npz(place / "small.npz", 300),
        "--model",
        "resnet-tiny",
        "--forget",
        "random:0.3",
    )
    (original,) = ok("train", *named, "-p", "epochs=3", "--out", place / "orig.pt", *store).lines
    ok("unlearn", "--method", "retrain", "--ckpt", original, *store)
    unlearn = ("unlearn", "--ckpt", original, "-p", "epochs=1", *REQUEST, "--received", "2026-11-01")
    (ft,) = ok(*unlearn, "--method", "ft", "--out", place / "clean.pt", *store).lines
    (other,) = ok(*unlearn, "--method", "srl", *store).lines
    (umia,) = ok("attack", "umia", ft, *RULE, *store).lines
    ids = {"original": original, "ft": ft, "other": other, "umia": umia}
    ok(
        "certify",
        place / "clean.pt",
        *REQUEST,
        "--key",
        place / "officer.pem",
        "--out",
        place / "cert.json",
        *store,
    )
    return place, ids


@pytest.fixture
def place(tmp_path) -> Bench:
    made, ids = base()
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Bench(tmp_path, ids)


def certify(place: Bench, *more: object, ref: object = None):
    return place("certify", ref or place.ids["ft"], *REQUEST, "--key", place.home / "officer.pem", *more)


def verify(place: Bench, *more: object, cert: str = "cert.json"):
    """Offline: with a store that there is not."""
    return call("certify", "verify", place.home / cert, "--store", place.home / "nowhere", *more)


def payload(file: Path) -> dict:
    return json.loads(base64.b64decode(json.loads(file.read_bytes())["payload"]))


def pub(place: Bench) -> tuple[str, Path]:
    return "--pub", place.home / "officer.pub.pem"


def test_what_a_certificate_says(place):
    said = payload(place.home / "cert.json")
    predicate = said["predicate"]
    run = place.ok("show", place.ids["ft"], "--json").json[0]
    assert said["subject"][0] == {
        "name": "clean.pt",
        "digest": {"sha256": sha256((place.home / "clean.pt").read_bytes()).hexdigest()},
    }
    assert (predicate["request"]["id"], predicate["request"]["received"]) == ("DSR 7", "2026-11-01")
    assert [one["event"] for one in predicate["request"]["events"]] == [
        "received",
        "unlearned",
        "unlearned",
        "audited",
    ]
    assert predicate["method"]["params"] == run["recipe"]["params"]
    assert predicate["tool"]["torch"] == torch.__version__
    row = predicate["audits"]["umia"]
    assert (row["verdict"], row["reference"], row["tolerance"]) == ("PASS", "retrained", 0.45)
    assert [one["metric"] for one in row["figures"]] == ["accuracy", "auc"]
    assert [one["metric"] for one in row["do_nothing_figures"]] == ["accuracy", "auc"]
    assert row["n_forget"] == predicate["commitment"]["size"] == 77
    assert predicate["accuracy"]["after"]["TA"] == round(run["scores"]["TA"], 4)
    lost = predicate["accuracy"]["before"]["TA"] - predicate["accuracy"]["after"]["TA"]
    assert predicate["accuracy"]["lost"]["TA"] == pytest.approx(lost, abs=1e-4)
    assert predicate["policy"]["sha256"] == sha256(POLICY.encode()).hexdigest()
    entries = Ledger(place.store).entries()
    assert predicate["ledger"] == {"number": len(entries) - 1, "head": entries[-2].digest}
    assert (
        entries[-1].details["certificate"]
        == sha256(
            base64.b64decode(json.loads((place.home / "cert.json").read_bytes())["payload"])
        ).hexdigest()
    )
    assert (predicate["previous"], predicate["earlier"]) == (None, [])
    assert "does not say that the data are gone" in predicate["says"]
    assert len(predicate["limitations"]) > 5
    assert place.ok("requests", "--json").json[0]["state"] == "certified"
    assert place.clean()


def test_it_is_checked_without_a_store(place):
    said = verify(place, *pub(place), "--ckpt", place.home / "clean.pt", "--policy", place.home / "policy.toml",
                  "--ledger", place.store / "ledger.jsonl", "--json")  # fmt: skip
    assert said.code == 0, said
    checks = {row["what"]: row["found"] for row in said.json if row["schema"].endswith("check/1")}
    assert list(checks) == ["signature", "model", "policy", "ledger"]
    assert "the same file" in checks["model"]
    assert not (place.home / "nowhere").exists()
    blind = payload(place.home / "cert.json")["predicate"]["audits"]["umia"]["uninformative"]
    said = verify(place)
    assert ("doing nothing passes too" in said.out) == blind
    assert (said.code, "whose key" in said.err) == (0, True)
    torch.save(torch.load(place.home / "clean.pt"), place.home / "again.pth")
    assert (
        "the same tensors, in another file"
        in verify(place, *pub(place), "--ckpt", place.home / "again.pth").out
    )


def test_the_same_certificate_is_given_until_something_comes_of_the_request(place):
    before = files(place.store)
    assert (
        "the same certificate"
        in certify(place, "--out", place.home / "b.json", ref=place.home / "clean.pt").err
    )
    assert (place.home / "b.json").read_bytes() == (place.home / "cert.json").read_bytes()
    assert files(place.store) == before
    assert certify(place, "--out", place.home / "c.json").code == 0, (
        "of the run: another file, another certificate"
    )
    assert certify(place, "--out", place.home / "d.json", "--force").code == 0
    chained = [place.home / f"{name}.json" for name in ("cert", "c", "d")]
    assert call("certify", "verify", *chained, *pub(place)).code == 0
    refused("certify", "verify", *chained[::-1], *pub(place), code=7, says=("does not follow",))
    refused("certify", "verify", chained[0], chained[2], *pub(place), code=7, says=("does not follow",))


def test_nothing_in_it_can_be_computed_from_pictures(place):
    """All that a guesser can compute who has the pictures, and the whole method, against all that it holds."""
    store = Store.open(place.store, create=False)
    text = base64.b64decode(json.loads((place.home / "cert.json").read_bytes())["payload"]).decode()
    shown = set(re.findall(r"[0-9a-f]{16,}", text))
    recipe = store.find(place.ids["ft"]).recipe
    dataset = data.load_dataset(recipe.data["fingerprint"], store.data)
    pictures = [data.picture_digest(picture) for picture in dataset.images]
    guesses = {one.hex() for one in pictures} | {sha256(one).hexdigest() for one in pictures}
    guesses |= {sha256(np.ascontiguousarray(picture).data).hexdigest() for picture in dataset.images}
    guesses |= {recipe.forget, recipe.data["fingerprint"], recipe.key, *place.ids.values(), place.ids["umia"]}
    guesses |= {sha256(canonical(recipe.to_json()).encode()).hexdigest()}
    assert not guesses & shown
    assert not [
        one for one in shown if any(other.startswith(one) or one.startswith(other) for other in guesses)
    ]
    for word in ("random:0.3", "indices", recipe.forget[:12], recipe.key[:8], '"seed"', "nonce"):
        assert word not in text, word


def test_the_ledger_cannot_be_written_again_by_who_guesses_the_forget_set(place):
    """Its head is in the certificate, and every line of it could be guessed but for one."""
    (policy, *_) = Ledger(place.store).entries()
    assert len(policy.details["nonce"]) == 64
    text = (place.home / "cert.json").read_text() + base64.b64decode(
        json.loads((place.home / "cert.json").read_bytes())["payload"]
    ).decode()
    assert policy.details["nonce"] not in text


def forgotten(place: Bench) -> tuple[list[int], list[int], data.Dataset]:
    """Numbers of forgotten and of retained pictures."""
    store = Store.open(place.store, create=False)
    recipe = store.find(place.ids["ft"]).recipe
    dataset = data.load_dataset(recipe.data["fingerprint"], store.data)
    gone = data.load_forget(recipe.forget, store.data).indices.tolist()
    return gone, [n for n in range(len(dataset)) if n not in set(gone)], dataset


def test_a_person_gets_a_proof_and_nobody_else(place):
    gone, kept, dataset = forgotten(place)
    np.save(place.home / "mine.npy", dataset.images[gone[3]])
    np.save(place.home / "other.npy", dataset.images[kept[3]])
    proof = place.home / "proof.json"
    place.ok("certify", "prove", gone[3], *REQUEST, "--out", proof)
    said = verify(place, *pub(place), "--proof", proof, "--picture", place.home / "mine.npy")
    assert (said.code, "one of the 77 pictures of this request" in said.out) == (0, True)
    from_file = place.ok("certify", "prove", place.home / "mine.npy", *REQUEST).out
    assert from_file.encode() == proof.read_bytes()
    for retained in (kept[3], kept[-1], place.home / "other.npy"):
        place.refused("certify", "prove", retained, *REQUEST, code=3, says=("no proof can be made",))
    more = ("--proof", proof, "--picture", place.home / "other.npy")
    refused(
        "certify", "verify", place.home / "cert.json", *pub(place), *more, code=7, says=("another picture",)
    )
    refused("certify", "verify", place.home / "cert.json", "--picture", proof, code=2, says=("--proof",))


@pytest.mark.parametrize("field", ["certificate", "index", "size", "path", "key", "picture"])
def test_a_proof_that_was_changed_proves_nothing(field, place):
    gone, kept, dataset = forgotten(place)
    proof = json.loads(place.ok("certify", "prove", gone[0], *REQUEST).out)
    changed = {
        "picture": data.picture_digest(dataset.images[kept[0]]).hex(),
        "path": proof["path"][::-1],
        "index": proof["index"] ^ 1,
        "size": proof["size"] + 1,
    }
    (place.home / "p.json").write_text(json.dumps(proof | {field: changed.get(field, "ab" * 32)}))
    more = (*pub(place), "--proof", place.home / "p.json")
    refused("certify", "verify", place.home / "cert.json", *more, code=7, says=("proof",))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', '{"index": -1}'])
def test_what_is_no_proof_is_told_so(text, place):
    (place.home / "p.json").write_text(text)
    more = (*pub(place), "--proof", place.home / "p.json")
    refused("certify", "verify", place.home / "cert.json", *more, code=2, says=("is no proof",))


def test_what_proofs_are_made_of_is_its_owner_s_alone(place):
    (private,) = (place.store / "certificates").glob("*.private")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    ok("store", "share", "--store", place.store)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    (public,) = (place.store / "certificates").glob("*.json")
    assert public.stat().st_mode & stat.S_IWGRP
    assert public.read_bytes() == (place.home / "cert.json").read_bytes()
    private.unlink()
    place.refused("certify", "prove", 1, *REQUEST, code=3, says=("not in this store",))


def test_verify_knows_the_certificates_that_a_store_gave(place):
    (kept,) = (place.store / "certificates").glob("*.json")
    text = kept.read_bytes()
    for wrong in (text[:99], text.replace(b"payloadType", b"payloadTypf"), signed_anew(place)):
        kept.write_bytes(wrong)
        said = place("verify", "--json")
        assert (said.code, said.json[0]["file"]) == (7, kept.name)
    kept.write_bytes(text)
    assert place.clean()


def test_verify_misses_a_certificate_that_is_gone(place):
    (kept,) = (place.store / "certificates").glob("*.json")
    (private,) = (place.store / "certificates").glob("*.private")
    text, secret = kept.read_bytes(), private.read_bytes()
    kept.unlink()
    said = place("verify", "--json")
    assert (said.code, said.json[0]["file"]) == (7, kept.name)
    assert "is not there" in said.json[0]["problem"]
    kept.write_bytes(text)
    private.write_bytes(secret[:50])
    said = place("verify", "--json")
    assert (said.code, said.json[0]["file"]) == (7, private.name)
    private.write_bytes(secret)
    assert place.clean()


def test_certificates_of_a_store_that_was_merged_are_not_missed(place, tmp_path):
    other = tmp_path / "other"
    ok("store", "merge", place.store, "--store", other)
    assert call("verify", "--store", other).code == 0


def test_a_store_is_no_place_for_a_private_key(place):
    for name in (place.store / "k.pem", place.store / "data" / "k.pem", place.store / "runs" / "k.pem"):
        place.refused("certify", "keygen", "--out", name, code=2, says=("store", "--out"))
    link = place.home / "link"
    link.symlink_to(place.store)
    says = place.refused("certify", "keygen", "--out", link / "k.pem", code=2, says=("copied",))
    better = says.splitlines()[-1].removeprefix("hint: ").removesuffix(", say").split()
    place.ok("certify", "keygen", *better)
    assert not list(place.store.rglob("*.pem"))
    gone, _, _ = forgotten(place)
    proof = ("certify", "prove", gone[0], *REQUEST, "--out", place.store / "p.json")
    place.refused(*proof, code=2, says=("one person's",))


@pytest.mark.slow
def test_a_policy_that_two_commit_at_the_same_time_is_committed_once(place):
    """Both look before either adds: what is the newest is seen under the ledger's lock."""
    (place.home / "new.toml").write_text(POLICY.replace("0.45", "0.4"))
    words = ("certify", "policy", place.home / "new.toml", "--store", place.store)
    children = [Child(*words, cwd=place.home, work=partial(together, place.home, n)) for n in range(2)]
    said = [child.wait() for child in children]
    assert [one.code for one in said] == [0, 0], said
    assert sorted("in force already" in one.err for one in said) == [False, True]
    events = [one.event for one in Ledger(place.store).entries()]
    assert events.count("policy") == 2, "the first, and this"
    (old,) = place.ok("certify", "policy", place.home / "policy.toml", "--json").json
    assert int(old["number"]) == len(events) + 1, "the older one is the newest again"


def together(home: Path, number: int) -> None:
    """Both have read the ledger before one adds to it."""
    from deepunlearn_cli.store import ledger

    before = ledger.hold

    def later(path, *given, **named):
        (home / f"ready{number}").touch()
        deadline = time.monotonic() + 20
        while not (home / f"ready{1 - number}").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return before(path, *given, **named)

    ledger.hold = later


def test_a_certificate_commits_to_no_picture_that_nobody_knows_any_more(place):
    gone, _, _ = forgotten(place)
    place.ok("purge", *REQUEST, "--yes")
    again, proof = wanted(place, "--force"), ("certify", "prove", gone[0], *REQUEST)
    refused(*again, "--store", place.store, code=2, says=("pictures of the request were purged",))
    refused(*proof, "--store", place.store, code=3, says=("was purged", "FILE"))
    assert certify(place, ref=place.home / "clean.pt").code == 0, "what was given before stands"
    said = place("certify", "verify", place.home / "cert.json", "--replay", *pub(place))
    assert said.code == 0, said.err


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "between"])
def test_of_a_request_that_was_purged_since_the_next_certificate_says_so(place, when):
    """What is gone is neither asked about nor committed to, and stops no later request.

    The purge comes before the next request, or between its model and the retrained one.
    """
    gone, _, _ = forgotten(place)
    second = ("--ckpt", place.ids["ft"], "--forget", "random:0.3:9", "-q")
    carry_out = ("unlearn", *second, "--method", "ft", "-p", "epochs=1", "--request", "DSR 8")
    if when == "between":
        place.ok(*carry_out)
    place.ok("purge", *REQUEST, "--yes")
    place.ok("unlearn", *second, "--method", "retrain")
    (run,) = place.ok(*carry_out).lines
    audit = place("attack", "umia", run, *RULE, "--json")
    assert audit.code in (0, 4, 5), audit.err
    assert [(one["method"], one["forget_label"]) for one in audit.json if one["verdict"]] == [
        ("ft", "random:0.3:9")
    ]
    assert "not asked about any more" in place("attack", "umia", run, *RULE).err
    out = place.home / "b.json"
    key = ("--key", place.home / "officer.pem", "--out", out, "--html", place.home / "b.html")
    place.ok("certify", run, "--request", "DSR 8", *key)
    said = payload(out)["predicate"]
    assert [*said["audits"]] == ["umia"]
    assert said["earlier"][0]["not_asked"] == len(gone)
    size = said["commitment"]["size"]
    assert (said["with_earlier"]["size"], said["with_earlier"]["purged"]) == (size, len(gone))
    assert "purged" not in said["commitment"]
    told = call("certify", "verify", place.home / "cert.json", out, *pub(place))
    assert (told.code, "77 pictures purged before" in told.out) == (0, True), told
    assert "nothing was asked about it" in (place.home / "b.html").read_text()


def secret(place) -> Path:
    (kept,) = (place.store / "certificates").glob("*.private")
    return kept


def other_digit(text: str) -> str:
    return ("0" if text[0] != "0" else "1") + text[1:]


CHANGES = {
    "salt": lambda kept: kept | {"salt": other_digit(kept["salt"])},
    "leaves": lambda kept: kept | {"leaves": [other_digit(kept["leaves"][0]), *kept["leaves"][1:]]},
    "decoded": lambda kept: kept | {"decoded": kept["decoded"] | {"height": 9}},
    "list": lambda kept: [kept],
}


@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "of an earlier version"])
@pytest.mark.parametrize("change", CHANGES)
def test_nobody_is_denied_a_proof_by_what_is_damaged(change, sealed, place):
    kept = json.loads(secret(place).read_bytes())
    if not sealed:
        if change == "decoded":
            pytest.skip("nothing else tells of it")
        del kept["seal"]
        secret(place).write_text(json.dumps(kept))
    assert place("verify").code == 0
    secret(place).write_text(json.dumps(CHANGES[change](kept)))
    assert secret(place).name in place("verify").out
    picture = str(forgotten(place)[0][0])
    place.refused("certify", "prove", picture, *REQUEST, code=7, says=(".private",))


def test_a_certificate_that_another_keeps_to_himself_is_no_damage(place, monkeypatch):
    def closed(path: Path) -> bytes:
        if path.parent.name == "certificates":
            raise PermissionError(13, "Permission denied", str(path))
        return Path.open(path, "rb").read()

    monkeypatch.setattr(Path, "read_bytes", closed)
    said = place("verify")
    assert said.code == 6
    assert said.out.count("not readable by you") == 1, "what proofs are made of is its owner's alone"


def signed_anew(place) -> bytes:
    """Another sound certificate, of a copy of the store."""
    copy = shutil.copytree(place.store, place.home / "copy")
    ok(*wanted(place, "--force", "--out", place.home / "anew.json", "--store", copy))
    return (place.home / "anew.json").read_bytes()


def test_proofs_are_made_when_the_pictures_are_gone(place):
    gone, kept, dataset = forgotten(place)
    for name, index in (("mine", gone[0]), ("other", kept[0])):
        np.save(place.home / f"{name}.npy", np.array(dataset.images[index]))
    shutil.rmtree(place.store / "data")
    proof = place.home / "proof.json"
    place.ok("certify", "prove", place.home / "mine.npy", *REQUEST, "--out", proof)
    assert verify(place, *pub(place), "--proof", proof, "--picture", place.home / "mine.npy").code == 0
    place.refused("certify", "prove", place.home / "other.npy", *REQUEST, code=3, says=("no proof",))
    place.refused("certify", "prove", gone[0], *REQUEST, code=3)


def test_a_picture_file_is_decoded_as_the_data_were(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    for split, count in (("train", 60), ("test", 30)):
        for number in range(count):
            path = tmp_path / "pets" / split / f"{'ab'[number % 2]}" / f"{number:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (12, 10, 3), dtype=np.uint8)).save(path)
    store = tmp_path / "store"
    dataset = data.open_dataset(f"folder:{tmp_path / 'pets'}", store, image_size=8, interpolation="bicubic")
    shown = {"height": 8, "width": 8, "channels": 3, "interpolation": "bicubic"}
    for index in (0, 30, 59):
        file = tmp_path / "pets" / dataset.paths[index]
        assert proving.digest_of_file(file, shown) == data.picture_digest(dataset.images[index])
        assert data.index_of(dataset.paths[index], dataset) == index
        assert proving.digest_of_file(file, shown | {"interpolation": "box"}) != data.picture_digest(
            dataset.images[index]
        )
    for wrong in (tmp_path / "no.png", tmp_path / "no.npy"):
        wrong.write_bytes(b"no picture")
        with pytest.raises(UsageFailure, match="cannot use picture"):
            proving.digest_of_file(wrong, shown)
    np.save(tmp_path / "deep.npy", np.zeros((8, 8, 3)))
    with pytest.raises(UsageFailure, match="uint8"):
        proving.digest_of_file(tmp_path / "deep.npy", shown)


def test_the_salt_may_be_kept_elsewhere(place):
    salt = place.home / "salt"
    salt.write_text("5a" * 32 + "\n")
    assert certify(place, "--salt", salt, "--out", place.home / "s.json").code == 0
    assert not [one for one in (place.store / "certificates").iterdir() if b"5a5a5a" in one.read_bytes()]
    gone, _, _ = forgotten(place)
    proof = place.home / "proof.json"
    place.refused("certify", "prove", gone[0], *REQUEST, code=2, says=("kept by its operator",))
    place.ok("certify", "prove", gone[0], *REQUEST, "--salt", salt, "--out", proof)
    assert verify(place, *pub(place), "--proof", proof, cert="s.json").code == 0
    salt.write_text("5b" * 32)
    place.refused("certify", "prove", gone[0], *REQUEST, "--salt", salt, code=2, says=("not the salt",))
    for wrong in ("", "5a" * 31, "zz" * 32):
        salt.write_text(wrong)
        place.refused("certify", "prove", gone[0], *REQUEST, "--salt", salt, code=2, says=("no salt",))


@pytest.mark.slow
def test_two_certificates_of_the_same_pictures_have_nothing_in_common(place):
    assert certify(place, "--force", "--out", place.home / "b.json").code == 0
    first, second = (payload(place.home / name)["predicate"] for name in ("cert.json", "b.json"))
    assert first["commitment"]["root"] != second["commitment"]["root"]
    assert all(first["keyed"][name] != second["keyed"][name] for name in first["keyed"])
    hashes = [set(one["keyed"].values()) for one in (first, second)]
    assert all(not one & other for one, other in combinations(hashes, 2))


def test_the_runs_behind_it_are_made_again(place):
    said = call(
        "certify", "verify", place.home / "cert.json", "--replay", "--store", place.store, *pub(place)
    )
    assert (said.code, said.out.count("every bit the same")) == (0, 2), said
    missing = ("certify", "verify", place.home / "cert.json", "--replay", "--store", place.home / "none")
    refused(*missing, *pub(place), code=3, says=("none",))


def test_a_page_of_it_is_written(place):
    page = place.home / "page.html"
    assert (
        certify(place, "--html", page, "--out", place.home / "p.json", ref=place.home / "clean.pt").code == 0
    )
    text = page.read_text()
    predicate = payload(place.home / "cert.json")["predicate"]
    for said in ("DSR 7", predicate["commitment"]["root"], predicate["policy"]["sha256"], "PASS", "77"):
        assert said in text, said
    assert place.ids["ft"] not in text
    assert forgotten(place)[2].fingerprint not in text


def test_nothing_is_written_over_unasked(place):
    (place.home / "cert.json").write_text("mine")
    before = files(place.store)
    assert certify(place, "--out", place.home / "cert.json", ref=place.home / "clean.pt").code == 2
    assert (place.home / "cert.json").read_text() == "mine"
    assert files(place.store) == before
    refused("certify", "keygen", "--out", place.home / "officer.pem", code=2, says=("never written over",))
    gone, _, _ = forgotten(place)
    place.refused(
        "certify",
        "prove",
        gone[0],
        *REQUEST,
        "--out",
        place.home / "cert.json",
        code=2,
        says=("there already",),
    )
    inside = place.store / "certificates" / "x.json"
    place.refused("certify", place.ids["ft"], *REQUEST, "--key", place.home / "officer.pem", "--out", inside, code=2,
                  says=("belongs to the store",))  # fmt: skip


def wanted(place: Bench, *more: object, ref: object = None, request: str = "DSR 7", key: str = "officer.pem"):
    return ("certify", ref or place.ids["ft"], "--request", request, "--key", place.home / key, *more)


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"request": "DSR 8"}, 3, "DSR 8"),
        ({"ref": "beef"}, 3, "beef"),
        ({"ref": "orig.pt"}, 7, "none of the models"),
        ({"ref": "missing.pt"}, 3, "missing.pt"),
        ({"ref": "policy.toml"}, 2, "policy.toml"),
        ({"ref": "original"}, 2, "did not carry out"),
        ({"ref": "other"}, 2, "was not audited"),
        ({"key": "officer.pub.pem"}, 2, "officer.pub.pem"),
        ({"key": "policy.toml"}, 2, "policy.toml"),
        ({"key": "missing.pem"}, 3, "missing.pem"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(changes, code, says, place):
    (place.home / "policy.toml").chmod(0o600)
    if (ref := changes.get("ref")) and ref != "beef":
        changes = changes | {"ref": place.ids.get(ref, place.home / ref)}
    place.refused(*wanted(place, **changes), code=code, says=(says,))


def test_a_foreign_or_expired_policy_is_refused(place, monkeypatch):
    foreign = place.home / "foreign.toml"
    foreign.write_text(POLICY + "\n")
    place.refused(*wanted(place, "--policy", foreign, "--force"), code=2, says=("not the one in force",))
    assert certify(place, "--policy", place.home / "policy.toml", "--force").code == 0
    refused(
        "certify", "verify", place.home / "cert.json", "--policy", foreign, code=7, says=("not the policy",)
    )
    foreign.write_text(POLICY.replace("2099", "2020"))
    place.refused("certify", "policy", foreign, code=2, says=("expired on 2020-12-31",))
    foreign.write_text(POLICY.replace("tolerance", "tolerence"))
    place.refused("certify", "policy", foreign, code=2, says=("tolerance",))


def test_a_policy_that_has_expired_since_signs_nothing(place, monkeypatch):
    from datetime import UTC, datetime

    from deepunlearn_cli.cli import certifying

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2100, 1, 1, tzinfo=UTC)

    monkeypatch.setattr(certifying, "datetime", Later)
    place.refused(*wanted(place, "--force"), code=2, says=("expired on 2099-12-31",))


@pytest.mark.slow
def test_figures_that_were_known_are_held_against_no_later_policy(place):
    stricter = place.home / "stricter.toml"
    stricter.write_text(POLICY.replace("0.45", "0.44"))
    place.ok("certify", "policy", stricter)
    assert certify(place, "--force").code == 0, "the policy in force when it was audited still stands"
    place("attack", "umia", place.ids["ft"], "--tolerance", "0.44", "--metric", "accuracy,auc")
    place.refused(*wanted(place, "--policy", stricter, "--force"), code=2, says=("not the one in force",))


@pytest.mark.slow
def test_an_audit_by_another_rule_is_none(place):
    assert place("attack", "umia", place.ids["other"]).lines
    lines = place.refused(*wanted(place, ref=place.ids["other"]), code=2, says=("as the policy asks",))
    command = lines.splitlines()[-1].removeprefix("hint: deepunlearn ").split()
    place.ok(*command, "--accept-uninformative")
    assert certify(place, ref=place.ids["other"]).code == 0


@pytest.mark.slow
def test_what_does_not_meet_the_policy_is_told_with_its_code(tmp_path):
    made, ids = base()
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    place = Bench(tmp_path, ids)
    (place.home / "strict.toml").write_text(POLICY.replace("forget = 50", "forget = 500"))
    place.ok("certify", "policy", place.home / "strict.toml")
    (run,) = place.ok(
        "unlearn", "--method", "ft", "--ckpt", ids["original"], "-p", "epochs=2", "--request", "B", "-q"
    ).lines
    place.refused(*wanted(place, ref=run, request="B"), code=2, says=("was not audited",))
    place.ok("attack", "umia", run, *RULE)
    place.refused(*wanted(place, ref=run, request="B"), code=5, says=("77 forget pictures",))


@pytest.mark.parametrize("damage", ["truncated", "empty", "gone", "of another model", "ledger"])
def test_a_check_of_something_else_is_told_so(damage, place):
    cert = place.home / "cert.json"
    text = cert.read_bytes()
    more: tuple[object, ...] = pub(place)
    if damage in ("truncated", "empty"):
        cert.write_bytes(text[: len(text) // 2] if damage == "truncated" else b"")
    elif damage == "gone":
        cert.unlink()
    elif damage == "of another model":
        more = (*more, "--ckpt", place.home / "orig.pt")
    else:
        lines = (place.store / "ledger.jsonl").read_bytes().splitlines(keepends=True)
        (place.home / "l.jsonl").write_bytes(b"".join(lines[:2]))
        more = (*more, "--ledger", place.home / "l.jsonl")
    code = {"truncated": 2, "empty": 2, "gone": 3}.get(damage, 7)
    refused("certify", "verify", cert, *more, code=code)


STEPS = (
    ("deepunlearn_cli.evidence.shelf", "_put", 1),
    ("deepunlearn_cli.evidence.shelf", "_put", 2),
    ("deepunlearn_cli.store.ledger", "flush", 1),
    ("deepunlearn_cli.cli.certified", "write_whole", 0),
)


def die(module: str, name: str, times: int) -> None:
    """Have this process killed right after so many calls of a function, or before the first."""
    holder, done = importlib.import_module(module), []
    work = getattr(holder, name)

    def last(*given, **more):
        done.append(work(*given, **more) if times else None)
        if len(done) >= times:
            os.kill(os.getpid(), signal.SIGKILL)
        return done[-1]

    setattr(holder, name, last)


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(one, id=f"{one[1]}-{one[2]}", marks=() if one[1] == "flush" else pytest.mark.slow)
        for one in STEPS
    ],
)
def test_a_kill_loses_nothing_and_the_same_command_completes(step, place):
    kept = place.home / "k.json"
    (_, *words) = ("", *wanted(place, "--out", kept, "--store", place.store))
    child = Child(*words, cwd=place.home, work=partial(die, *step))
    assert child.wait().code == -signal.SIGKILL
    assert not kept.exists()
    assert place.clean()
    assert certify(place, "--out", kept).code == 0
    assert verify(place, *pub(place), cert="k.json").code == 0
    given = [one.details["certificate"] for one in Ledger(place.store).entries() if one.event == "certified"]
    assert len(given) == 2, "one before, and one for this"
    assert all((place.store / "certificates" / f"{digest}.json").exists() for digest in given)


@pytest.mark.slow
def test_of_requests_that_follow_each_other_all_are_named_and_asked_about(place):
    pytest.importorskip("deepunlearn_cli.checkpoints.following")
    gone, _, _ = forgotten(place)
    second = ("--ckpt", place.ids["ft"], "--forget", "random:0.3:9")
    place.ok("unlearn", *second, "--method", "retrain", "-q")
    (run,) = place.ok(
        "unlearn", *second, "--method", "ft", "-p", "epochs=1", "--request", "DSR 8", "-q"
    ).lines
    own = place.store / "ledger.jsonl"
    place.ok("attack", "umia", run, *RULE, "--forget", "random:0.3:9")
    place.refused(*wanted(place, ref=run, request="DSR 8"), code=2, says=("umia/request 1",))
    place("attack", "umia", run, *RULE)
    assert (
        place(
            "certify",
            run,
            "--request",
            "DSR 8",
            "--key",
            place.home / "officer.pem",
            "--out",
            place.home / "b.json",
        ).code
        == 0
    )
    predicate = payload(place.home / "b.json")["predicate"]
    assert predicate["earlier"] == [{"number": 1, "requests": ["DSR 7"], "pictures": 77, "method": "ft"}]
    assert sorted(predicate["audits"]) == ["umia", "umia/all requests"]
    assert sorted(predicate["earlier_audits"]) == ["umia/request 1"]
    assert predicate["with_earlier"]["size"] == 77 + predicate["commitment"]["size"]
    both = (place.home / "cert.json", place.home / "b.json", "--ledger", own)
    assert call("certify", "verify", *both, *pub(place)).code == 0
    named, proof = ("--request", "DSR 8"), place.home / "proof.json"
    place.refused("certify", "prove", gone[0], *named, code=3, says=("no proof can be made",))
    place.ok("certify", "prove", gone[0], *named, "--all-requests", "--out", proof)
    said = verify(place, *pub(place), "--proof", proof, cert="b.json")
    assert (said.code, "this request and those before" in said.out) == (0, True)
