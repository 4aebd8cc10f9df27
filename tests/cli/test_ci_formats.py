"""What a CI job is told: a step summary with annotations for GitHub, and a JUnit report."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from cli_kit import call, ok, refused

from deepunlearn_cli.reporting.findings import junit, log_lines
from deepunlearn_cli.reporting.formats import render
from deepunlearn_cli.reporting.table import FAILED, OPEN, PASSED, Column, Finding, Table

OUTCOMES = {"ft": PASSED, "ga": FAILED, "iu": OPEN}
ROWS = [{"method": name, "dataset": "digits"} for name in ("ft", "ga", "iu", "retrain")]
METHOD, DATASET = (Column(name, lambda row, name=name: row[name]) for name in ("method", "dataset"))


def judge(row):
    outcome = OUTCOMES.get(row["method"])
    return outcome and Finding(outcome, row["method"], f"{row['method']}: 5 % <off>,\nor more")


TABLE = Table("deepunlearn.x/1", "A title", [METHOD], ROWS, (), [DATASET], judge=judge)


def test_annotations_have_a_level_each_and_escape_what_github_reads():
    assert log_lines([TABLE]) == [
        "::notice title=deepunlearn.x%3A ft::ft: 5 %25 <off>,%0Aor more",
        "::error title=deepunlearn.x%3A ga::ga: 5 %25 <off>,%0Aor more",
        "::warning title=deepunlearn.x%3A iu::iu: 5 %25 <off>,%0Aor more",
    ]


def test_junit_has_a_test_per_finding_and_no_control():
    suite = ET.fromstring(junit([TABLE])).find("testsuite")
    assert suite is not None
    assert {name: suite.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "3",
        "failures": "1",
        "errors": "1",
    }
    cases = {case.get("name"): [part.tag for part in case] for case in suite}
    assert cases == {"ft": ["system-out"], "ga": ["failure", "system-out"], "iu": ["error", "system-out"]}
    assert {case.get("classname") for case in suite} == {"deepunlearn.x.digits"}


def test_a_summary_has_the_answers_before_the_table():
    text = render(TABLE, "github")
    assert text.index("### A title") < text.index("- ga: 5 %") < text.index("| method")


@pytest.fixture
def table(tmp_path):
    """A CSV of figures in which one method failed for a seed."""
    path = tmp_path / "figures.csv"
    lines = ["dataset,model,method,seed,RA,FA,TA,U-MIA,status"]
    for seed in (0, 1):
        lines += [
            f"digits,cnn,retrain,{seed},0.99,0.9,0.9,0.5,done",
            f"digits,cnn,ft,{seed},0.99,0.9,0.9,0.5,done",
        ]
    lines += ["digits,cnn,ga,0,0.99,0.9,0.9,0.5,done", "digits,cnn,ga,1,,,,,failed"]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_step_summary_is_appended_and_the_log_has_the_annotations(table, tmp_path):
    page = tmp_path / "summary.md"
    page.write_text("before\n")
    said = ok("rank", "--from", table, "--format", "github", env={"GITHUB_STEP_SUMMARY": str(page)})
    assert page.read_text().startswith("before\n### Table 1")
    assert said.lines == ["::warning title=deepunlearn.rank%3A GA::GA: 1 of 2 runs gave no usable model"]
    ok("report", "--from", table, "--format", "github", env={"GITHUB_STEP_SUMMARY": str(page)})
    assert page.read_text().count("### Table") == 2


def test_without_a_page_the_summary_is_on_stdout_and_annotations_beside_it(table):
    said = ok("rank", "--from", table, "--format", "github", env={"GITHUB_STEP_SUMMARY": ""})
    assert said.out.startswith("### Table 1")
    assert "::warning title=" in said.err
    assert "::warning" not in said.out


def test_junit_of_a_ranking_is_xml_in_a_file(table, tmp_path):
    ok("rank", "--from", table, "--out", tmp_path / "rank.xml")
    cases = {one.get("name"): one for one in ET.parse(tmp_path / "rank.xml").iter("testcase")}
    assert set(cases) == {"FT", "GA"}
    assert cases["GA"].find("error") is not None
    assert cases["FT"].find("error") is None


def test_an_attack_on_saved_scores_is_a_test(tmp_path):
    for name, values in (("forget", range(60)), ("test", range(3, 63))):
        (tmp_path / f"{name}.txt").write_text("\n".join(f"{value / 100 + 0.01}" for value in values))
    words = ("attack", "umia", "--scores", tmp_path / "forget.txt", "--against", tmp_path / "test.txt")
    said = call(*words, "--gate", "--format", "junit")
    assert said.code in (0, 4, 5)
    (case,) = ET.fromstring(said.out).iter("testcase")
    assert case.get("name") == "forget"
    assert (case.find("failure") is None and case.find("error") is None) == (said.code == 0)
    summary = call(*words, "--format", "github", "--out", tmp_path / "audit.md")
    assert "### U-MIA" in (tmp_path / "audit.md").read_text()
    assert "title=deepunlearn.umia%3A forget::" in summary.err


def test_what_passes_or_fails_nothing_is_no_report_of_tests():
    with pytest.raises(Exception, match="nothing to pass or fail"):
        junit([Table("x/1", "", [METHOD], ROWS)])


def test_an_unknown_format_is_refused_before_any_work(tmp_path):
    refused("attack", "umia", "3f9c", "--format", "xml", "--store", tmp_path, code=2, says=("junit",))
