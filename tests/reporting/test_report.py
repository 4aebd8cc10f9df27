from __future__ import annotations

import csv
import io
import json
import math
import random
from pathlib import Path

import pytest
from synthetic import WIDTH, attack, by_label, cell, joined, run, width

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.reporting.efficiency import AVERAGE, efficiency_table
from deepunlearn_cli.reporting.formats import FORMATS, format_of, render, render_all
from deepunlearn_cli.reporting.rank import rank
from deepunlearn_cli.reporting.scores import retention_table, scores_table
from deepunlearn_cli.reporting.table import UNKNOWN, Column, Table

TABLES = (rank, efficiency_table, scores_table, retention_table)
# arXiv 2410.01276, table 2 (ResNet18): CIFAR-10, CIFAR-100, MNIST, Fashion-MNIST, UTKFace, mean
TABLE_2 = {
    "MSG": (6.80, 4.49, 4.29, 3.32, 7.57, 5.29),
    "CFW": (4.67, 6.17, 4.29, 4.90, 5.54, 5.11),
    "PRMQ": (4.93, 4.34, 3.77, 3.77, 5.88, 4.54),
    "CT": (17.49, 11.82, 5.83, 4.47, 13.34, 10.59),
    "KDE": (6.33, 3.98, 3.27, 3.22, 8.19, 5.00),
    "FT": (8.15, 5.16, 5.07, 4.29, 5.78, 5.69),
}


def paper_rows():
    for i, dataset in enumerate(["cifar10", "cifar100", "mnist", "fashion-mnist", "utkface"]):
        place = {"dataset": dataset, "model": "resnet18", "setting": f"s{i}"}
        yield run("retrain", seconds=100.0, work=50.0, **place)
        for name, speeds in TABLE_2.items():
            yield run(name, seconds=100 / speeds[i], work=50 / speeds[i], **place)


def pair(seeds=3, **changes):
    losses = [0.001 * seed for seed in range(seeds)]
    rows = cell("retrain", losses, [0.5] * seeds, seconds=100.0, work=50.0, **changes)
    rows += cell("do-nothing", losses, [0.6] * seeds, seconds=0.0, work=0.0, **changes)
    rows += cell("msg", [0.1] * seeds, [0.51] * seeds, seconds=20.0, work=5.0, **changes)
    return rows + cell("ft", [0.05] * seeds, [0.49] * seeds, seconds=25.0, work=10.0, **changes)


def test_table_2s_averages_follow_from_its_rows():
    averages = by_label(efficiency_table(joined(list(paper_rows()))), AVERAGE)
    for name, row in TABLE_2.items():
        assert averages[name]["rte_mean"] == pytest.approx(row[-1], abs=0.0051)
        assert averages[name]["rte_work_mean"] == pytest.approx(row[-1], abs=0.0051)
        assert averages[name]["rte_n"] == 5
    assert averages["retrained"]["rte_mean"] == 1


def test_run_time_efficiency_per_seed():
    rows = pair()
    rows = [row | {"seconds": 50.0} if row["id"].startswith("retrain-1") else row for row in rows]
    table = efficiency_table(joined(rows))
    found = by_label(table)
    assert found["MSG"]["rte_mean"] == pytest.approx((5 + 2.5 + 5) / 3)
    assert found["MSG"]["rte_sd"] == pytest.approx(math.sqrt(2.5**2 / 3))
    assert (found["MSG"]["rte_work_mean"], found["MSG"]["rte_n"]) == (10, 3)
    assert (found["retrained"]["rte_mean"], found["retrained"]["rte_sd"]) == (1, 0)
    assert math.isnan(found["do nothing"]["rte_mean"])
    assert [row[2] for row in table.cells()] == ["3.33±1.15", "4.17±1.44", UNKNOWN, "1.00±0.00"]
    assert AVERAGE not in {row["pair"] for row in table.rows}


@pytest.mark.parametrize("change", [{"device": "other"}, {"shared": True}])
@pytest.mark.parametrize(("whose", "count", "text"), [("msg-0", 1, "5.00±0.00*"), ("msg", 3, "*")])
def test_seconds_are_compared_only_where_they_can_be(change, whose, count, text):
    table = efficiency_table(joined([row | change if row["id"].startswith(whose) else row for row in pair()]))
    [i] = [i for i, row in enumerate(table.rows) if row["label"] == "MSG"]
    assert table.cells()[i][2] == text
    assert len(table.rows[i]["incomparable"]) == count
    assert table.rows[i]["rte_work_n"] == 3
    assert any(note.startswith(f"* {count} run") for note in table.notes)


