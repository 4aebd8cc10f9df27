from __future__ import annotations

import random
from itertools import pairwise

import pytest
from synthetic import TITLES, attack, cell, joined, run

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.reporting.clustering import LINKAGES, clusters
from deepunlearn_cli.reporting.groups import dense_ranks
from deepunlearn_cli.reporting.rank import rank
from deepunlearn_cli.reporting.table import UNKNOWN
from deepunlearn_cli.reporting.ulira_records import outdated, ulira_records

pytestmark = pytest.mark.usefixtures("few_are_grouped")

# arXiv 2410.01276, table 1: G1/G2/G3/F and printed rank, for RetDev and for indiscernibility
TABLE_1 = {
    "FT": ((8, 1, 0, 0), 1, (6, 3, 0, 0), 3),
    "MSG": ((8, 1, 0, 0), 1, (9, 0, 0, 0), 1),
    "PRMQ": ((7, 2, 0, 0), 2, (6, 3, 0, 0), 3),
    "CT": ((7, 1, 1, 0), 3, (9, 0, 0, 0), 1),
    "KDE": ((7, 1, 1, 0), 3, (7, 2, 0, 0), 2),
    "CFW": ((7, 1, 1, 0), 3, (7, 2, 0, 0), 2),
    "FCS": ((6, 3, 0, 0), 4, (5, 4, 0, 0), 5),
    "SalUN": ((6, 3, 0, 0), 4, (6, 3, 0, 0), 3),
    "NG+": ((5, 4, 0, 0), 5, (5, 4, 0, 0), 5),
    "SRL": ((5, 4, 0, 0), 5, (6, 2, 1, 0), 4),
    "SCRUB": ((4, 3, 1, 1), 6, (5, 3, 0, 1), 6),
    "BT": ((2, 7, 0, 0), 7, (4, 5, 0, 0), 7),
    "RNI": ((2, 7, 0, 0), 7, (7, 2, 0, 0), 2),
    "CF-k": ((2, 3, 2, 2), 8, (1, 2, 4, 2), 8),
    "IU": ((1, 0, 2, 6), 9, (0, 0, 3, 6), 11),
    "EU-k": ((0, 5, 0, 4), 10, (1, 2, 2, 4), 9),
    "GA": ((0, 1, 7, 1), 11, (0, 4, 4, 1), 10),
    "FF": ((0, 0, 0, 9), 12, (0, 0, 0, 9), 12),
}
# The re-run's RetDev and the groups that ward, average and complete linkage agree on (reference, section 5)
RERUN = {"FCS": 0.063, "PRMQ": 0.068, "SalUN": 0.072, "FT": 0.077, "NG+": 0.083, "SCRUB": 0.088}
RERUN |= {"CF-k": 0.090, "RNI": 0.092, "SRL": 0.106, "BT": 0.109, "CFW": 0.123, "CT": 0.126, "MSG": 0.137}
RERUN |= {"KDE": 0.156, "IU": 0.163, "GA": 0.265}

THREE_LEVELS = {"ft": [0.01, 0.02], "msg": [0.1, 0.11], "ct": [0.4, 0.41]}


def pair(levels=THREE_LEVELS, umia=(0.5, 0.51), **changes):
    rows = cell("retrain", [0.0, 0.004], [0.5, 0.5], **changes)
    rows += cell("do-nothing", [0.0, 0.0], [0.6, 0.6], **changes)
    for name, losses in levels.items():
        rows += cell(name, losses, list(umia), **changes)
    return rows


def by_label(rows, **options):
    return {row["label"]: row for row in rank(joined(rows), **options).rows}


@pytest.mark.parametrize("column", [0, 2])
def test_table_1s_counts_give_table_1s_ranks(column):
    assert len(TABLE_1) == 18
    ranks = dense_ranks({name: row[column][:3] for name, row in TABLE_1.items()})
    assert ranks == {name: row[column + 1] for name, row in TABLE_1.items()}


