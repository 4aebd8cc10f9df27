"""Tables of runs and plans."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from deepunlearn_cli.attacks import ATTACKS
from deepunlearn_cli.core.specs import following
from deepunlearn_cli.reporting.table import Column, Row, Table

if TYPE_CHECKING:
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.core.rows import IndexRow
    from deepunlearn_cli.execution.runner import Runner, Step
    from deepunlearn_cli.store import Problem, Run
    from deepunlearn_cli.store.merging import Standing


SHORT = 8  # digits of an id that stands among other words


class PlanStep(TypedDict):
    """A run that a command needs: its `state` (`made`, `failed` or `make`), and the disk that it takes."""

    state: str
    id: str
    kind: str
    name: str
    dataset: str
    model: str
    forget: str
    seed: int
    params: Mapping[str, Any]
    megabytes: float


def run_table(runs: Sequence[Run], title: str = "") -> Table:
    """Runs as rows."""
    from deepunlearn_cli.store.index import row

    return row_table([row(run.recipe, run.scores, run.facts) for run in runs], title)


def row_table(rows: Sequence[IndexRow], title: str = "") -> Table:
    """Index rows as a table: what it is, how good it is, what it cost."""
    columns = [
        Column("id", lambda r: str(r["id"]), id=True),
        Column("run", _name),
        Column("dataset", lambda r: str(r["dataset"])),
        Column("model", lambda r: str(r["model"])),
        Column("seed", lambda r: str(r["seed"]), right=True),
        Column("forget", lambda r: following(r["forget_label"] or "", r.get("forgotten_labels", ()))),
        Column("result", _result),
        Column("seconds", lambda r: _number(r["seconds"], "{:.1f}"), right=True, spare=True),
        Column("created", lambda r: when(r["created"]), spare=True),
    ]
    return Table("deepunlearn.run/1", title, columns, rows, lead=2)


def problem_table(problems: Sequence[Problem]) -> Table:
    """In what runs differ from their manifests."""
    rows = [{"id": problem.id, "file": problem.file, "problem": problem.what} for problem in problems]
    columns = [
        Column("id", lambda row: str(row["id"]), id=True),
        Column("file", lambda row: str(row["file"])),
        Column("problem", lambda row: str(row["problem"])),
    ]
    return Table("deepunlearn.problem/1", "", columns, rows)


def standing_table(
    apart: Sequence[Standing], ours: Mapping[str, IndexRow], theirs: Mapping[str, IndexRow]
) -> Table:
    """Runs in which two stores differ; `ours` and `theirs` are the index rows by id."""
    rows = [_standing(one, ours.get(one.id), theirs.get(one.id)) for one in apart]
    columns = [
        Column("id", lambda r: str(r["id"]), id=True),
        Column("state", lambda r: str(r["state"])),
        Column("run", lambda r: str(r["name"])),
        Column("dataset", lambda r: str(r["dataset"])),
        Column("model", lambda r: str(r["model"])),
        Column("seed", lambda r: str(r["seed"]), right=True),
        Column("differ", lambda r: ", ".join(r["files"])),
        Column("here", lambda r: _result(r["here"]) if r["here"] else ""),
        Column("there", lambda r: _result(r["there"]) if r["there"] else ""),
    ]
    return Table("deepunlearn.store-diff/1", "", columns, rows)


def _standing(one: Standing, ours: IndexRow | None, theirs: IndexRow | None) -> Row:
    known: Row = ours or theirs or {}
    about = {name: known.get(name) for name in ("kind", "name", "dataset", "model", "seed")}
    answers = {"here": _answer(ours), "there": _answer(theirs)}
    return {"id": one.id, "state": one.state, **about, "files": list(one.files), **answers}


def _answer(row: IndexRow | None) -> Row | None:
    return row and {name: row[name] for name in ("kind", "name", "status", "reason", "scores", "device")}


def plan_table(runner: Runner, recipes: Sequence[Recipe]) -> Table:
    """What the runner would do for these recipes, with the disk that it needs."""
    steps = runner.plan(recipes)
    rows = [_step(step, runner.size(step.recipe) if step.state == "make" else 0) for step in steps]
    columns = [
        Column("state", lambda r: str(r["state"])),
        Column("id", lambda r: str(r["id"]), id=True),
        Column("kind", lambda r: str(r["kind"])),
        Column("run", lambda r: str(r["name"])),
        Column("dataset", lambda r: str(r["dataset"])),
        Column("model", lambda r: str(r["model"])),
        Column("forget", lambda r: str(r["forget"])),
        Column("seed", lambda r: str(r["seed"]), right=True),
        Column("MB", lambda r: _number(r["megabytes"], "{:.0f}"), right=True),
    ]
    return Table("deepunlearn.plan/1", "", columns, rows, [_plan_note(rows)])


def _step(step: Step, size: int) -> PlanStep:
    recipe = step.recipe
    return {
        "state": step.state,
        "id": recipe.key,
        "kind": recipe.kind,
        "name": recipe.name,
        "dataset": recipe.labels.get("dataset", ""),
        "model": recipe.model,
        "forget": recipe.labels.get("forget", "") if recipe.forget else "",
        "seed": recipe.seed,
        "params": dict(recipe.params),
        "megabytes": size / 1e6,
    }


def _plan_note(rows: Sequence[PlanStep]) -> str:
    to_make = [r for r in rows if r["state"] == "make"]
    there = len(rows) - len(to_make)
    return (
        f"{len(to_make)} to make, {there} there already, {sum(r['megabytes'] for r in to_make):,.0f} MB more"
    )


def _name(item: Row) -> str:
    attempt = f" (attempt {item['attempt']})" if item["attempt"] else ""
    attacked = (item.get("method") or item["target"][:SHORT]) if item["kind"] == "attack" else ""
    return f"{item['name']}{f' on {attacked}' if attacked else ''}{attempt}"


def _result(item: Row) -> str:
    if item["status"] == "failed":
        return f"failed: {item['reason']}"
    scores = item["scores"]
    if item["kind"] == "attack":
        known = ATTACKS.known(item["name"])
        headline = known.headline() if known else next(iter(scores), "")
        return f"{headline} {_number(scores.get(headline), '{:.3f}')}" if headline else ""
    named = [(name, scores.get(name)) for name in ("RA", "FA", "VA", "TA")]
    return " ".join(f"{name} {value:.1%}" for name, value in named if value is not None)


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def when(created: float | None) -> str:
    """A time for people, in local time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(created)) if created else ""
