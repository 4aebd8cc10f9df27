"""`deepunlearn show`: everything about one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.listing import when
from deepunlearn_cli.cli.options import complete_refs
from deepunlearn_cli.cli.parameter import argument
from deepunlearn_cli.cli.reading import read_refs
from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.core.recipe import FORGOTTEN, Recipe
from deepunlearn_cli.reporting.table import Column, Table

if TYPE_CHECKING:
    from deepunlearn_cli.store import Run, Store

SHOWN = 20  # classes


@register(
    app,
    "show",
    "deepunlearn show 3f9c",
    "deepunlearn show 3f9c --json | jq .recipe.params",
    "deepunlearn runs --last 2 -q | deepunlearn show -",
)
def show(
    session: Session,
    refs: Annotated[
        list[str],
        argument(metavar="RUN", help="Run ids, or - for ids on stdin.", autocompletion=complete_refs),
    ],
) -> Result:
    """Show a run: its recipe, scores, facts, inputs, training log and files."""
    store = session.store()
    runs = [store.find(ref) for ref in read_refs(refs)]
    asked = _requests(store, runs)
    return Result(tables=[_shown(session, run, asked[run.id]) for run in runs], notes=_unread(runs))


def _unread(runs: Sequence[Run]) -> list[str]:
    """What is not told of runs whose model is code."""
    from deepunlearn_cli.studies.distances import unagreed

    unlearned = {one.recipe.model for one in runs if one.recipe.kind == "unlearn"}
    models = sorted(filter(unagreed, unlearned)) if unlearned else []
    return [
        f"weight distances need its code: `deepunlearn report --table weights --model {quote(model)}`"
        for model in models
    ]


def _shown(session: Session, run: Run, requests: Sequence[str]) -> Table:
    whole = {
        "id": run.id,
        "recipe": run.recipe.to_json(),
        "inputs": {name: recipe.key for name, recipe in run.recipe.inputs.items()},
        "setting": run.recipe.setting,
        "classes": classes_of(session, run.recipe),
        "requests": requests,
        "trained_for": [one.spec for one in session.store().purposes.of(run.id)],
        "scores": run.scores,
        "weights": _weights(session, run) if run.recipe.kind == "unlearn" else {},
        "facts": run.facts,
        "log": run.log(),
        "files": run.files,
        "bytes": run.size,
        "path": str(run.path),
    }
    if session.console.json:
        return Table("deepunlearn.show/1", "", [], [whole])
    return _sheet(whole, run.recipe)


def _weights(session: Session, run: Run) -> Mapping[str, float]:
    """Verification error and its kin; loads torch, so only where there may be some."""
    from deepunlearn_cli.studies.distances import of_run

    with session.runner("cpu", create=False) as runner:
        return of_run(run, runner)


def _requests(store: Store, runs: Sequence[Run]) -> dict[str, list[str]]:
    """By run the IDs of the requests that it answers, or audited, says the ledger.

    Of a broken ledger as far as it goes.
    """
    from deepunlearn_cli.store.ledger import Ledger
    from deepunlearn_cli.store.requests import requests_of

    found: dict[str, list[str]] = {run.id: [] for run in runs}
    with suppress(Failure):
        for name, request in requests_of(Ledger(store.root).read().entries).items():
            for key in found.keys() & request.evidence:
                found[key].append(name)
    return found


def _sheet(whole: Mapping[str, Any], recipe: Recipe) -> Table:
    lines: list[dict[str, str]] = []
    for section in ("what", "params", "scores", "weights", "facts", "inputs", "log", "files"):
        for name, value in _section(section, whole, recipe):
            lines.append({"section": section, "name": name, "value": value})
    columns = [Column(name, lambda line, name=name: str(line[name])) for name in ("section", "name", "value")]  # type: ignore[misc]
    keys = [Column("run", lambda _: str(whole["id"]), id=True)]
    return Table("deepunlearn.show/1", f"run {whole['id']}", columns, lines, (), keys, lead=2)


def _section(section: str, whole: Mapping[str, Any], recipe: Recipe) -> list[tuple[str, str]]:
    from deepunlearn_cli.execution.recipes import hyperparameters

    if section == "what":
        known = {"classes": _counted(whole["classes"]), "trained for": ", ".join(whole["trained_for"])}
        known |= {"requests": ", ".join(whole["requests"])}
        told = _what(recipe) | {name: value for name, value in known.items() if value}
        return [(name, _text(value)) for name, value in told.items()]
    if section == "params":
        return [(name, _text(value)) for name, value in hyperparameters(recipe).items()]
    if section == "log":
        return [(str(n), _text(entry)) for n, entry in enumerate(whole["log"], start=1)]
    if section == "files":
        return [
            ("path", whole["path"]),
            ("files", ", ".join(whole["files"])),
            ("bytes", f"{whole['bytes']:,}"),
        ]
    told = {**whole[section]}
    if section == "facts" and "created" in told:
        told["created"] = when(told["created"])
    return [(name, _text(value)) for name, value in told.items()]


def classes_of(session: Session, recipe: Recipe) -> list[str]:
    """Names of the classes, in the order of the model's outputs; empty where the pictures are gone."""
    from deepunlearn_cli import data

    with suppress(Failure, KeyError):
        return list(data.load_dataset(recipe.data["fingerprint"], session.store().data).classes)
    return []


def _counted(names: Sequence[str]) -> str:
    shown = ", ".join(f"{number} {name}" for number, name in enumerate(names[:SHOWN]))
    return shown + (f", ... {len(names)} in all" if len(names) > SHOWN else "")


def _what(recipe: Recipe) -> dict[str, Any]:
    forget = recipe.labels.get("forget", "")
    return {
        "kind": recipe.kind,
        "name": recipe.name,
        "dataset": recipe.labels.get("dataset", ""),
        "model": recipe.model,
        "seed": recipe.seed,
        "precision": recipe.precision,
        "forget": f"{forget} (SHA-256 {recipe.forget})" if recipe.forget else "",
        **({"after": ", ".join(recipe.labels[FORGOTTEN])} if FORGOTTEN in recipe.labels else {}),
        **({"left out": left_out} if (left_out := recipe.labels.get("left_out")) else {}),
        **{
            name: recipe.labels[name]
            for name in ("file", "run", "made", "preset", "study", "trial", "fresh")
            if name in recipe.labels
        },
        **dict(recipe.data),
    }


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_text(one)}" for name, one in value.items())
    return ", ".join(map(_text, value)) if isinstance(value, list) else str(value)