@pytest.mark.parametrize("linkage", LINKAGES)
def test_clusters_agree_with_scipy(linkage):
    from scipy.cluster.hierarchy import fcluster
    from scipy.cluster.hierarchy import linkage as tree

    draw = random.Random(0)
    for size in [*range(2, 30)] * 4:
        values = [draw.choice([draw.random(), draw.gauss(0, 3), draw.expovariate(1)]) for _ in range(size)]
        theirs = fcluster(tree([[v] for v in values], linkage), 3, "maxclust")
        pairs = set(zip(clusters(values, linkage), theirs.tolist(), strict=True))
        assert len(pairs) == len(set(theirs.tolist())) == min(3, size)


@pytest.mark.parametrize("linkage", ["ward", "average", "complete"])
def test_clusters_of_the_independent_re_run(linkage):
    groups = dict(zip(RERUN, clusters(list(RERUN.values()), linkage), strict=True))
    assert [name for name, group in groups.items() if group == 2] == ["GA"]
    second = ["SRL", "BT", "CFW", "CT", "MSG", "KDE", "IU"]
    assert [name for name, group in groups.items() if group == 1] == second


@pytest.mark.parametrize("linkage", LINKAGES)
@pytest.mark.parametrize("values", [[], [1.0], [0.1] * 7, [0.1, 0.3] * 5, [1.0, 2.0, 3.0, 4.0, 5.0]])
def test_clusters_of_ties_do_not_depend_on_order(linkage, values):
    groups = dict(zip(values, clusters(values, linkage), strict=True))
    backwards = dict(zip(values[::-1], clusters(values[::-1], linkage), strict=True))
    assert groups == backwards
    assert sorted(set(groups.values())) == list(range(min(3, len(set(values)))))
    assert all(groups[a] <= groups[b] for a, b in pairwise(sorted(groups)))


def test_an_unknown_linkage_is_refused():
    with pytest.raises(UsageFailure, match="linkage centroid"):
        rank(joined(pair()), linkage="centroid")


def test_one_pair_is_grouped_and_ranked():
    table = rank(joined(pair()))
    rows = {row["label"]: row for row in table.rows}
    assert list(rows) == ["FT", "MSG", "CT", "do nothing", "retrained"]
    assert [rows[name]["retdev_rank"] for name in rows] == [1, 2, 3, None, None]
    assert [rows[name]["retdev_G2"] for name in rows] == [0, 1, 0, 0, 0]
    assert rows["MSG"]["retdev_mean"] == pytest.approx((0.1 / 0.9 + 0.106 / 0.896) / 2)
    assert rows["retrained"]["retdev_mean"] == 0
    assert len(rows["MSG"]["retdev_runs"]) == rows["MSG"]["retdev_n"] == 2


def test_equal_methods_share_a_group_and_a_rank():
    rows = by_label(pair({"ft": [0.1, 0.1], "msg": [0.1, 0.1]}))
    assert {rows[name]["retdev_rank"] for name in ("FT", "MSG")} == {1}
    assert {rows[name]["retdev_G1"] for name in ("FT", "MSG")} == {1}


def test_one_method_is_the_best_one():
    rows = by_label(pair({"ft": [0.1, 0.1]}))
    assert (rows["FT"]["retdev_G1"], rows["FT"]["retdev_rank"], rows["FT"]["indisc_rank"]) == (1, 1, 1)


