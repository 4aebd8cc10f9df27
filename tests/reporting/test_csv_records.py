"""`rank --from`: figures made elsewhere."""

from __future__ import annotations

import pytest
from cli_kit import call, ok

pytestmark = pytest.mark.usefixtures("few_are_grouped")

HEAD = "dataset,model,method,seed,RA,FA,VA,TA,U-MIA,seconds\n"
LINES = (
    "cifar10,resnet18,retrain,0,99.9,87.3,,86.9,50.3,1677\n"
    "cifar10,resnet18,retrain,1,99.9,87.5,,86.8,50.1,1680\n"
    "cifar10,resnet18,FT,0,100,84.8,,82.8,50.3,122\n"
    "cifar10,resnet18,ft,1,100,84.9,,82.7,50.2,121\n"
    "cifar10,resnet18,Their Own,0,86.6,85.2,,78.1,54.0,4\n"
    "cifar10,resnet18,Their Own,1,86.5,85.1,,78.0,54.1,4\n"
)


def write(tmp_path, text):
    path = tmp_path / "figures.csv"
    path.write_text(text)
    return path


def test_figures_from_elsewhere_are_ranked(tmp_path):
    rows = ok("rank", "--from", write(tmp_path, HEAD + LINES), "--json").json
    found = {row["label"]: row for row in rows}
    assert set(found) == {"FT", "Their Own", "Retrained"}
    by_hand = abs(100 / 99.9 - 1) + abs(84.8 / 87.3 - 1) + abs(82.8 / 86.9 - 1)
    by_hand += abs(100 / 99.9 - 1) + abs(84.9 / 87.5 - 1) + abs(82.7 / 86.8 - 1)
    assert found["FT"]["retdev_mean"] == pytest.approx(by_hand / 2)
    assert found["FT"]["indisc_mean"] == pytest.approx(1 - 2 * 0.0025)
    assert (found["FT"]["retdev_rank"], found["Their Own"]["retdev_rank"]) == (1, 2)


def test_shares_and_percent_are_the_same(tmp_path):
    lines = [line.split(",") for line in LINES.splitlines()]
    shares = "\n".join(
        ",".join([*line[:4], *(f"{float(v) / 100:.6f}" if v else "" for v in line[4:9]), line[9]])
        for line in lines
    )
    one = ok("rank", "--from", write(tmp_path, HEAD + LINES), "--json").json
    other = ok("rank", "--from", write(tmp_path, HEAD + shares), "--json").json
    for a, b in zip(one, other, strict=True):
        assert a["retdev_mean"] == pytest.approx(b["retdev_mean"], abs=1e-5)


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("dataset,model,method\n", 2, "lacks the columns seed, RA, FA, TA"),
        (HEAD + "d,m,ft,0,abc,1,,1,,\n", 2, "line 2: RA 'abc' is not a number"),
        (HEAD + "d,m,ft,x,1,1,,1,,\n", 2, "line 2: seed"),
        (HEAD + "d,m,ft,0,1,1,,1,,\n", 2, "no row of method retrain"),
        (HEAD, 3, "has no row"),
    ],
)
def test_bad_figures(tmp_path, text, code, says):
    said = call("rank", "--from", write(tmp_path, text))
    assert (said.code, says in " ".join(said.err.split())) == (code, True), said.err
    assert call("rank", "--from", tmp_path / "no.csv").code == 3


