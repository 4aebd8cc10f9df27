"""Policies: what one asks, what is none, and which one holds when."""

from __future__ import annotations

from datetime import date

import pytest
from evidence_kit import row

from deepunlearn_cli.core.errors import ExitCode, Failure, NotFound, UsageFailure
from deepunlearn_cli.evidence import policy, standing, terms
from deepunlearn_cli.evidence.standing import Seen
from deepunlearn_cli.store.ledger import AUDITED, CERTIFIED, POLICY, RECEIVED, UNLEARNED, Ledger

TEXT = """
name = "Deletion requests"
expires = 2099-12-31

[attacks.umia]
tolerance = 0.05

[attacks.ks]
tolerance = 0.1
metrics = ["auc"]
against = "val"

[sizes]
forget = 100

[accuracy_lost]
TA = 0.02
"""


def of(text: str) -> policy.Policy:
    return policy.parsed(text.encode(), "p.toml")


def test_a_policy_is_read():
    made = of(TEXT)
    assert (made.name, made.expires, made.forget, made.unseen) == (
        "Deletion requests",
        date(2099, 12, 31),
        100,
        1,
    )
    assert (made.retrained, made.accept_uninformative) == (True, False)
    assert made.attacks["umia"].rule.metrics == ("accuracy", "auc", "tpr_1", "tpr_1_below")
    assert (made.attacks["ks"].rule.metrics, made.attacks["ks"].rule.tolerance) == (("auc",), 0.1)
    assert made.attacks["ks"].attack.against == "val"
    assert made.lost == {"TA": 0.02}


def test_it_is_known_by_every_byte_and_committed_with_something_that_nobody_can_guess():
    made = of(TEXT)
    assert of(TEXT + "\n").digest != made.digest
    first, second = policy.committed(made), policy.committed(made)
    assert first["nonce"] != second["nonce"]
    assert len(bytes.fromhex(first["nonce"])) == 32
    assert policy.parsed(first["text"].encode(), "ledger") == made or of(first["text"]).digest == made.digest


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("name =", "nam ="), "name"),
        (("2099-12-31", "soon"), "no policy"),
        (("2099-12-31", '"2099-12-31"'), "not a day"),
        (("2099-12-31", "2099-12-31T00:00:00"), "not a day"),
        (("expires = 2099-12-31", ""), "not a day"),
        (("[attacks.umia]", "[attacks.umai]"), "umai"),
        (("tolerance = 0.05", "tolerance = 0.5"), "0.5"),
        (("tolerance = 0.05", "tolerance = true"), "tolerance"),
        (("tolerance = 0.05", ""), "tolerance"),
        (("tolerance = 0.05", "tolerance = nan"), "tolerance"),
        (('["auc"]', '["auk"]'), "auk"),
        (('["auc"]', '"auc"'), "metrics"),
        (('against = "val"', 'against = "vall"'), "vall"),
        (('against = "val"', "againts = 1"), "againts"),
        (("forget = 100", "forget = -1"), "forget"),
        (("forget = 100", "forgotten = 1"), "forgotten"),
        (("TA = 0.02", "TA = 2"), "TA"),
        (("TA = 0.02", "TB = 0.02"), "TB"),
        (("[sizes]", "[size]"), "size"),
        (("[sizes]", "retrained = 1\n[sizes]"), "retrained"),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused_by_its_key(change, says):
    assert change[0] in TEXT
    with pytest.raises(UsageFailure, match=says) as error:
        of(TEXT.replace(*change, 1))
    assert error.value.hint
    assert "\n" not in error.value.message


@pytest.mark.parametrize("text", ["", "name = 1", 'name = "x"\nexpires = 2099-01-01\n[attacks]', "\0", "= ="])
def test_neither_is_something_else(text):
    with pytest.raises(UsageFailure):
        of(text)
    with pytest.raises(UsageFailure):
        policy.parsed(b"\xff" + text.encode(), "p.toml")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(NotFound, match="no policy file"):
        policy.read(tmp_path / "p.toml")


def test_it_holds_until_its_last_day():
    made = of(TEXT)
    made.check_day(date(2099, 12, 31))
    with pytest.raises(UsageFailure, match="expired on 2099-12-31"):
        made.check_day(date(2100, 1, 1))


MET = {"tolerance": 0.05, "n_forget": 100, "n_unseen": 1}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"verdict": "FAIL"}, ExitCode.AUDIT_FAIL),
        ({"verdict": "INCONCLUSIVE"}, ExitCode.AUDIT_INCONCLUSIVE),
        ({"verdict": "INCONCLUSIVE", "needed": None}, ExitCode.AUDIT_INCONCLUSIVE),
        ({"uninformative": True, "do_nothing": "PASS"}, ExitCode.AUDIT_INCONCLUSIVE),
        ({"uninformative": False, "do_nothing": None}, ExitCode.AUDIT_INCONCLUSIVE),
        ({"do_nothing": "INCONCLUSIVE"}, None),
        ({"reference": "holdout"}, ExitCode.AUDIT_INCONCLUSIVE),
        ({"n_forget": 99}, ExitCode.AUDIT_INCONCLUSIVE),
    ],
)  # fmt: skip
def test_an_audit_meets_its_policy_or_is_told_where_not(changes, code):
    found = None
    try:
        terms.check_audit(of(TEXT), "umia", row(**MET | changes), exact=False)
    except Failure as failure:
        found = failure.code if failure.hint else "no hint"
    assert found == code