def test_a_declared_fact_is_a_column_where_some_run_has_it():
    assert "host MB" not in efficiency_table(joined(pair())).headers()
    rows = [row | {"peak_memory": 4e6 * (1 + row["seed"])} if row["name"] == "msg" else row for row in pair()]
    table = efficiency_table(joined(rows))
    column = table.headers().index("host MB")
    assert {cells[0]: cells[column] for cells in table.cells()} == {
        "FT": UNKNOWN, "MSG": "8±4", "do nothing": UNKNOWN, "retrained": UNKNOWN,
    }  # fmt: skip
    assert by_label(table)["MSG"]["peak_memory_mean"] == 8e6


def test_a_shared_retrain_is_still_one():
    rows = [row | {"shared": True} if row["name"] == "retrain" else row for row in pair()]
    found = by_label(efficiency_table(joined(rows)))
    assert found["retrained"]["rte_mean"] == 1
    assert math.isnan(found["MSG"]["rte_mean"])


def test_runs_without_a_retrained_model_of_their_seed_are_left_out():
    rows = [row for row in pair() if not row["id"].startswith("retrain-2")]
    assert by_label(efficiency_table(joined(rows)))["MSG"]["rte_n"] == 2


def test_scores_against_the_same_seed():
    table = scores_table(joined(pair()))
    found = by_label(table)
    assert found["MSG"]["dTA_mean"] == pytest.approx(-0.099)
    assert found["MSG"]["dFA_mean"] == found["retrained"]["RetDev_mean"] == 0
    assert found["MSG"]["TR_mean"] == pytest.approx(0.89, abs=0.001)
    assert found["MSG"]["Indisc_mean"] == pytest.approx(0.98)
    assert (found["MSG"]["dFA_near"], found["MSG"]["dTA_near"]) == (True, False)
    line = next(cells for cells in table.cells() if cells[0] == "MSG")
    assert line[:3] == ["MSG", "3", "99.0±0.0"]
    assert line[6:8] == ["+0.0≈", "-9.9"]


def test_scores_without_retrained_models_still_show_accuracies():
    rows = [row for row in pair() if row["name"] != "retrain"]
    table = scores_table(joined(rows))
    assert by_label(table)["MSG"]["TA_mean"] == pytest.approx(0.8)
    assert math.isnan(by_label(table)["MSG"]["RetDev_mean"])
    assert any("--method retrain" in note for note in table.notes)
    with pytest.raises(NotFound, match="no usable retrained"):
        efficiency_table(joined(rows))


def test_failed_runs_are_counted_and_named():
    rows = [
        row | {"status": "failed", "reason": "diverged"} if row["id"].startswith("msg-1") else row
        for row in pair()
    ]
    table = scores_table(joined(rows))
    [cells] = [cells for cells in table.cells() if cells[0] == "MSG"]
    assert cells[1] == "2/3"
    assert any(note.startswith("MSG on") and "seed 1 (diverged)" in note for note in table.notes)


def test_one_seed_is_printed_without_deviation():
    table = scores_table(joined(pair(seeds=1)))
    assert not any("±" in cell for cells in table.cells() for cell in cells)
    assert math.isnan(by_label(table)["MSG"]["RA_sd"])


def test_several_pairs_are_told_apart_by_what_differs():
    table = scores_table(joined([*pair(), *pair(setting="s1", dataset="mnist")])).told()
    assert table.headers()[:2] == ["dataset", "method"]
    assert [cells[:2] for cells in table.cells()][3:5] == [["digits", "retrained"], ["mnist", "FT"]]
    assert any("model resnet-small, forget random:0.1" in note for note in table.notes)


@pytest.mark.parametrize("make", TABLES)
def test_a_pipe_has_dataset_model_and_forget_set_of_every_row(make):
    lines = render(make(joined(pair())), "tsv").split("\n")
    assert lines[0].split("\t")[:3] == ["dataset", "model", "forget"]
    assert {tuple(line.split("\t")[:3]) for line in lines[1:]} == {("digits", "resnet-small", "random:0.1")}


def test_pairs_of_one_name_stay_apart():
    table = efficiency_table(joined([*pair(), *pair(setting="s1")]))
    assert len({row["pair"] for row in table.rows}) == 3


@pytest.mark.parametrize("make", TABLES)
@pytest.mark.parametrize("pairs", [1, 9])
def test_tables_fit_a_terminal(make, pairs):
    rows = []
    for i in range(pairs):
        place = {
            "dataset": "fashion-mnist",
            "model": "tiny-vit-21m",
            "setting": f"s{i}",
            "forget_label": "class:3:0.5",
        }
        rows += pair(seeds=10, **place)
        for lr in (0.00012345, 0.1):
            wild = [
                {"RA": 1.0, "FA": 0.1 * (s % 9 + 1), "VA": 0.5, "TA": 0.1 * (s % 8 + 1)} for s in range(10)
            ]
            many = [
                run(
                    "kde",
                    s,
                    scores=wild[s],
                    params={"lr": lr, "weight_decay": lr},
                    seconds=0.1 + s % 2 / 3,
                    **place,
                )
                for s in range(10)
            ]
            rows += many + [attack(one, 0.1 * (s % 9)) for s, one in enumerate(many)]
    for number, row in enumerate(rows):
        row |= {"peak_memory": 1e8 * (1 + number % 20), "peak_device_memory": 2e9 * (1 + number % 20)}
    table = make(joined(rows))
    assert width(table) <= WIDTH, table.cells()[:9]


