"""Several forget sets in one plan: nested draws, pairs across seeds, counts, and the tables by size."""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from cli_kit import call, ok
from split_kit import CIFAR, dataset
from synthetic import attack, joined, run, width

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.core.specs import across_runs, for_run, likely_share, random_share
from deepunlearn_cli.data import forget_set, split
from deepunlearn_cli.reporting.forget_sizes import several_sizes, size_tables
from deepunlearn_cli.reporting.formats import render, stacked
from deepunlearn_cli.reporting.measures import SIZES, measures_of
from deepunlearn_cli.reporting.pages import report_page
from deepunlearn_cli.reporting.rank import rank
from deepunlearn_cli.studies import plan_file as plans
from deepunlearn_cli.studies.likely import likely

NAMES = [measure.name for measure in measures_of(SIZES)]
PLAN = """
datasets = ["digits"]
models = ["resnet-tiny"]
methods = ["ft", "do-nothing", "retrain"]
seeds = "0-1"
forget = ["random:0.1:{seed}", "random:0.3:{seed}"]
attacks = ["umia", { name = "umia", feature = "entropy" }]
tables = ["sizes", "2"]
[training]
epochs = 2
[params.ft]
epochs = 1
"""


@pytest.mark.parametrize("seed", [0, 7, 123])
def test_draws_of_one_seed_are_nested(seed):
    data = dataset(*CIFAR)
    parts = split(data)
    sets = [
        set(forget_set(f"random:{share}:{seed}", data, parts).indices.tolist())
        for share in (0.01, 0.03, 0.15, 0.3, 0.5)
    ]
    assert [len(one) for one in sets] == [math.ceil(42_500 * s) for s in (0.01, 0.03, 0.15, 0.3, 0.5)]
    assert all(small < large for small, large in pairwise(sets))


def test_draws_of_two_seeds_differ():
    data = dataset(*CIFAR)
    sets = [forget_set(for_run("random:0.1:{seed}", seed), data, split(data)) for seed in (0, 1)]
    assert sets[0].sha256 != sets[1].sha256
    shared = np.intersect1d(sets[0].indices, sets[1].indices)
    assert len(shared) == pytest.approx(425, abs=100)


def test_a_spec_says_whose_draw_it_is():
    assert across_runs("random:0.1:3", 3) == "random:0.1:{seed}"
    assert across_runs("random:0.1:3", 4) is None
    assert across_runs("random:0.1", 0) is None
    assert across_runs("class:3:3", 3) is None
    assert across_runs(for_run("random:0.03:{seed}", 12), 12) == "random:0.03:{seed}"


@pytest.mark.parametrize(
    ("spec", "share"),
    [
        ("random:0.3:{seed}", 0.3),
        ("class:3", 0.1),
        ("class:3:0.5", 0.05),
        ("class:cat", 0.1),
        ("indices:f.txt", None),
    ],
)
def test_a_spec_says_how_much_it_asks_for(spec, share):
    assert likely_share(spec, 10) == (share and pytest.approx(share))
    assert random_share(spec) == (share if spec.startswith("random") else None)


def test_the_run_s_seed_must_be_known(tmp_path):
    with pytest.raises(UsageFailure, match="is not a seed"):
        forget_set("random:0.1:{seed}", dataset(), split(dataset()))


# --- pairs across seeds


def drawn(name, seed, share, umia=0.5, scores=None, **changes):
    forget = f"sha-{share}-{seed}"
    row = run(name, seed, forget=forget, forget_label=f"random:{share}:{seed}", scores=scores, **changes)
    row["id"] = row["base"] = f"{name}-{share}-{seed}"
    return [row, attack(row, umia), attack(row, umia + 0.1, params={"feature": "entropy"})]


def study(seeds=(0, 1, 2), shares=(0.03, 0.3)):
    rows = []
    for seed in seeds:
        for share in shares:
            fair = {"RA": 0.99, "FA": 0.9, "VA": 0.9, "TA": 0.9 - 0.001 * seed}
            rows += drawn("retrain", seed, share, scores=fair, work=30 * (1 - share))
            rows += drawn("do-nothing", seed, share, 0.6, scores=fair | {"FA": 0.99}, work=0.0)
            rows += drawn("ft", seed, share, 0.55, scores=fair | {"FA": 0.9 + share / 10}, work=4.0)
    return rows


def by_label(tables, measure):
    return {row["label"]: row for table in tables for row in table.rows if row["measure"] == measure}


def test_draws_with_the_run_s_own_seed_are_one_pair():
    found = joined(study())
    assert {record.forget_label for record in found} == {"random:0.03:{seed}", "random:0.3:{seed}"}
    assert len({record.pair_key for record in found}) == 2
    ranked = rank(found)
    assert {row["n"] for row in ranked.rows} == {6}
    assert "2 pairs" in ranked.title