def test_one_seed_has_a_mean_and_no_deviation():
    rows = cell("retrain", [0.0], [0.5]) + cell("ft", [0.1], [0.5])
    table = rank(joined(rows))
    assert table.cells()[0][2] == "0.111"
    assert any("two seeds" in note for note in table.notes)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"status": "failed", "reason": "diverged"}, "diverged"),
        ({"scores": {"RA": float("nan"), "FA": 0.5, "TA": 0.5}}, "no finite scores"),
        ({"scores": {}}, "no finite scores"),
        ({"seed": 7}, "not run"),
        (
            {"scores": {"RA": 0.11, "FA": 0.5, "TA": 0.5}, "classes": 10},
            "retain accuracy 11.0%, at chance for 10",
        ),
        (
            {"scores": {"RA": 0.59, "FA": 0.5, "TA": 0.5}, "classes": 2},
            "retain accuracy 59.0%, at chance for 2",
        ),
        ({"scores": {"RA": 0.1, "FA": 0.1, "TA": 0.1}}, "at chance for 10 (assumed)"),
    ],
)
def test_a_method_without_a_usable_model_for_a_seed_fails(change, word):
    rows = [row | change if (row["name"], row["seed"]) == ("msg", 1) else row for row in pair()]
    table = rank(joined(rows))
    msg = next(row for row in table.rows if row["label"] == "MSG")
    assert (msg["retdev_F"], msg["indisc_F"], msg["retdev_rank"], msg["retdev_n"]) == (1, 1, 3, 1)
    assert any(note.startswith("F: MSG") and word in note for note in table.notes)


def test_a_method_at_chance_does_not_make_one_group_of_all_others():
    guess = {"RA": 0.1, "FA": 0.1, "TA": 0.1}
    rows = [*pair(), *(run("kde", seed, scores=guess, classes=10) for seed in (0, 1))]
    ranked = by_label(rows)
    assert [ranked[name]["retdev_F"] for name in ("KDE", "FT", "MSG", "CT")] == [1, 0, 0, 0]
    groups = [("FT", "G1"), ("MSG", "G2"), ("CT", "G3")]
    assert [ranked[name][f"retdev_{group}"] for name, group in groups] == [1, 1, 1]


def test_few_of_many_classes_are_above_chance():
    rows = [*pair(), *cell("kde", [0.8, 0.8], [0.5, 0.5])]
    low = {"RA": 0.1, "FA": 0.1, "TA": 0.1}
    rows = [row | {"classes": 100} | ({"scores": low} if row["name"] == "kde" else {}) for row in rows]
    assert by_label(rows)["KDE"]["retdev_F"] == 0


def test_retrained_models_at_chance_are_no_reference():
    guess = {"RA": 0.1, "FA": 0.1, "TA": 0.1}
    rows = [row | {"scores": guess, "classes": 10} if row["name"] == "retrain" else row for row in pair()]
    with pytest.raises(NotFound, match="no usable retrained model"):
        rank(joined(rows))


def test_seeds_without_a_retrained_model_are_named():
    rows = [*pair(), run("ft", 2), run("msg", 2), run("ft", 3)]
    table = rank(joined(rows))
    ft = next(row for row in table.rows if row["label"] == "FT")
    assert (ft["n"], ft["retdev_n"], ft["retdev_F"]) == (4, 2, 0)
    [note] = [note for note in table.notes if note.startswith("the ranking leaves out seed 2, 3")]
    assert note.endswith("`deepunlearn unlearn original-2 original-3 --method retrain --forget random:0.1`")
    assert not any("leaves out" in note for note in rank(joined(pair())).notes)


def test_all_failed():
    rows = [row | {"status": "failed"} if row["name"] in THREE_LEVELS else row for row in pair()]
    ranked = by_label(rows)
    assert {ranked[name]["retdev_F"] for name in ("FT", "MSG", "CT")} == {1}
    assert {ranked[name]["retdev_rank"] for name in ("FT", "MSG", "CT")} == {None}


def test_a_failed_retrain_does_not_fail_the_methods():
    rows = [row | {"status": "failed"} if row["id"].startswith("retrain-1") else row for row in pair()]
    assert by_label(rows)["MSG"]["retdev_F"] == 0


def test_missing_attacks_leave_a_gap_and_a_command():
    table = rank(joined(pair(umia=())))
    row = next(row for row in table.rows if row["label"] == "FT")
    assert (row["indisc_rank"], row["indisc_F"], row["retdev_rank"]) == (None, 0, 1)
    assert table.cells()[0][5:] == [UNKNOWN, UNKNOWN, UNKNOWN]
    assert any("deepunlearn attack umia " in note for note in table.notes)


