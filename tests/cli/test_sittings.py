"""A bench in several sittings: what is written down, carried elsewhere and gone on with there."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from contextlib import nullcontext
from pathlib import Path
from shlex import join

import pytest
from cli_kit import call, ok, running, until
from sittings_kit import carried_out

PLAN = """
datasets = ["digits"]
models = ["resnet-tiny"]
methods = ["ga", "do-nothing", "retrain"]
seeds = "0-1"
tables = ["1", "scores", "sweep"]
[training]
epochs = 1
[params.ga]
epochs = 1
[sweep]
trials = 2
originals = 1
confirm = 0
"""
TIMED = {"incomparable", *(f"RTE_{end}" for end in ("mean", "sd", "n", "runs"))}  # others' load decides


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return carried_out(tmp_path_factory.mktemp("made"), PLAN)


@pytest.fixture
def plan(tmp_path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    return path


def tables(*words: object) -> list[str]:
    """The rankings, scores and searches, to the digit."""
    return [ok("report", "--table", name, "--json", *words).out for name in ("1", "scores", "sweep")]


def untimed(*words: object) -> list[object]:
    """The same without the seconds that two makings of one run take."""
    return [
        [
            {key: value for key, value in json.loads(line).items() if key not in TIMED}
            for line in text.splitlines()
        ]
        for text in tables(*words)
    ]


def test_tables_of_an_export_are_those_of_the_store(tmp_path, made):
    store, file = made / "store", made / "figures.jsonl"
    nowhere = ("--store", tmp_path / "none")
    assert tables("--store", store) == tables("--from", file, *nowhere)
    for form in ("table", "markdown", "csv"):
        assert (
            ok("report", "--table", "2", "--format", form, "--store", store).out
            == ok("report", "--table", "2", "--format", form, "--from", file, *nowhere).out
        )
    assert ok("rank", "--store", store).out == ok("rank", "--from", file, *nowhere).out
    where = ("--method", "ga", "--where", "epochs=1", "--json")
    assert ok("rank", *where, "--store", store).out == ok("rank", *where, "--from", file, *nowhere).out
    for metric in ("mia_gap", "mia_gap_entropy"):
        here, there = (
            ok("rank", "--metric", metric, "--json", *w) for w in (("--store", store), ("--from", file))
        )
        assert here.out == there.out
    said = call("rank", "--metric", "js", "--from", file)
    assert (said.code, "figures only" in said.err) == (2, True)
    assert not (tmp_path / "none").exists()
    assert "safetensors" in file.read_text(), "what was left is told"
    assert file.stat().st_size < 200_000


def test_what_a_file_says_is_not_made_again_nor_said_twice(tmp_path, plan, made):
    store, file, fresh = made / "store", tmp_path / "figures.jsonl", tmp_path / "fresh"
    shutil.copy(made / "figures.jsonl", file)
    before = file.read_text().count('{"run"')
    said = ok("bench", plan, "--store", fresh, "--resume-from", file, "--export", file)
    assert "seed 0" not in said.err, "nothing is made again"
    assert file.read_text().count('{"run"') == before
    assert tables("--store", store) == tables("--store", fresh)
    assert call("verify", "--store", fresh).code == 0


def killed(plan: Path, store: Path, file: Path, after: float, *more: object) -> int | None:
    """A bench in a process of its own, killed after some time, or at its end by then."""
    words = ("bench", plan, "--store", store, "--export", file, *more)
    with running(*words, cwd=plan.parent) as child:
        time.sleep(after)
        child.process.kill()
        child.process.join()
        return child.process.exitcode


def in_sittings(plan: Path, rng: random.Random, kills: int, usual: float, place: Path) -> Path:
    """The store of the last of several sittings, each in a fresh store from what the killed one wrote."""
    file, more = place / "0.jsonl", ()
    for number in range(kills):
        killed(plan, place / f"store{number}", file, rng.uniform(0.2, usual), *more)
        more = ("--resume-from", file) if file.exists() else ()
    last = place / "last"
    ok("bench", plan, "--store", last, "--export", file, *more)
    assert tables("--store", last) == tables("--store", place / "none", "--from", file)
    return last


@pytest.mark.slow
def test_killed_and_gone_on_with_elsewhere_ends_with_the_same_tables(tmp_path, plan):
    store = tmp_path / "store"
    began = time.monotonic()
    ok("bench", plan, "--store", store)
    last = in_sittings(plan, random.Random(1), 1, time.monotonic() - began, tmp_path)
    assert untimed("--store", store) == untimed("--store", last)


@pytest.mark.slow
def test_killed_at_ten_random_moments(tmp_path, plan):
    store = tmp_path / "store"
    began = time.monotonic()
    ok("bench", plan, "--store", store)
    last = in_sittings(plan, random.Random(0), 10, time.monotonic() - began, tmp_path)
    assert untimed("--store", store) == untimed("--store", last)


def test_terminated_leaves_a_file_that_says_all_that_was_sealed(tmp_path, plan):
    store, file = tmp_path / "store", tmp_path / "figures.jsonl"
    words = ("bench", plan, "--store", store, "--export", file)
    with running(*words, cwd=tmp_path) as child:
        until(lambda: len(list(store.glob("runs/*/????????????????/manifest.json"))) > 4)
        child.send(signal.SIGTERM)
        said = child.wait()
    assert said.code == 143, said
    told = {line["run"] for line in map(json.loads, file.read_text().splitlines()) if "run" in line}
    rows = [json.loads(line) for line in ok("runs", "--store", store, "--json").lines]
    assert told >= {row["id"] for row in rows if row["kind"] != "trial"}


def test_a_time_limit_stops_says_how_far_it_came_and_what_goes_on(tmp_path, plan):
    file = tmp_path / "figures.jsonl"
    plan.write_text(PLAN.replace("epochs = 1", "epochs = 3000", 1))
    words = ("bench", plan, "--store", tmp_path / "store", "--export", file)
    said = call(*words, "--time-limit", "2s")
    assert said.code == 6, said
    assert "time is up" in said.err
    assert said.out == "", "no seed is whole"
    goes_on = join(map(str, ["deepunlearn", *words, "--time-limit", "2s", "--resume-from", file]))
    assert f"to go on here or elsewhere: `{goes_on}" in said.err
    assert call("verify", "--store", tmp_path / "store").code == 0
    assert file.read_text().startswith('{"schema":1')
    refused = call(*words, "--time-limit", "soon")
    assert (refused.code, "--time-limit 'soon' is not a time" in refused.err) == (2, True)


def test_what_is_whole_when_time_is_up_is_shown(tmp_path, plan, monkeypatch):
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.system.alarm import TimeUp

    usual = Runner._make

    def first_seed_only(runner, recipe):
        if recipe.root.seed:
            raise TimeUp
        return usual(runner, recipe)

    monkeypatch.setattr(Runner, "_make", first_seed_only)
    said = call("bench", plan, "--store", tmp_path / "store", "--json")
    assert said.code == 6
    assert {row["schema"] for row in said.json} >= {
        "deepunlearn.report.scores/1",
        "deepunlearn.report.sweep/1",
    }
    said = call("bench", plan, "--store", tmp_path / "store")
    assert (said.code, "are left" in said.err) == (6, True), said
    assert "to go on in this store: `deepunlearn bench" in said.err


def test_a_dry_run_counts_what_comes_from_elsewhere_and_writes_nothing(tmp_path, plan, made):
    store, file = tmp_path / "store", tmp_path / "never.jsonl"
    words = ("bench", plan, "--dry-run", "--json", "--store", store)
    fresh = ok(*words).json
    known = ok(*words, "--resume-from", made / "figures.jsonl", "--export", file).json
    assert sum(row["runs"] - row["there"] for row in fresh) > 0
    assert sum(row["runs"] - row["there"] for row in known) == 0
    assert not file.exists()
    assert not ok("runs", "--store", store).lines
    assert not list(store.glob("studies/*"))


def test_searches_in_a_database_do_not_travel_and_that_is_said(tmp_path, plan):
    words = ("bench", plan, "--database", f"sqlite:///{tmp_path}/searches.db", "--store", tmp_path / "store")
    for more in (("--export", tmp_path / "f.jsonl"), ("--resume-from", tmp_path / "f.jsonl")):
        said = call(*words, *more)
        assert (said.code, "carry the searches of a store" in said.err) == (2, True), said


def test_what_was_sealed_while_nobody_looked_is_told(tmp_path, plan, monkeypatch):
    """A signal comes between the sealing of a run and its reporting: of an original for a search here."""
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.system.alarm import TimeUp

    usual = Runner._make

    def sealed_and_stopped(runner, recipe):
        usual(runner, recipe)
        raise TimeUp

    monkeypatch.setattr(Runner, "_make", sealed_and_stopped)
    store, file = tmp_path / "store", tmp_path / "figures.jsonl"
    assert call("bench", plan, "--store", store, "--export", file).code == 6
    (original,) = ok("runs", "--store", store, "--json").json
    assert f'{{"run":"{original["id"]}"' in file.read_text()


def test_a_file_stays_readable_when_a_signal_comes_before_its_line(tmp_path, made, monkeypatch):
    from deepunlearn_cli.cli.record import taken
    from deepunlearn_cli.store import Store
    from deepunlearn_cli.store.figures import Figures, FiguresFile

    store = Store.open(made / "store", create=False)
    run = store.find(ok("runs", "--kind", "unlearn", "--store", made / "store").lines[0])
    file = FiguresFile(tmp_path / "figures.jsonl")
    with monkeypatch.context() as patched:
        patched.setattr(file, "_append_text", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            file.tell(run, taken)
    file.tell(run, taken)
    assert set(Figures.of([file.path]).runs) == {run.id}


def _interrupted(text: str) -> None:
    raise KeyboardInterrupt


def test_what_lacks_an_attack_is_made_again_for_its_outputs_and_said_so(tmp_path, plan, made):
    store, file = made / "store", tmp_path / "figures.jsonl"
    lines = (made / "figures.jsonl").read_text().splitlines(keepends=True)
    attacks = [n for n, line in enumerate(lines) if '"attacked"' in line or '"accuracy_low"' in line]
    del lines[attacks[0]]
    file.write_text("".join(lines))
    said = ok("bench", plan, "--store", tmp_path / "fresh", "--resume-from", file)
    assert "made again for their weights" in said.err
    assert untimed("--store", store) == untimed("--store", tmp_path / "fresh")


def test_files_are_mended_added_up_and_checked(tmp_path, plan, made):
    store, file = made / "store", made / "figures.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    torn, other = tmp_path / "torn.jsonl", tmp_path / "other.jsonl"
    torn.write_text("".join(lines[:-3]) + lines[-3][:40])
    ok("report", "--from", torn, "--store", tmp_path / "none")
    ok("bench", plan, "--store", store, "--export", torn)
    assert tables("--from", torn) == tables("--store", store), "half a line was cut, the rest told"
    other.write_text("".join([lines[0], *lines[1:]]))
    assert tables("--from", torn, "--from", other) == tables("--store", store)
    edited = tmp_path / "edited.jsonl"
    edited.write_text("".join(one.replace('"RA":0', '"RA":1', 1) for one in lines))
    said = call("rank", "--from", edited)
    assert (said.code, "was edited or damaged" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [(None, 2, "nothing known"), ("{}\n", 2, "no file of figures"), ("[1]\n", 2, "")],
)
def test_what_is_no_file_of_figures_is_refused(tmp_path, plan, text, code, words):
    file = tmp_path / "odd.jsonl"
    if text is None:
        said = call("rank", "--from", file, "--from", tmp_path / "more.csv")
    else:
        file.write_text(text)
        said = call("rank", "--from", file)
    assert said.code == code, said
    assert words in said.err
    assert "unexpected" not in said.err


def test_tables_of_weights_take_no_figures(tmp_path, plan):
    file = tmp_path / "figures.jsonl"
    file.write_text("{}\n")
    assert "figures only" in call("report", "--table", "weights", "--from", file).err
    plan.write_text(PLAN.replace('"sweep"]', '"classes"]'))
    said = call("bench", plan, "--store", tmp_path / "store", "--resume-from", file)
    assert (said.code, "table classes looks at weights or outputs" in said.err) == (2, True)


@pytest.mark.slow
def test_seconds_of_models_that_were_made_again_alone_are_those_of_the_table(tmp_path, plan, monkeypatch):
    """Of two sittings: in the first one the machine was never idle, and it was cut off as it found that out."""
    plan.write_text(PLAN.partition("[sweep]")[0].replace('"scores", "sweep"', '"2"') + "[timing]\nseed = 0\n")
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    _busy(monkeypatch, others=1)
    ok("bench", plan, "--store", tmp_path / "one", "--export", first)
    lines = first.read_text().splitlines(keepends=True)
    again = next(n for n, line in enumerate(lines) if '"recipe"' in line and '"attempt":1' in line)
    first.write_text("".join(lines[:again]))
    _busy(monkeypatch, others=0)
    store = tmp_path / "two"
    ok("bench", plan, "--store", store, "--resume-from", first, "--export", second)
    alone = [run for run in map(json.loads, second.read_text().splitlines()) if _is_alone(run)]
    assert alone, "they were made again, and told"
    both = ("--from", first, "--from", second)
    for name in ("1", "2", "scores"):
        assert table_of(name, "--store", store) == table_of(name, *both) == table_of(name, "--from", second)
    (row,) = [row for row in json_rows("scores", *both) if row["method"] == "ga"]
    assert row["RTE_runs"], row
    assert {*row["RTE_runs"]} <= {run["run"] for run in alone}, row
    assert row["RTE_mean"] is not None


def _busy(monkeypatch: pytest.MonkeyPatch, others: int) -> None:
    """So many runs beside ours, whatever the machine does."""
    from deepunlearn_cli.engine import cost

    monkeypatch.setattr(cost, "_presence", lambda: nullcontext(lambda: others))
    monkeypatch.setattr(cost._Machine, "was_crowded", lambda self: False)


def _is_alone(line: dict[str, object]) -> bool:
    facts = line.get("facts")
    return isinstance(facts, dict) and facts.get("shared") is False and facts.get("seconds", 0) > 0


def table_of(name: str, *words: object) -> str:
    return ok("report", "--table", name, "--json", *words).out


def json_rows(name: str, *words: object) -> list[dict[str, object]]:
    return ok("report", "--table", name, "--json", *words).json
