"""Deletion requests on the command line: recorded once, audited by themselves, listed, and never edited."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cli_kit
import pytest

from deepunlearn_cli.checkpoints import requested
from deepunlearn_cli.cli.requests import request_row
from deepunlearn_cli.store import Store
from deepunlearn_cli.store.ledger import HEAD, Ledger
from deepunlearn_cli.store.requests import of_audit, requests_of

ID = "DSR-2026/117 ü"
FT = ("-p", "epochs=1")


@pytest.fixture
def place(tmp_path) -> cli_kit.Bench:
    return cli_kit.bench(tmp_path)


@pytest.fixture
def asked(place) -> cli_kit.Bench:
    """With one request, carried out by a run that was there before."""
    place.ok(
        "unlearn", "--method", "ft", "--ckpt", place.orig, *FT,
        "--request", ID, "--received", "2025-02-03", "--note", "by post",
    )  # fmt: skip
    return place


def entries(place: cli_kit.Bench) -> list[tuple[str, str]]:
    return [(one.request, one.event) for one in Ledger(place.store).entries()]


def test_a_request_is_recorded_with_its_runs_and_no_names(asked):
    assert entries(asked) == [(ID, "received"), (ID, "unlearned")]
    received, unlearned = (one.details for one in Ledger(asked.store).entries())
    run = asked.runs(kind="unlearn", name="ft")[0]
    assert (received["received"], received["note"]) == ("2025-02-03", "by post")
    assert received["models"] == [asked.ids["original"]]
    assert unlearned["runs"] == [asked.ids["ft"]]
    assert (unlearned["method"], unlearned["ckpt"]) == ("ft", asked.ids["original"])
    assert unlearned["forget"] == received["forget"] == {"count": 123, "sha256": run["forget"]}
    place = asked.store / "runs" / asked.ids["ft"][:2] / asked.ids["ft"]
    sealed = json.loads((place / "manifest.json").read_text("utf-8"))
    assert unlearned["weights"] == sealed["files"]["weights.safetensors"]["sha256"]
    assert "random:0.1" not in (asked.store / "ledger.jsonl").read_text("utf-8")


def test_the_same_command_again_adds_nothing(asked):
    before = (asked.store / "ledger.jsonl").read_bytes()
    words = ("unlearn", "--method", "ft", "--ckpt", asked.orig, *FT, "--request", ID)
    asked.ok(*words)
    asked.ok(*words, "--note", "by post", "--received", "2025-02-03")
    assert (asked.store / "ledger.jsonl").read_bytes() == before
    asked.ok(*words, "--note", "second thoughts")
    assert entries(asked)[2:] == [(ID, "unlearned")]


def test_a_second_method_belongs_to_the_same_request(asked):
    asked.ok("unlearn", "--method", "ga,do-nothing", "--ckpt", asked.orig, *FT, "--request", ID)
    (row,) = asked.ok("requests", "--json").json
    assert [run["method"] for run in row["runs"]] == ["ft", "ga"]  # doing nothing is no answer


def test_a_dry_run_records_nothing_and_refuses_all_the_same(asked):
    words = ("unlearn", "--method", "ga", "--ckpt", asked.orig, "--dry-run", "--request")
    asked.ok(*words, "other")
    assert len(entries(asked)) == 2
    words = (*words, ID, "--forget", "class:3", "--store", asked.store)
    cli_kit.refused(*words, code=2, says=("another forget set",))
    assert len(entries(asked)) == 2


def test_other_pictures_and_other_models_are_refused(asked):
    words = ("unlearn", "--method", "ft", *FT, "--request", ID, "--store", asked.store)
    said = cli_kit.refused(
        *words, "--ckpt", asked.orig, "--forget", "class:3", code=2, says=("another forget",)
    )
    assert re.search("deepunlearn requests (--store [^ ]+ )?'DSR-2026/117 ü'", said)
    (other,) = asked.ok(*cli_kit.TRAIN, "--seeds", "1", "-q").lines
    more = ("--ckpt", other, "--forget", "random:0.1")
    cli_kit.refused(*words, *more, code=2, says=("another model",))
    cli_kit.refused(*words, "--ckpt", asked.orig, "--received", "2025-02-04", code=2, says=("2025-02-03",))
    assert len(entries(asked)) == 2


BAD = [
    ("--request", ""),
    ("--request", "  "),
    ("--request", "a\nb"),
    ("--request", "a\x1b[31mb"),
    ("--request", "a\u202eb"),
    ("--request", " a"),
    ("--request", "x" * 101),
    ("--request=-a",),
    ("--request", "\udcff"),
    ("--request", "a", "--received", "yesterday"),
    ("--request", "a", "--received", "2025-02-30"),
    ("--request", "a", "--received", "2999-01-01"),
    ("--request", "a", "--received", "0001-01-01T00:00+23:59"),
    ("--request", "a", "--received", ""),
    ("--request", "a", "--note", "two\nlines"),
    ("--request", "a", "--note", "n" * 1001),
    ("--received", "2025-02-03"),
    ("--note", "of nothing"),
]


@pytest.mark.parametrize("words", BAD, ids=lambda words: " ".join(map(ascii, words))[:50])
def test_what_is_no_request_is_refused_before_anything_is_made(place, words):
    said = place.refused("unlearn", "--method", "ft", "--ckpt", place.orig, *words, code=2)
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert not (place.store / "ledger.jsonl").exists()


def test_doing_nothing_and_several_forget_sets_are_no_answer(place, tmp_path):
    words = ("unlearn", "--ckpt", place.orig, "--request", "r")
    place.refused(*words, "--method", "do-nothing", code=2, says=("doing nothing",))
    place.ok(*cli_kit.TRAIN, "--seeds", "2", "--forget", "class:3", "--out", tmp_path / "two.pt", "-q")
    words = (*words, "--ckpt", tmp_path / "two.pt", "--method", "ft", "--store", place.store)
    cli_kit.refused(*words, code=2, says=("one forget set",))


@pytest.mark.slow
def test_verdicts_are_recorded_once_each_by_the_attacks_themselves(asked):
    asked.ok("unlearn", "--method", "retrain", "--ckpt", asked.orig, "-q")
    said = asked.ok("attack", "umia", asked.ids["ft"], asked.ids["ga"])
    assert f"request {ID}: audited" in said.err
    asked("attack", "umia", asked.ids["ft"], "-q")
    assert entries(asked)[2:] == [(ID, "audited")]
    details = requests_of(Ledger(asked.store).entries())[ID].entries[-1].details
    assert details["run"] == asked.ids["ft"]
    assert details["attacks"][0] == asked.ids["umia"]
    assert len(details["attacks"]) == 3  # the retrained model, and doing nothing
    assert (details["tolerance"], details["attack"], details["reference"]) == (0.05, "umia", "retrained")
    assert details["verdict"] in ("PASS", "FAIL", "INCONCLUSIVE")
    assert details["do_nothing"]
    assert len(details["figures"]) == len(details["metrics"])
    asked("attack", "umia", asked.ids["ft"], "--tolerance", "0.4", "-q")
    asked("attack", "ks", asked.ids["ft"], "-q")
    assert entries(asked)[3:] == [(ID, "audited")] * 2


def test_a_wider_tolerance_does_not_take_a_fail_away(asked):
    asked("attack", "umia", asked.ids["ft"], "--tolerance", "0.0001", "-q")
    asked("attack", "umia", asked.ids["ft"], "--tolerance", "0.49", "-q")
    (row,) = asked.ok("requests", "--json").json
    (run,) = row["runs"]
    verdicts = [one["verdict"] for one in run["audits"]]
    assert len(verdicts) == 2
    assert run["verdict"] == min(verdicts, key=["FAIL", "INCONCLUSIVE", "PASS"].index)


def test_an_audit_is_recorded_again_where_the_ledger_says_something_else_last(tmp_path):
    store, said = Store.open(tmp_path / "store", create=True), []
    book = Ledger(store.root)
    entry(book, "a", "received")
    entry(book, "a", "unlearned", runs=["f" * 16])

    def audit(verdict: str) -> int:
        row = {"id": "e" * 16, "target": "f" * 16, "method": "ft", "forget": "a" * 64, "verdict": verdict,
               "tolerance": 0.05}  # fmt: skip
        said.extend(requested.audited(store, "umia", ["auc"], [row]))
        return len(book.entries())

    assert [audit(one) for one in ("PASS", "PASS", "FAIL", "PASS", "PASS")] == [3, 3, 4, 5, 5]
    entry(book, "a", "unlearned", runs=["f" * 16], note="second thoughts")
    assert audit("PASS") == 7
    assert requests_of(book.entries())["a"].state == "audited"
    assert len(said) == 6


def test_requests_lists_and_shows(asked):
    assert asked.ok("requests").lines == [ID]
    (row,) = asked.ok("requests", "--json").json
    assert (row["schema"], row["request"], row["state"]) == ("deepunlearn.request/1", ID, "unlearned")
    assert row["age_days"] >= 0
    shown = asked.ok("requests", ID)
    assert [line.split("\t")[2] for line in shown.lines] == ["event", "received", "unlearned"]
    piped = asked.ok("requests", "-", "--json", input=asked.ok("requests").out)
    assert [one["event"] for one in piped.json] == ["received", "unlearned"]
    assert piped.json[0]["sha256"] == piped.json[1]["previous"]


def test_requests_are_filtered(asked):
    asked.ok("unlearn", "--method", "ft", "--ckpt", asked.orig, *FT, "--request", "new")
    assert asked.ok("requests", "--state", "unlearned").lines == [ID, "new"]
    assert asked.ok("requests", "--state", "received,purged").lines == []
    assert asked.ok("requests", "--older-than", "0").lines == [ID]
    asked.refused("requests", "--state", "auditd", code=2, says=("audited",))
    asked.refused("requests", ID, "--state", "audited", code=2)
    asked.refused("requests", "--names", code=2)
    asked.refused("requests", "neww", code=3, says=("did you mean new",))


def test_pictures_are_named_only_when_asked(asked):
    named = asked.ok("requests", ID, "--names", "--json").json
    pictures = [one for one in named if one["schema"] == "deepunlearn.request-picture/1"]
    assert len(pictures) == 123
    assert {"index", "number", "class", "path"} <= set(pictures[0])
    forget = asked.runs(kind="unlearn", name="ft")[0]["forget"]
    (asked.store / "data" / "forget" / f"{forget}.npz").unlink()
    assert "no forget set" in cli_kit.refused("requests", ID, "--names", "--store", asked.store, code=3)


def test_a_store_without_requests_says_so(place):
    said = place.ok("requests")
    assert said.out == ""
    assert "unlearn --request ID" in said.err
    assert place.ok("requests", "--head").out == "0" * 64 + "\n"


@pytest.mark.slow
def test_tables_fit_a_terminal(asked):
    asked("attack", "umia", asked.ids["ft"], "-q")
    for words in ((), (ID,)):
        code, out, _ = cli_kit.on_terminal(
            "requests", *words, "--store", asked.store, cwd=asked.home, width=100
        )
        assert code == 0
        assert ID in out
        assert "INCONCLUSIVE" in out


def damage(place: cli_kit.Bench, keep) -> None:
    path = place.store / "ledger.jsonl"
    path.write_bytes(b"".join(keep(path.read_bytes().splitlines(keepends=True))))


def heads(place: cli_kit.Bench) -> None:
    """Make the head fit the lines, as who covers something up would."""
    lines = (place.store / "ledger.jsonl").read_bytes().splitlines()
    if lines:
        import hashlib

        head = {"number": len(lines), "sha256": hashlib.sha256(lines[-1]).hexdigest()}
        (place.store / HEAD).write_text(json.dumps(head), "utf-8")
    else:
        (place.store / HEAD).unlink()


@pytest.mark.parametrize(
    "keep", [lambda those: those[:1], lambda those: those[1:], lambda those: [*those, b"{}\n"]]
)
def test_a_changed_ledger_is_corrupt_and_verify_says_where(asked, keep):
    assert asked.clean()
    damage(asked, keep)
    said = asked("verify", "--json")
    assert said.code == 7
    assert said.json[0]["file"] == "ledger.jsonl"
    for words in (("requests",), ("requests", "--head"), ("attack", "umia", asked.ids["ft"])):
        cli_kit.refused(*words, "--store", asked.store, code=7, says=("ledger",))
    words = ("unlearn", "--method", "ft", "--ckpt", asked.orig, *FT)
    cli_kit.refused(*words, "--request", "new", "--store", asked.store, code=7)
    asked.ok(*words)  # nothing to do with requests


@pytest.mark.parametrize("keep", [lambda those: those[:1], lambda those: []])
def test_a_cut_ledger_with_a_head_made_to_fit_is_missed_by_the_runs_that_saw_it(asked, keep):
    kept = asked.ok("requests", "--head").out.strip()
    (made,) = asked.ok("unlearn", "--method", "ct", "--ckpt", asked.orig, "-p", "epochs=1", "-q").lines
    assert asked.ok("verify", "--head", kept).code == 0
    damage(asked, keep)
    heads(asked)
    said = asked("verify", "--json")
    assert (said.code, [one["id"] for one in said.json]) == (7, [made])
    assert asked("verify", "--head", kept).code == 7
    asked.ok("prune", made, "--yes", "-q")
    assert asked("verify").code == 0  # whom nobody saw, nobody misses: so a head is kept elsewhere
    said = asked("verify", "--head", kept[:20])
    assert (said.code, kept[:20] in said.out) == (7, True)
    asked.refused("verify", "--head", "xyz", code=2)
    asked.refused("verify", asked.ids["ft"], "--head", kept, code=2)


def test_prune_keeps_the_evidence(asked):
    asked("attack", "umia", asked.ids["ft"], "-q")
    for named in (asked.ids["ft"], asked.ids["umia"]):
        both = (asked.ids["ft"], asked.ids["umia"]) if named == asked.ids["ft"] else (named,)
        asked.refused("prune", *both, "--yes", code=2, says=("evidence of request", "--requested"))
    asked.ok("prune", asked.ids["ft"], asked.ids["umia"], "--yes", "--requested")
    assert asked.clean()
    assert asked.ok("requests").lines == [ID]
    asked.ok("unlearn", "--method", "ft", "--ckpt", asked.orig, *FT, "--request", ID, "-q")
    assert asked.runs(name="ft")[0]["id"] == asked.ids["ft"]
    (asked.store / ".ledger.lock").touch()
    assert "1 leftovers" in asked("verify").err
    asked.ok("prune", "--leftovers", "-q")
    assert not (asked.store / ".ledger.lock").exists()


@pytest.fixture
def other(tmp_path) -> Path:
    folder = tmp_path / "other"
    cli_kit.ok("train", "--dataset", "digits", "--model", "resnet-tiny", "--dry-run", "--store", folder)
    return folder


def test_a_merge_brings_the_ledger_once_with_where_it_stood(asked, other):
    (made,) = asked.ok("unlearn", "--method", "ct", "--ckpt", asked.orig, "-p", "epochs=1", "-q").lines
    assert "2 lines" in cli_kit.ok("store", "merge", asked.store, made, "--dry-run", "--store", other).err
    cli_kit.ok("store", "merge", asked.store, made, "--store", other)
    assert cli_kit.ok("verify", "--store", other).code == 0  # its head is known here
    kept = asked.ok("requests", "--head").out.strip()
    assert cli_kit.ok("verify", "--head", kept, "--store", other).code == 0
    cli_kit.ok("store", "merge", asked.store, "--store", other)
    assert [one.event for one in Ledger(other).entries()] == ["received", "unlearned"]
    (row,) = cli_kit.ok("requests", "--json", "--store", other).json
    (here,) = asked.ok("requests", "--json").json
    assert row["unlearned"] == here["unlearned"]
    said = cli_kit.ok("store", "diff", asked.store, "--store", other)
    assert "2 in both, 0 only here, 0 only there" in said.err
    asked.ok("store", "merge", other)
    assert len(entries(asked)) == 2


def test_a_merge_refuses_one_id_for_two_requests(asked, other):
    cli_kit.ok(
        *cli_kit.TRAIN, "--forget", "class:3", "--out", other.parent / "two.pt", "--store", other, "-q"
    )
    words = ("unlearn", "--method", "ft", *FT, "--ckpt", other.parent / "two.pt", "--store", other)
    cli_kit.ok(*words, "--request", ID, "-q")
    before = cli_kit.files(asked.store)
    asked.refused("store", "merge", other, code=2, says=("other pictures", "--store"))
    assert cli_kit.files(asked.store) == before


def entry(book: Ledger, name: str, event: str, **details: object) -> None:
    forget = {"count": 2, "sha256": name * 64}
    about = {"forget": forget, "models": ["m"]} if event == "received" else {}
    book.append(name, event, {**about, **details})


def test_an_audit_goes_to_the_request_whose_pictures_it_is_of(tmp_path):
    book = Ledger(tmp_path)
    for name, run in (("a", "first"), ("b", "second")):
        entry(book, name, "received")
        entry(book, name, "unlearned", runs=[run], method="ft", ckpt="m")
    made = book.entries()
    of = {
        sha: [one.id for one in of_audit(made, ["second", "first"], sha)] for sha in ("a" * 64, "b" * 64, "c")
    }
    assert of == {"a" * 64: ["a"], "b" * 64: ["b"], "c": ["b"]}  # both together: the newest's
    assert of_audit(made, ["other"], "a" * 64) == []
    entry(book, "a", "audited", run="second", method="ft", attack="umia", verdict="FAIL", forget="a" * 64)
    request = requests_of(book.entries())["a"]
    assert (request.state, request.later, request.verdict("second")) == ("audited", ["second"], "FAIL")
    assert [run["later"] for run in request_row(request)["runs"]] == [False, True]


def test_states_go_on_and_begin_anew_with_a_new_model(tmp_path):
    book, states = Ledger(tmp_path), []
    steps = ("received", "unlearned", "audited", "certified", "audited", "purged", "audited", "unlearned")
    for number, event in enumerate(steps):
        entry(book, "a", event, runs=[str(number)], method="ft", ckpt="m")
        states.append(requests_of(book.entries())["a"].state)
    assert states == [*steps[:4], "certified", "purged", "purged", "unlearned"]