def test_nothing_attacked_ranks_nothing_on_indiscernibility():
    rows = [row for row in pair() if row["kind"] != "attack"]
    rows = [row | {"status": "failed"} if row["name"] == "msg" else row for row in rows]
    ranked = by_label(rows)
    assert (ranked["MSG"]["retdev_F"], ranked["MSG"]["indisc_F"]) == (1, 0)
    assert {row["indisc_rank"] for row in ranked.values()} == {None}


def test_leaking_both_ways_is_as_bad():
    rows = cell("retrain", [0.0, 0.0], [0.5, 0.5]) + cell("ft", [0.1, 0.1], [0.7, 0.3])
    assert by_label(rows)["FT"]["indisc_mean"] == pytest.approx(0.6)


def test_whole_classes_leave_retdev_undefined_and_nobody_failed():
    gone = {"RA": 0.9, "FA": 0.0, "TA": 0.9}
    rows = [row | {"scores": gone} if row["name"] == "retrain" else row for row in pair()]
    table = rank(joined(rows))
    assert {(row["retdev_rank"], row["retdev_F"]) for row in table.rows} == {(None, 0)}
    assert any("undefined" in note for note in table.notes)


def test_differences_within_the_noise_are_marked():
    rows = pair({"ft": [0.001, 0.003], "ct": [0.4, 0.4]})
    table = rank(joined(rows))
    marks = {row["label"]: row["retdev_near"] for row in table.rows}
    assert marks == {"FT": True, "CT": False, "do nothing": False, "retrained": False}
    assert "≈" in table.cells()[0][2]
    assert any("0.0045" in note for note in table.notes)  # 0.004 / 0.896


def several_pairs():
    rows = pair()
    rows += pair({"ft": [0.3, 0.3], "msg": [0.01, 0.01], "ct": [0.2, 0.2]}, setting="s1", dataset="mnist")
    return rows + pair({"ft": [0.01, 0.01], "msg": [0.2, 0.2]}, setting="s2", dataset="svhn")


def test_counts_over_pairs():
    table = rank(joined(several_pairs()))
    counts = {row["label"]: [row[f"retdev_{g}"] for g in ("G1", "G2", "G3", "F")] for row in table.rows}
    assert counts["FT"] == [2, 0, 1, 0]
    assert counts["MSG"] == [1, 2, 0, 0]
    assert counts["CT"] == [0, 1, 1, 0]
    assert counts["retrained"] == [0, 0, 0, 0]
    assert table.cells()[0][2:4] == ["2/0/1/0†", "1"]
    assert any("CT has runs on 2 of 3 pairs only" in note for note in table.notes)
    assert [part["pair"].split()[0] for part in table.rows[0]["pairs"]] == ["digits", "mnist", "svhn"]


def test_the_order_of_records_does_not_matter():
    rows = several_pairs() + pair({"kde": [0.1, 0.11]}, setting="s3")
    plain = rank(joined(rows))
    for seed in range(5):
        random.Random(seed).shuffle(rows)
        shuffled = rank(joined(rows))
        assert (str(shuffled.rows), shuffled.notes) == (str(plain.rows), plain.notes)


def test_the_newer_of_two_runs_of_a_seed_counts_and_the_other_is_mentioned():
    rows = [*pair(), run("msg", 0, created=9.0, base="again", id="again")]
    table = rank(joined(rows))
    msg = next(row for row in table.rows if row["label"] == "MSG")
    assert "again" in msg["retdev_runs"]
    assert any("1 older run" in note for note in table.notes)


def test_mixed_cross_validation_is_mentioned():
    rows = pair()
    other = run("kde", 0)
    table = rank(joined([*rows, other, attack(other, 0.5, params={"cv": "shuffle"})]))
    assert any("cross-validated in several ways" in note for note in table.notes)