def test_a_policy_may_ask_for_less():
    lax = of(TEXT.replace("[attacks.umia]", "retrained = false\naccept_uninformative = true\n[attacks.umia]"))
    terms.check_audit(
        lax, "umia", row(**MET, uninformative=True, do_nothing="PASS", reference="holdout"), exact=False
    )


def test_a_model_that_was_trained_anew_is_its_own_control():
    terms.check_audit(of(TEXT), "umia", row(**MET, do_nothing=None, reference="holdout"), exact=True)
    with pytest.raises(Failure):
        terms.check_audit(of(TEXT), "umia", row(**MET | {"verdict": "FAIL"}), exact=True)


@pytest.mark.parametrize(
    ("lost", "code"), [({"TA": 0.02}, None), ({"TA": -0.3}, None), ({"TA": 0.021}, 4), ({}, 5)]
)
def test_accuracy_may_be_lost_up_to_a_limit(lost, code):
    found = None
    try:
        terms.check_accuracy(of(TEXT), lost)
    except Failure as failure:
        found = failure.code
    assert found == code


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path)


def test_the_policy_in_force_is_the_last_one_that_an_audit_saw(ledger):
    received = ledger.append("R", RECEIVED, {"received": None})
    first = ledger.append("", POLICY, policy.committed(of(TEXT)))
    between = ledger.append("R", UNLEARNED, {"runs": ["a"]})
    second = ledger.append("", POLICY, policy.committed(of(TEXT + "\n")))
    entries = ledger.entries()
    known = [standing.in_force(entries, Seen(one.number)) for one in (received, first, between, second)]
    assert known == [None, first, first, second]
    assert standing.policy_at(entries, Seen(3), "it")[1].digest == of(TEXT).digest
    for number in (0, 1):
        with pytest.raises(UsageFailure, match="no policy had been committed when it was made") as error:
            standing.policy_at(entries, Seen(number), "it")
        assert "unlearn again" in error.value.hint


def test_when_a_run_was_made_goes_by_the_ledger_and_by_no_clock(ledger):
    first = ledger.append("", POLICY, policy.committed(of(TEXT)))
    second = ledger.append("R", RECEIVED, {})
    entries = ledger.entries()
    for seen, number in ((first.digest, 1), (second.digest, 2), ("0" * 64, 0)):
        assert standing.made_after({"ledger": {"number": 7, "sha256": seen}}, entries) == Seen(number)
    for facts in ({}, {"ledger": None}, {"ledger": "x"}, {"ledger": {}}):
        assert standing.made_after(facts, entries) == Seen(0)


def test_a_policy_was_not_in_force_in_a_store_that_had_none_before_a_merge(ledger, tmp_path, monkeypatch):
    moments = iter(f"2026-11-{day:02}T10:00:00Z" for day in range(1, 20))
    monkeypatch.setattr("deepunlearn_cli.store.ledger.now", lambda: next(moments))
    theirs = Ledger(tmp_path / "theirs")
    theirs.root.mkdir()
    asked = theirs.append("R", RECEIVED, {"received": None})  # then it is audited
    late = ledger.append("", POLICY, policy.committed(of(TEXT)))
    ledger.bring(theirs.entries())
    entries = ledger.entries()
    seen = standing.made_after({"ledger": {"number": 1, "sha256": asked.digest}}, entries)
    assert standing.in_force(entries, seen) is None
    own = standing.made_after({"ledger": {"number": 2, "sha256": entries[-1].digest}}, entries)
    assert standing.in_force(entries, own) == late
    known = theirs.append("", POLICY, policy.committed(of(TEXT)))
    ledger.bring(theirs.entries())
    entries = ledger.entries()
    after = standing.made_after({"ledger": {"number": 2, "sha256": known.digest}}, entries)
    assert standing.in_force(entries, after) == entries[-1]


def test_a_request_came_and_was_carried_out_when_its_own_store_says(ledger, tmp_path, monkeypatch):
    theirs = Ledger(tmp_path / "theirs")
    theirs.root.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr("deepunlearn_cli.store.ledger.now", lambda: "2025-02-03T10:00:00Z")
        theirs.append("\u00e9", RECEIVED, {"received": None})
        theirs.append("\u00e9", UNLEARNED, {"runs": ["a"]})
    ledger.bring(theirs.entries())
    found = standing.standing(ledger.entries(), "e\u0301")  # as another keyboard writes it
    assert found.request.received == "2025-02-03T10:00:00Z"
    assert {one["at"] for one in found.events} == {"2025-02-03T10:00:00Z"}


def test_what_the_ledger_has_of_a_request(ledger):
    ledger.append("R", RECEIVED, {"received": "2026-11-01"})
    with pytest.raises(UsageFailure, match="nothing was unlearned for request 'R'"):
        standing.standing(ledger.entries(), "R")
    ledger.append("R", UNLEARNED, {"runs": ["a", "b"]})
    ledger.append("R", AUDITED, {"run": "a", "attacks": ["x", "control"]})
    ledger.append("R", AUDITED, {"run": "b", "attacks": ["y", "control"]})
    ledger.append("Q", CERTIFIED, {"certificate": "c" * 64})
    found = standing.standing(ledger.entries(), "R")
    assert (found.request.received, found.runs) == ("2026-11-01", ["a", "b"])
    assert [standing.attack_of(one) for one in found.audits_of("a")] == ["x"]
    assert [one["event"] for one in found.events] == [RECEIVED, UNLEARNED, AUDITED, AUDITED]
    assert standing.previous(found.entries) == "c" * 64
    with pytest.raises(NotFound, match="unknown request 'S'"):
        standing.standing(ledger.entries(), "S")