def test_a_draw_that_seeds_share_stays_a_pair_of_its_own():
    """Seed 3 happens to be the draw's own number, and that means nothing."""
    rows = [run("ft", seed, forget="s", forget_label="random:0.1:3") for seed in (2, 3)]
    assert {record.forget_label for record in joined(rows)} == {"random:0.1:3"}
    assert len({record.pair_key for record in joined(rows)}) == 1


def test_the_same_settings_are_one_configuration_over_all_draws():
    assert {record.config for record in joined(study())} == {""}


def test_tables_by_size_say_what_each_fraction_s_own_retrained_model_says():
    tables = size_tables(joined(study()))
    assert [table.rows[0]["measure"] for table in tables] == list(NAMES)
    retdev = by_label(tables, "RetDev")
    assert retdev["FT"]["0.03_mean"] == pytest.approx(0.003 / 0.9)
    assert retdev["FT"]["0.3_mean"] == pytest.approx(0.03 / 0.9)
    assert retdev["retrained"]["0.3_mean"] == 0
    assert by_label(tables, "UMIA")["FT"]["0.3_mean"] == pytest.approx(0.55)
    assert by_label(tables, "UMIA_entropy")["FT"]["0.3_mean"] == pytest.approx(0.65)
    assert by_label(tables, "work")["retrained"]["0.3_mean"] == pytest.approx(21)
    assert [row["label"] for row in tables[0].rows] == ["FT", "do nothing", "retrained"]
    assert tables[0].headers() == ["method", "3 %", "30 %"]
    shown = {table.rows[0]["measure"]: table.cells() for table in tables}
    assert shown["RetDev"][0] == ["FT", "0.003±0.000", "0.033±0.000"]
    assert by_label(tables, "dFA")["FT"]["0.03_n"] == 3


def test_the_entropy_is_shown_where_it_was_attacked_and_never_ranks():
    plain = [row for row in study() if row["params"].get("feature") != "entropy"]
    assert "UMIA_entropy" not in {table.rows[0]["measure"] for table in size_tables(joined(plain))}
    assert rank(joined(plain)).rows == rank(joined(study())).rows


def test_six_fractions_fit_a_terminal():
    rows = joined(study(shares=(0.03, 0.05, 0.1, 0.15, 0.3, 0.5)))
    assert max(map(width, size_tables(rows))) <= 98


def test_one_fraction_is_no_study():
    rows = joined(study(shares=(0.1,)))
    assert not several_sizes(rows)
    with pytest.raises(NotFound, match="2 or more random fractions"):
        size_tables(rows)
    assert several_sizes(joined(study()))
    assert not several_sizes([])


def test_of_two_draws_of_one_fraction_the_one_with_more_seeds_is_shown():
    rows = study() + [
        one | {"forget": "s", "forget_label": "random:0.03", "id": f"x{one['id']}", "base": f"x{one['base']}",
               "target": one["target"] and f"x{one['target']}"}
        for one in study(seeds=(0,), shares=(0.03,))
    ]  # fmt: skip
    tables = size_tables(joined(rows))
    assert by_label(tables, "RetDev")["FT"]["0.03_n"] == 3


def test_settings_of_one_name_are_told_apart():
    others = [
        one | {"setting": "t0", "id": f"x{one['id']}", "base": f"x{one['base']}",
               "target": one["target"] and f"x{one['target']}"}
        for one in study()
    ]  # fmt: skip
    pairs = {table.rows[0]["pair"] for table in size_tables(joined(study() + others))}
    assert pairs == {"digits resnet-small #s0", "digits resnet-small #t0"}


def test_failures_are_told():
    rows = [row | {"status": "failed", "reason": "diverged", "scores": {}} if row["id"] == "ft-0.3-1" else row
            for row in study()]  # fmt: skip
    tables = size_tables(joined(rows))
    assert by_label(tables, "RetDev")["FT"]["0.3_n"] == 2
    assert any("FT seed 1 at 30 % is left out: diverged" in note for note in tables[-1].notes)


def test_a_file_of_several_tables_has_one_header_line():
    (table,) = stacked(size_tables(joined(study())))
    lines = render(table, "csv").splitlines()
    assert len(lines) == 1 + 3 * len(NAMES)
    assert lines[0].startswith("pair,measure,dataset,model,label")


@pytest.mark.slow
def test_the_page_draws_every_measure_against_the_size():
    page = report_page(joined(study()), [])
    assert 'aria-label="Measures against the share that is forgotten, digits resnet-small"' in page
    assert page.count("(digits resnet-small)</h2>") == len(NAMES)
    alone = report_page(joined(study(shares=(0.1,))), [])
    assert "Measures against" not in alone