def test_pairs_without_retrained_models():
    bare = [row for row in pair(setting="s1", dataset="mnist") if row["name"] != "retrain"]
    table = rank(joined([*pair(), *bare]))
    assert any("left out: mnist" in note for note in table.notes)
    with pytest.raises(NotFound, match="no usable retrained model") as caught:
        rank(joined(bare))
    assert caught.value.hint == (
        "deepunlearn unlearn original-0 original-1 --method retrain --forget random:0.1"
    )


def test_no_records_and_unknown_metrics_are_not_found():
    with pytest.raises(NotFound) as caught:
        rank([])
    assert caught.value.hint
    with pytest.raises(NotFound, match="metric"):
        rank(joined(pair()), metrics=("retdiv",))


def test_one_metric():
    table = rank(joined(pair()), metrics=("indisc",))
    assert table.headers() == ["method", "runs", "Indisc", "Indisc group", "Indisc rank"]


def test_methods_that_read_validation_data_are_named_once():
    rows = [
        *cell("retrain", [0, 0]),
        *cell("kde", [0.1, 0.2], reads=["retain", "val"]),
        *cell("ft", [0.1, 0.1]),
    ]
    told = [note for note in rank(joined(rows)).notes if "validation set" in note]
    assert len(told) == 1
    assert told[0].startswith("KDE reads the validation set by design")
    plain = rank(joined([*cell("retrain", [0, 0]), *cell("ft", [0.1, 0.1])]))
    assert not any("validation set" in note for note in plain.notes)


NINE = [0.0, 0.01, -0.01, 0.02, -0.02, 0.015, -0.015, 0.005, -0.005]


def many_seeds(levels: dict[str, float], spread: float = 1.0):
    rows = cell("retrain", [0.0] * 9, [0.5] * 9)
    for place, (name, loss) in enumerate(levels.items()):
        turned = NINE[place:] + NINE[:place]
        rows += cell(name, [loss + spread * noise for noise in turned], [0.5] * 9)
    return rows


def test_methods_far_apart_have_firm_ranks_and_no_letters():
    found = by_label(many_seeds({"ft": 0.05, "msg": 0.3, "ct": 0.7}), metrics=["retdev"])
    assert {k: (v["retdev_rank"], v["retdev_rank_low"], v["retdev_rank_high"]) for k, v in found.items()
            if not v["control"]} == {"FT": (1, 1, 1), "MSG": (2, 2, 2), "CT": (3, 3, 3)}  # fmt: skip
    assert {v["retdev_letters"] for v in found.values() if not v["control"]} == {""}
    assert {v["retdev_kept"] for v in found.values() if not v["control"]} == {1.0}


def test_methods_that_cannot_be_told_apart_share_a_letter():
    found = by_label(many_seeds({"ft": 0.1, "msg": 0.101, "ct": 0.7}), metrics=["retdev"])
    assert found["FT"]["retdev_letters"] == found["MSG"]["retdev_letters"] == "a"
    assert found["CT"]["retdev_letters"] == ""
    text = " ".join(rank(joined(many_seeds({"ft": 0.1, "msg": 0.101, "ct": 0.7})), ["retdev"]).notes)
    assert "share a letter" in text


def test_a_rank_interval_holds_the_rank_that_a_few_seeds_may_turn():
    found = by_label(many_seeds({"ft": 0.1, "msg": 0.105, "ct": 0.11, "kde": 0.115}, 3), metrics=["retdev"])
    assert any(v["retdev_rank_low"] < v["retdev_rank_high"] for v in found.values() if not v["control"])