RAW = (  # the columns of a table made from what the released benchmark prints
    "dataset,model,objective,method,seed,model_path,runtime_seconds,Retain,Forget,Val,Test,Val MIA,Test MIA,"
    "status,error_message\n"
    "cifar10,resnet18,o10,naive,0,/x,1677.0,0.999,0.873,0.871,0.869,0.497,0.503,,\n"
    "cifar10,resnet18,o10,naive,1,/x,1680.0,0.999,0.875,0.872,0.868,0.497,0.501,,\n"
    "cifar10,resnet18,o10,original,0,/x,1800.0,1.0,1.0,0.88,0.88,0.58,0.58,,\n"
    "cifar10,resnet18,o10,original,1,/x,1800.0,1.0,1.0,0.88,0.88,0.58,0.58,,\n"
    "cifar10,resnet18,o10,kgltop2,0,/x,228.0,0.988,0.824,0.81,0.808,0.51,0.507,,\n"
    "cifar10,resnet18,o10,kgltop2,1,/x,227.0,0.988,0.826,0.81,0.809,0.51,0.506,,\n"
    'cifar10,resnet18,o10,fisher,0,/x,25.0,0.0991,0.096,0.1,0.1,,,partial_mia_failure,"Val MIA failed:\n'
    'All the 10 fits failed, it says"\n'
    'cifar10,resnet18,o10,fisher,1,/x,25.0,0.0991,0.096,0.1,0.1,,,partial_mia_failure,"Val MIA failed:\n'
    'All the 10 fits failed, it says"\n'
    "cifar10,resnet18,o10,finetune,0,/x,122.0,1.0,0.848,0.83,0.828,0.512,0.503,,\n"
    "cifar10,resnet18,o10,finetune,1,/x,121.0,1.0,0.849,0.83,0.827,0.512,0.502,,\n"
)


def said(*args):
    """Both streams, a line."""
    result = call(*args)
    return result.code, " ".join((result.out + result.err).split())


def test_the_released_benchmarks_table_is_read_as_it_is(tmp_path):
    path = write(tmp_path, RAW)
    found = {row["label"]: row for row in ok("rank", "--from", path, "--json").json}
    assert set(found) == {"FT", "MSG", "FF", "Do nothing", "Retrained"}
    assert [found[name]["control"] for name in ("Retrained", "Do nothing", "MSG")] == [True, True, False]
    assert (found["FF"]["retdev_F"], found["FF"]["indisc_F"], found["FF"]["n"]) == (1, 1, 0)
    assert found["MSG"]["indisc_mean"] == pytest.approx(1 - 2 * 0.0065)
    text = said("rank", "--from", path)[1]
    assert (
        "F: FF on cifar10 resnet18 has no usable model for seed 0, 1 (partial_mia_failure: Val MIA failed)"
        in text
    )


def test_table_2_scores_and_retention_of_figures_from_elsewhere(tmp_path):
    path = write(tmp_path, RAW)
    speeds = {row["label"]: row for row in ok("report", "--from", path, "--json").json}
    assert speeds["MSG"]["rte_mean"] == pytest.approx((1677 / 228 + 1680 / 227) / 2)
    assert speeds["Do nothing"]["rte_n"] == 0
    scores = {row["label"]: row for row in ok("report", "--from", path, "--table", "scores", "--json").json}
    assert scores["MSG"]["dTA_mean"] == pytest.approx(-0.06)
    assert scores["MSG"]["VA_mean"] == pytest.approx(0.81)
    kept = {row["label"]: row for row in ok("report", "--from", path, "--table", "retention", "--json").json}
    assert kept["FT"]["RTE_mean"] == pytest.approx((1677 / 122 + 1680 / 121) / 2)
    assert (
        ok("report", "--from", path, "--table", "1", "--json").json
        == ok("rank", "--from", path, "--json").json
    )


@pytest.mark.parametrize("table", ["sizes", "classes", "weights", "sweep"])
def test_tables_of_runs_are_not_made_of_figures(tmp_path, table):
    code, text = said("report", "--from", write(tmp_path, RAW), "--table", table)
    assert (code, f"--table {table} takes runs" in text) == (2, True)


@pytest.mark.parametrize("metric", ["js", "mia_gap", "ulira"])
def test_metrics_of_runs_are_not_made_of_figures(tmp_path, metric):
    code, text = said("rank", "--from", write(tmp_path, RAW), "--metric", metric)
    assert (code, f"--metric {metric} takes runs" in text) == (2, True)


def test_a_run_and_a_file_are_two_sources(tmp_path):
    assert call("report", "abcd", "--from", write(tmp_path, RAW)).code == 2


FULL = "dataset,model,method,seed,RA,FA,TA,classes,status,seconds\n"
RETRAINED = "d,m,retrain,0,99,80,80,10,,9\nd,m,retrain,1,99,81,80,10,,9\n"


