"""Class removal: the attack within a class, what a removed class is called, and its table."""

from __future__ import annotations

import numpy as np
import pytest
from cli_kit import ok, small_npz
from outputs_kit import outputs
from synthetic import attack, joined, run, width

from deepunlearn_cli.attacks.umia import UMIA
from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.evaluation.removal import Removal, distance, removals
from deepunlearn_cli.reporting.removed_classes import class_tables

CLASSES = 4


def part(labels, called=None, seed=0):
    """Outputs whose largest logit is at `called`."""
    labels = np.asarray(labels)
    logits = np.random.default_rng(seed).normal(size=(len(labels), CLASSES)).astype(np.float32)
    logits[np.arange(len(labels)), labels if called is None else called] += 20
    return {"logits": logits, "labels": labels, "index": np.arange(len(labels))}


def removed(forget=(2,) * 30, retain=(0, 1, 3) * 20, called=None):
    test = np.tile(np.arange(CLASSES), 25)
    return {"forget": part(forget), "retain": part(retain), "test": part(test, called, seed=1)}


def attacked(data, **params):
    return UMIA(**params).run({"target": lambda: data}, 0)


def test_unseen_samples_of_the_class_are_its_test_pictures():
    data = removed()
    found = attacked(data, against="class")
    assert found.scores["n"] == 25
    assert set(found.parts["against"]["label"]) == {2}
    assert set(found.parts["against"]["index"]) == set(np.flatnonzero(data["test"]["labels"] == 2))
    assert not found.warnings


def test_against_class_is_against_test_where_all_test_pictures_are_of_it():
    data = removed()
    data["test"] = {name: array[data["test"]["labels"] == 2] for name, array in data["test"].items()}
    one, other = attacked(data, against="class"), attacked(data, against="test")
    assert one.scores == other.scores
    assert other.warnings


def test_a_class_against_all_classes_is_warned_of():
    [warning] = attacked(removed()).warnings
    assert "whole classes are forgotten" in warning
    assert "--against class" in warning
    assert not attacked(removed(retain=(0, 1, 2, 3) * 20)).warnings
    assert not attacked(outputs()).warnings  # saved scores do not tell what was retained


def test_too_few_pictures_of_the_class_are_refused():
    data = removed()
    data["test"] = part([0, 1, 2, 3] * 5)
    with pytest.raises(UsageFailure, match="class has 5"):
        attacked(data, against="class")


def test_the_draw_is_the_same_for_every_model_of_the_same_pictures():
    indices = [set(attacked(removed(called=c), against="class").parts["forget"]["index"]) for c in (None, 0)]
    assert indices[0] == indices[1]


# --- what models say


def test_what_a_removed_class_is_called():
    called = np.tile([0, 1, 3, 3], 25)
    called[2] = 0  # one of the 25 pictures of class 2
    [one] = removals({"a": lambda: removed(called=called)}, lambda: list("wxyz")).values()
    assert one.removed == (2,)
    assert (one.forgotten, one.kept) == (0.0, 1.0)
    assert one.said == pytest.approx((1 / 25, 0, 0, 24 / 25))
    assert one.names == ("w", "x", "y", "z")


def test_random_forget_sets_are_no_removal():
    read = []

    def later():
        read.append(1)
        return removed()

    mixed = {"a": lambda: removed(retain=(0, 1, 2, 3) * 10), "b": later}
    assert removals(mixed, list) == {}
    assert not read
    assert removals({}, list) == {}


def test_runs_of_which_nothing_is_kept_stop_no_other():
    """`purge --models` takes outputs, or the part of them that is of forgotten pictures."""
    stripped = {name: one for name, one in removed().items() if name != "forget"}
    runs = {"gone": dict, "stripped": lambda: stripped, "whole": removed}
    assert [*removals({"gone": dict, "whole": removed}, list)] == ["whole"]
    assert [*removals(runs, list)] == ["whole"]
    assert [*removals({"whole": removed, "gone": dict, "stripped": lambda: stripped}, list)] == ["whole"]
    assert removals({"gone": dict}, list) == {}


def test_total_variation():
    assert distance((1, 0, 0), (1, 0, 0)) == 0
    assert distance((1, 0, 0), (0, 0.5, 0.5)) == 1
    assert distance((0.5, 0.5), (0.75, 0.25)) == pytest.approx(0.25)


# --- the table


def said(*shares, kept=0.95, forgotten=0.0):
    return Removal((2,), ("w", "x", "y", "z"), forgotten, kept, tuple(shares))