@pytest.mark.parametrize("make", TABLES)
def test_the_order_of_records_does_not_matter(make):
    rows = [*pair(), *pair(setting="s1", dataset="mnist")]
    plain = make(joined(rows))
    random.Random(0).shuffle(rows)
    assert str(make(joined(rows)).rows) == str(plain.rows)


def test_no_records_are_not_found():
    for make in TABLES:
        with pytest.raises(NotFound):
            make([])


def test_every_figure_names_its_runs():
    for row in scores_table(joined(pair())).rows:
        assert len(row["TA_runs"]) == row["TA_n"] == 3


def test_json_is_one_object_per_line_without_nan():
    for make in TABLES:
        table = make(joined(pair(seeds=1)))
        lines = [json.loads(line, parse_constant=pytest.fail) for line in render(table, "jsonl").split("\n")]
        assert {line["schema"] for line in lines} == {table.name}
        assert len(lines) == len(table.rows)
    assert lines[0]["RA_sd"] is None


def test_csv_holds_plain_values():
    table = scores_table(joined(pair()))
    lines = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert float(lines[0]["TA_mean"]) == table.rows[0]["TA_mean"]
    assert lines[0]["TA_runs"].split() != []


def test_tsv_has_a_header_and_one_line_per_row():
    rows = [*pair(), *(run("kde", params={"learning_rate": lr}) for lr in (0.1, 0.2))]
    lines = render(scores_table(joined(rows)), "tsv").split("\n")
    assert len(lines) == 1 + 6
    assert len({line.count("\t") for line in lines}) == 1


@pytest.mark.parametrize("name", FORMATS)
def test_formats_render_every_table_even_without_rows(name):
    from dataclasses import replace

    table = rank(joined(pair()))
    assert "MSG" in render(table, name)
    assert not render(table, name).endswith("\n")
    bare = replace(table, rows=[])
    if name == "junit":
        with pytest.raises(UsageFailure, match="nothing to pass or fail"):
            render(bare, name)
    else:
        render(bare, name)


def test_a_job_s_summary_has_a_heading_and_no_loose_pipes():
    rows = [{"name": "a|b", "n": 1}, {"name": "c", "n": 2}]
    columns = [Column("name", lambda row: row["name"]), Column("n", lambda row: str(row["n"]), right=True)]
    lines = render(Table("x/1", "Title", columns, rows, ["a note"]), "github").split("\n")
    assert lines[:2] == ["### Title", ""]
    assert len({line.replace("\\|", "").count("|") for line in lines[2:6]}) == 1
    assert "a\\|b" in lines[4]
    assert lines[6:] == ["", "- a note"]


def test_markdown_and_latex():
    table = efficiency_table(joined(pair()))
    assert render(table, "markdown").startswith("| method")
    assert r"$\pm$" in render(table, "latex")
    assert "±" not in render(table, "latex")
    with pytest.raises(NotFound, match="unknown format"):
        render(table, "markdwon")


AWKWARD = {"batch_size": (64, 128), "a_long_name_of_a_parameter": (0.000123, 12.5), "mask": (True, False)}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("make", TABLES)
def test_no_hyperparameter_is_broken_in_any_format(make, name):
    settings = [{key: values[i] for key, values in AWKWARD.items()} for i in (0, 1)]
    records = joined([*pair(), *(run("msg", params=params) for params in settings)])
    text = render(make(records), name).replace(r"\_", "_")
    for key, values in AWKWARD.items():
        assert all(f"{key}={value}" in text for value in values), text


def test_names_keep_their_spaces_and_cells_their_ends():
    rows = [{"pair": "folder:my  pics|x\ty_z"}]
    table = Table("x/1", "", [Column("a|b", lambda row: row["pair"])], rows)
    assert render(table, "tsv") == "a|b\nfolder:my  pics|x y_z"
    assert "| folder:my  pics\\|x y_z |" in render(table, "markdown")
    assert "a\\|b" in render(table, "markdown")
    assert r"folder:my  pics\textbar{}x y\_z" in render(table, "latex")


def test_json_is_one_document_and_jsonl_its_lines():
    tables = [make(joined(pair())) for make in TABLES]
    document = json.loads(render_all(tables, "json"), parse_constant=pytest.fail)
    lines = [json.loads(line) for line in render_all(tables, "jsonl").splitlines()]
    assert document == lines
    assert {row["schema"] for row in document} == {table.name for table in tables}
    assert json.loads(render_all([], "json")) == []
    assert [format_of(Path(name)) for name in ("x.json", "x.jsonl", "x.txt")] == ["json", "jsonl", "tsv"]