def rows_of(tmp_path, *lines, head=FULL, first=RETRAINED):
    return {row["method"]: row for row in
            ok("rank", "--from", write(tmp_path, head + first + "\n".join(lines) + "\n"), "--json").json}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("d,m,bad,1,10,11,9,10,,1", "retain accuracy 10.0%, at chance for 10 classes"),
        ("d,m,bad,1,98,79,79,10,failed,1", "(failed)"),
        ("d,m,bad,1,,,,10,OOM,1", "(OOM)"),
        ("d,m,bad,1,-1,-1,-1,10,error,1", "(error)"),
        ("d,m,bad,1,nan,79,79,10,,1", "(no finite scores)"),
        ("d,m,bad,1,,79,79,10,,1", "(no finite scores)"),
        ("d,m,bad,1,55,54,53,2,,1", "retain accuracy 55.0%, at chance for 2 classes"),
        ("d,m,bad,1,1.0%,1.1%,1.0%,100,,1", "retain accuracy 1.0%, at chance for 100 classes"),
    ],
)
def test_an_unusable_row_is_f_and_makes_no_group_of_all_others(tmp_path, row, why):
    lines = ["d,m,bad,0,98,79,79,10,done,1", row]
    lines += [f"d,m,a,{seed},98,79,79,10,ok,1" for seed in (0, 1)]
    lines += [f"d,m,b,{seed},90,70,70,10,OK,1" for seed in (0, 1)]
    lines += [f"d,m,c,{seed},80,60,60,10,,1" for seed in (0, 1)]
    found = rows_of(tmp_path, *lines)
    assert [found[name]["retdev_F"] for name in ("bad", "a", "b", "c")] == [1, 0, 0, 0]
    assert [found[name][f"retdev_G{i}"] for i, name in enumerate("abc", 1)] == [1, 1, 1]
    assert why in said("rank", "--from", tmp_path / "figures.csv")[1]


def test_what_chance_is_follows_the_dataset_the_column_or_an_assumption_that_is_told(tmp_path):
    head = "dataset,model,method,seed,RA,FA,TA\n"
    for dataset, accuracy, failed in (
        ("cifar100", 10, 0),
        ("cifar100", 1.1, 1),
        ("cifar10", 10, 1),
        ("x", 10, 1),
    ):
        first = f"{dataset},m,retrain,0,99,80,80\n"
        line = f"{dataset},m,ft,0,{accuracy},{accuracy},{accuracy}"
        assert rows_of(tmp_path, line, head=head, first=first)["ft"]["retdev_F"] == failed, dataset
        text = said("rank", "--from", tmp_path / "figures.csv")[1]
        assert ("number of classes not known: x; 10 are assumed" in text) == (dataset == "x")
    assert "a column classes says it" in text
    rows_of(tmp_path, "x,m,ft,0,90,80,80", head=head, first="x,m,retrain,0,99,80,80\n")
    assert "number of classes" not in said("rank", "--from", tmp_path / "figures.csv")[1]


def test_seeds_without_a_retrained_model_are_named_below_every_table(tmp_path):
    lines = [f"d,m,{name},{seed},98,79,79,10,,1" for name in ("a", "b") for seed in (0, 1, 2)]
    found = rows_of(tmp_path, *lines, "d,m,retrain,3,9,9,9,10,,1", "d,m,a,3,98,79,79,10,,1")
    assert (found["a"]["n"], found["a"]["retdev_n"]) == (4, 2)
    path = tmp_path / "figures.csv"
    for table, what in (("1", "the ranking"), ("2", "RTE"), ("scores", "every gap and ratio")):
        text = said("report", "--from", path, "--table", table)[1]
        assert f"{what} leaves out seed 2, 3 on d m: no usable retrained model" in text, table
        assert "needs a usable row of method retrain for seed 2,3" in text