def study():
    rows, held = [], {}
    for seed in range(3):
        own = {
            "retrain": (0.0, said(0.5 + 0.01 * seed, 0.5 - 0.01 * seed, 0, 0)),
            "do-nothing": (1.0, said(0, 0, 1, 0, forgotten=1.0)),
            "ft": (0.2, said(0.1, 0.2, 0.4, 0.3, forgotten=0.4)),
        }
        for name, (fa, removal) in own.items():
            scores = {"RA": 0.99, "FA": fa, "VA": 0.9, "TA": 0.9}
            row = run(name, seed, forget="c2", forget_label="class:y", scores=scores)
            rows += [row, attack(row, 0.6, params={"against": "class"}), attack(row, 0.9)]
            held[row["id"]] = removal
    return joined(rows), held


def test_the_table_of_a_removed_class():
    [table] = class_tables(*study())
    found = {row["label"]: row for row in table.rows}
    assert table.title.endswith("class:y")
    assert found["FT"]["FA_mean"] == pytest.approx(0.2)
    assert found["FT"]["FA_test_mean"] == pytest.approx(0.4)
    assert found["FT"]["UMIA_class_mean"] == pytest.approx(0.6)  # and not 0.9, which is against all classes
    assert found["FT"]["said"] == pytest.approx({"w": 0.1, "x": 0.2, "y": 0.4, "z": 0.3})
    assert found["FT"]["TV_mean"] == pytest.approx(0.7)
    assert found["do nothing"]["TV_mean"] == pytest.approx(1)
    assert found["retrained"]["TV_mean"] == 0
    assert found["FT"]["removed"] == ["y"]
    lines = {cells[0]: cells for cells in table.cells()}
    assert lines["FT"][-1] == "y 40, z 30, x 20"
    assert lines["do nothing"][-1] == "y 100"
    assert "entropy" not in table.headers()
    assert any("(0.02)" in note for note in table.notes)  # two retrained models differ by as much


def test_a_table_of_ten_classes_fits_a_terminal():
    records, held = study()
    wide = {
        run_id: Removal((2,), tuple("0123456789"), 0.333, 0.777, (0.4, 0.3, 0.2, 0.1, *[0.0] * 6))
        for run_id in held
    }
    assert width(class_tables(records, wide)[0]) <= 98


def test_a_store_without_removals_says_so():
    records, _ = study()
    with pytest.raises(NotFound, match="no whole class"):
        class_tables(records, {})


# --- the whole way


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A plan that removes a class, and the original's attack against everything."""
    home = tmp_path_factory.mktemp("removal")
    plan = home / "plan.toml"
    plan.write_text(
        f'datasets = ["{small_npz(home / "d.npz")}"]\nmodels = ["resnet-tiny"]\nseeds = "0-1"\n'
        'methods = ["nablatau", "do-nothing", "retrain"]\nforget = ["class:1"]\ntables = ["classes"]\n'
        'attacks = [{ name = "umia", against = "class" }]\n[training]\nepochs = 2\nbatch_size = 32\n'
    )
    return home, ok("bench", plan, "--store", home / "store", "--json")


def test_a_plan_that_removes_a_class(store):
    _, said = store
    rows = {row["label"]: row for row in said.json}
    assert set(rows) == {"nabla-tau", "Do nothing", "Retrained"}
    assert rows["Retrained"]["FA_mean"] == 0
    assert rows["Retrained"]["FA_test_mean"] == 0
    assert all(row["UMIA_class_n"] == 2 for row in rows.values())
    assert sum(rows["nabla-tau"]["said"].values()) == pytest.approx(1)
    assert "nabla-tau removes whole classes only in part" in said.err


def test_an_audit_within_the_class_and_the_warning_without(store):
    home, _ = store
    runs = ok("runs", "--name", "nablatau", "--store", home / "store", "--json").json
    target = next(row["id"] for row in runs if row["kind"] == "unlearn")
    words = ("attack", "umia", target, "--store", home / "store", "--json")
    within = ok(*words, "--against", "class")
    assert {row["n"] for row in within.json} == {25}
    assert within.json[0]["reference"] == "retrained"
    assert "whole classes" not in within.err
    assert "--against class" in ok(*words).err


def test_an_attack_on_what_steered_the_method_is_warned_of(store):
    home, _ = store
    runs = ok("runs", "--kind", "unlearn", "--store", home / "store", "--json").json
    ids = {row["name"]: row["id"] for row in runs}
    for name, warned in (("nablatau", True), ("do-nothing", False)):
        said = ok("attack", "umia", ids[name], "--against", "val", "--store", home / "store", "--json")
        assert ("read the val pictures" in said.err) == warned
    facts = ok("show", ids["nablatau"], "--store", home / "store", "--json").json[0]["facts"]
    assert 0 <= facts["ascent_active_share"] <= 1


def test_the_page_has_the_removed_class(store):
    home, _ = store
    page = home / "report.html"
    ok("report", "--format", "html", "--out", page, "--store", home / "store")
    assert 'aria-label="Removed class' in page.read_text()