def test_groups_that_hang_on_the_linkage_are_named():
    """The re-run's figures: single linkage puts all but KDE, IU and GA into the first group."""
    names = {f"m{i}": name for i, name in enumerate(RERUN)}
    rows = cell("retrain", [0.0, 0.0], [0.5, 0.5])
    for name, loss in zip(names, RERUN.values(), strict=True):
        rows += cell(name, [loss * 0.9, loss * 0.9], [0.5, 0.5])
    table = rank(joined(rows), ["retdev"])
    kept = {names[row["method"]]: row["retdev_kept"] for row in table.rows if not row["control"]}
    assert kept["FCS"] == 1.0
    assert kept["MSG"] == 0.75
    assert any("hang on the linkage" in note and "75%" in note for note in table.notes)


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_have_no_rank_interval(seeds):
    names = {"retrain": 0.0, "ft": 0.1, "msg": 0.2}
    rows = [row for name, loss in names.items() for row in cell(name, [loss] * seeds, [0.5] * seeds)]
    table = rank(joined(rows))
    assert all(row["retdev_rank_low"] is None for row in table.rows)
    assert any("no rank intervals" in note for note in table.notes)


def test_firmness_does_not_depend_on_the_order_of_records():
    rows = many_seeds({"ft": 0.1, "msg": 0.105, "ct": 0.11, "kde": 0.3})
    turned = rows[::-1]
    assert rank(joined(rows)).rows == rank(joined(turned)).rows


def test_tow_is_a_metric():
    found = by_label(many_seeds({"ft": 0.05, "msg": 0.3, "ct": 0.7}), metrics=["tow"])
    assert found["FT"]["tow_rank"] == 1
    assert found["FT"]["tow_mean"] == pytest.approx(0.95, abs=0.005)


def analyses(accuracies: dict[str, list[float | None]], **changes) -> list[dict]:
    """Index rows of a U-LiRA per method, with its accuracy in every split."""
    return [
        run(
            "ulira",
            kind="attack",
            method=name,
            scores={"by_split": splits, "auc_online": 0.5},
            id=name,
            base=name,
            **changes,
        )
        for name, splits in accuracies.items()
    ]


def test_ulira_is_ranked_split_by_split():
    noise = [0.01 * (-1) ** i for i in range(16)]
    rows = analyses({n: [m + e for e in noise] for n, m in {"retrain": 0.5, "ft": 0.52, "ct": 0.7}.items()})
    table = rank(ulira_records(rows, TITLES), metrics=["ulira"])
    found = {row["label"]: row for row in table.rows}
    assert any("test over splits" in note for note in table.notes)
    assert (found["FT"]["ulira_rank"], found["CT"]["ulira_rank"]) == (1, 2)
    assert found["FT"]["ulira_mean"] == pytest.approx(0.52)
    assert found["FT"]["ulira_n"] == 16
    assert found["retrained"]["ulira_rank"] is None
    assert found["FT"]["ulira_rank_high"] == 1


def test_splits_without_a_scored_sample_play_no_part():
    rows = analyses({"retrain": [0.5, None, 0.5], "ft": [0.6, None, 0.6]})
    found = ulira_records(rows, TITLES)
    assert {(one.method, one.seed) for one in found} == {(m, s) for m in ("retrain", "ft") for s in (0, 2)}


def test_a_crowd_of_configurations_is_not_resampled():
    rows = cell("retrain", [0.0] * 3, [0.5] * 3)
    for number in range(101):
        rows += cell("ft", [0.1, 0.2, 0.3], [0.5] * 3, params={"lr": number})
    table = rank(joined(rows))
    assert len(table.rows) == 102
    assert all(row["retdev_rank_low"] is None and row["retdev_letters"] is None for row in table.rows)


def test_analyses_of_an_earlier_ulira_are_left_out_and_counted():
    """Their figures are of other variances: no ranking mixes both."""

    def analysis(name: str, number: int, **scores):
        more = {"kind": "attack", "method": name, "id": f"{name}{number}", "base": f"{name}{number}"}
        return run("ulira", scores={"by_split": [0.5, 0.6], **scores}, **more)

    old = [analysis("ft", 0), analysis("msg", 0)]
    new = analysis("ft", 1, auc_online=0.5)
    assert {record.id for record in ulira_records([*old, new], TITLES)} == {"ft1"}
    assert (outdated(old), outdated([*old, new]), outdated([new])) == (2, 1, 0)