def test_a_file_without_attacks_does_not_tell_to_attack_its_lines(tmp_path):
    rows_of(tmp_path, "d,m,a,0,98,79,79,10,,1", "d,m,a,1,98,79,79,10,,1")
    for table in ("1", "scores"):
        text = said("report", "--from", tmp_path / "figures.csv", "--table", table)[1]
        assert "attack umia" not in text
        assert "not given in" in text


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["d,m,a,0,-3,79,79,10,,1"], "line 4: RA -3 is negative"),
        (["d,m,a,0,101,79,79,10,,1"], "line 4: RA 101 is over 100 %"),
        (["d,m,a,0,inf,79,79,10,,1"], "line 4: RA inf is infinite"),
        (["d,m,a,0,98,0.79,79,10,,1"], "line 4: FA 0.79 beside RA 99 in line 2: shares and percent"),
        (["d,m,a,0,0.98,0.79,0.79,10,,1"], "line 4: RA 0.98 beside RA 99 in line 2"),
        (["d,m,a,0,98,79,79,10,maybe,1"], "line 4: status 'maybe' is neither done nor failed"),
        (
            ["d,m,a,0,98,79,79,10,,1", "d,m,a,0,98,78,79,10,,1"],
            "line-4 and line-5 are both a of seed 0 on d m",
        ),
        (
            ["d,m,FT,0,98,79,79,10,,1", "d,m,finetune,0,98,78,79,10,,1"],
            "line-4 and line-5 are both FT of seed 0",
        ),
        (["d,m,a,nan,98,79,79,10,,1"], "line 4: seed 'nan' is not a whole number"),
        (["d,m,a,4.5,98,79,79,10,,1"], "line 4: seed '4.5' is not a whole number"),
        (["d,m,a,inf,98,79,79,10,,1"], "line 4: seed inf is infinite"),
        (["d,m,a,,98,79,79,10,,1"], "line 4: the column seed is empty"),
        (["d,m,,0,98,79,79,10,,1"], "line 4: the column method is empty"),
        (["d,m,a,0,98,79,79,10,,-1"], "line 4: seconds -1 is negative"),
        (["d,m,a,0,98,79,79,1,,1"], "line 4: 1 classes"),
        (["d,m,a,0,98,79"], "line 4: 6 cells for 10 columns"),
        (["d,m,a,0,98,5,79,5,79,10,,1"], "line 4: 12 cells for 10 columns"),
    ],
)
def test_values_that_cannot_be_are_refused_by_line(tmp_path, lines, says):
    path = write(tmp_path, FULL + RETRAINED + "\n".join(lines) + "\n")
    for args in (("rank",), ("report",), ("report", "--table", "scores")):
        code, text = said(*args, "--from", path)
        assert (code, says in text) == (2, True), text


def test_accuracies_in_percent_beside_attacks_in_shares(tmp_path):
    """Each has its unit; within one of the two all values have the same."""
    head = "dataset,model,method,seed,RA,FA,TA,U-MIA\n"
    lines = "d,m,retrain,0,99,80,80,0.5\nd,m,a,0,98,79,0,0.54\n"
    [row] = [
        r for r in ok("rank", "--from", write(tmp_path, head + lines), "--json").json if r["method"] == "a"
    ]
    assert row["indisc_mean"] == pytest.approx(0.92)
    code, text = said("rank", "--from", write(tmp_path, head + lines.replace("0.54", "54")))
    assert (code, "U-MIA 0.5 beside U-MIA 54 in line 3" in text) == (2, True)


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ("dataset,model,method,seed,RA,FA,TA,Retain", "columns 'RA' and 'Retain' both say RA"),
        ("dataset,model,method,seed,RA,FA,TA,ra", "both say RA"),
        ("dataset,model,method,seed,RA,FA", "lacks the columns TA"),
        ("", "lacks the columns dataset"),
    ],
)
def test_headers_that_cannot_be(tmp_path, head, says):
    code, text = said("rank", "--from", write(tmp_path, head + "\n"))
    assert (code, says in text) == (2, True), text


def test_spaces_and_case_in_names_do_not_matter(tmp_path):
    head = " Dataset, MODEL,Method ,seed,retain ,FORGET,test,Runtime_Seconds  \n"
    lines = "cifar10 , m, Naive,0,0.99,0.8,0.8,10\ncifar10,m , KGLtop5,0,0.98,0.8,0.8,5\n"
    found = ok("report", "--from", write(tmp_path, head + lines), "--json").json
    assert {row["label"]: row["rte_mean"] for row in found} == {"CT": 2.0, "Retrained": 1.0}