# --- plans


def test_counts_of_a_plan_with_several_forget_sets(tmp_path):
    file = tmp_path / "plan.toml"
    file.write_text(PLAN)
    plan = plans.load(str(file))
    batches = list(likely(plan, plan.setups[0], 2))
    counts = Counter[str]()
    for one in batches:
        counts[one.kind] += one.runs
    assert counts == {"originals": 2, "retrained": 4, "models": 4, "do nothing": 4, "attacks": 24}
    (retrained,) = [one.like.epochs for one in batches if one.kind == "retrained"]
    assert retrained == pytest.approx(2 * (0.9 + 0.7) / 2)


@pytest.mark.slow
def test_a_plan_of_several_forget_sets_is_carried_out_once(tmp_path):
    plan, store = tmp_path / "plan.toml", tmp_path / "store"
    plan.write_text(PLAN)
    said = ok("bench", plan, "--store", store, "--json")
    rows = [row for row in said.json if row["schema"] == "deepunlearn.report.sizes/1"]
    assert {row["measure"] for row in rows} == set(NAMES)
    assert all(row["0.1_n"] == row["0.3_n"] == 2 for row in rows if row["measure"] == "UMIA_entropy")
    assert {row["pair"] for row in said.json if row["schema"] == "deepunlearn.report.rte/1"} == {
        "digits resnet-tiny random:0.1:{seed}", "digits resnet-tiny random:0.3:{seed}", "average over pairs",
    }  # fmt: skip
    runs = ok("runs", "--store", store, "--json").json
    assert [row["name"] for row in runs if row["kind"] == "train"].count("original") == 2
    assert len({row["forget"] for row in runs if row["name"] == "retrain"}) == 4
    after = ok("bench", plan, "--dry-run", "--store", store, "--json").json
    assert all(row["there"] == row["runs"] and row["seconds"] == 0 for row in after)
    again = ok("report", "--table", "sizes", "--store", store, "--json").json
    assert json.dumps(again) == json.dumps(rows)
    assert len(ok("runs", "--store", store).lines) == len(runs)


@pytest.mark.slow
def test_the_command_line_knows_the_run_s_seed(tmp_path):
    words = ("--dataset", "digits", "--model", "resnet-tiny", "-p", "epochs=1", "--store", tmp_path)
    ok("train", *words, "--seeds", "0-1", "--role", "both", "--forget", "random:0.1:{seed}")
    rows = ok("runs", "--store", tmp_path, "--json").json
    labels = {row["seed"]: row["forget_label"] for row in rows if row["name"] == "retrain"}
    assert labels == {0: "random:0.1:0", 1: "random:0.1:1"}
    ids = [row["id"] for row in rows if row["name"] == "original"]
    ckpts = [word for one in ids for word in ("--ckpt", one)]
    ok("unlearn", "--method", "do-nothing", *ckpts, "--forget", "random:0.1:{seed}", "--store", tmp_path)
    made = ok("runs", "--kind", "unlearn", "--store", tmp_path, "--json").json
    held = {row["seed"]: row["forget"] for row in rows if row["name"] == "retrain"}
    assert {row["seed"]: row["forget"] for row in made} == held


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("[training]", "[sweep]\ntrials = 2\n[training]"), "a search is for one forget set"),
        (('["random:0.1:{seed}", "random:0.3:{seed}"]', "[]"), "names no forget set"),
        (('["random:0.1:{seed}", "random:0.3:{seed}"]', "[3]"), "is not a forget set or a list of them"),
        (('"random:0.3:{seed}"', '"random:1.3:{seed}"'), "not a fraction"),
        (('["sizes", "2"]', '["sizes", "tw"]'), "tw"),
        (('["sizes", "2"]', '"sizes"'), "is not a list of texts"),
        (('feature = "entropy"', 'feature = "entropie"'), "feature=entropie"),
        (('feature = "entropy"', 'featur = "entropy"'), "featur"),
        (('{ name = "umia", feature = "entropy" }', '{ feature = "entropy" }'), "is no attack"),
        (('{ name = "umia", feature = "entropy" }', '{ name = "ulira" }'), "what one model said"),
    ],
)
def test_plans_that_make_no_sense(tmp_path, change, says):
    plan = tmp_path / "plan.toml"
    assert change[0] in PLAN
    plan.write_text(PLAN.replace(*change))
    said = call("bench", plan, "--store", tmp_path / "store")
    assert said.code in (2, 3)
    assert says in " ".join(said.err.split())
    assert not list((tmp_path / "store").glob("runs/*/*"))


def test_an_unknown_table_names_those_there_are(tmp_path):
    said = call("report", "--table", "size", "--store", tmp_path)
    assert said.code == 3
    assert "did you mean sizes" in said.err.replace("'", "")
