"""`deepunlearn replay`: is a run what its recipe makes?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.listing import plan_table
from deepunlearn_cli.cli.parameter import argument, option
from deepunlearn_cli.cli.reading import read_methods, read_refs
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.core.errors import ExitCode, Failure, UsageFailure
from deepunlearn_cli.reporting.table import Column, Table

if TYPE_CHECKING:
    from deepunlearn_cli.execution.remaking import Remaking
    from deepunlearn_cli.execution.replay import Replayed
    from deepunlearn_cli.execution.runner import Reporter
    from deepunlearn_cli.execution.sameness import Part
    from deepunlearn_cli.store import Run, Store

SCHEMA = "deepunlearn.replay/1"
MOST = 1024  # threads
PARTS = ("weights", "outputs", "scores")
Row = dict[str, Any]


class Code(Bundle):
    """Code of the user's that a run was made with: loaded only if it is named here."""

    model: Annotated[
        str | None,
        option(
            metavar="NAME",
            help="The run's model, where that is code of yours (package.module:factory).",
            autocompletion=o.complete_models,
        ),
    ] = None
    method: Annotated[
        str | None,
        option(
            metavar="NAME[,NAME]",
            help="Methods that are plug-ins: ./mine.py:Mine or package.module:Class.",
            autocompletion=o.complete_methods,
        ),
    ] = None
    attack: Annotated[
        str | None,
        option(metavar="NAME", help="An attack that is a plug-in, likewise."),
    ] = None

    def load(self) -> None:
        """Load the plug-ins that were named.

        Raises:
            NotFound, UsageFailure: they cannot be.
        """
        from deepunlearn_cli.attacks import ATTACKS

        if self.method:
            read_methods(self.method)
        if self.attack:
            ATTACKS.get(self.attack)

    def agree(self, run: Run) -> None:
        """Refuse a run whose model is code that nobody named.

        Raises:
            UsageFailure: it is.
        """
        from deepunlearn_cli.checkpoints import consent

        consent.check_run(f"run {run.id}", run.recipe, self.model)


class Place(Bundle):
    """Where runs are made again."""

    device: Annotated[
        str,
        option(
            metavar="NAME",
            envvar="DEEPUNLEARN_DEVICE",
            help="auto, cpu, cuda or cuda:1; auto is a CPU for what was made on one.",
            rich_help_panel=o.RUNNING,
        ),
    ] = "auto"
    threads: Annotated[
        int | None,
        option(
            metavar="N",
            help="Threads of a CPU. (default: as many as each run had)",
            rich_help_panel=o.RUNNING,
        ),
    ] = None
    scratch: Annotated[
        Path | None,
        option(
            metavar="DIR",
            help="Folder for the scratch store, which is gone afterwards. (default: the store)",
            rich_help_panel=o.RUNNING,
        ),
    ] = None
    dry_run: o.DryRun = False

    def check(self) -> None:
        """Refuse no threads, or more than any machine has.

        Raises:
            UsageFailure: they are.
        """
        if self.threads is not None and not 1 <= self.threads <= MOST:
            raise UsageFailure(f"--threads {self.threads} is not from 1 to {MOST}", "--threads 2, say")


@register(
    app,
    "replay",
    "deepunlearn replay 3f9c",
    "deepunlearn replay 3f9c --deep --json",
    "deepunlearn runs --method msg -q | deepunlearn replay -",
    "deepunlearn replay 3f9c --threads 2 --scratch /tmp",
)
def replay(
    session: Session,
    refs: Annotated[
        list[str],
        argument(metavar="RUN", help="Run ids, or - for ids on stdin.", autocompletion=o.complete_refs),
    ],
    deep: Annotated[
        bool, option("--deep", help="Make its inputs again too: originals, targets, models of U-LiRA.")
    ] = False,
    *,
    code: Code,
    place: Place,
) -> Result:
    """Make runs again in a scratch store and compare weights, outputs and scores with the store's.

    Equal bits: exit 0. Equal within rounding, where device, threads or torch are others than then: exit 0 and
    a note of what differs, by how much, and the bound. Anything else: exit 7. The store is left as it was.
    """
    place.check()
    code.load()
    store = session.store()
    runs = {run.id: run for run in (store.find(ref) for ref in read_refs(refs))}
    wanted = [_remaking(run, store, place, deep=deep) for run in runs.values()]
    for run in runs.values():
        code.agree(run)
    if place.dry_run:
        return Result(tables=[_planned(session, one) for one in wanted])
    with session.bars() as bars:
        return _result(_all(wanted, bars), deep=deep)


def _remaking(run: Run, store: Store, place: Place, *, deep: bool) -> Remaking:
    from deepunlearn_cli.execution.remaking import Remaking

    return Remaking(run, store, deep, place.device, place.threads, place.scratch)


def _planned(session: Session, what: Remaking) -> Table:
    """What would be made again, and the disk that it takes."""
    from deepunlearn_cli.execution.replay import planned

    what.check()
    with planned(what) as runner:
        return plan_table(runner, what.recipes)


def _all(wanted: Sequence[Remaking], reporter: Reporter) -> list[Replayed | tuple[Run, Failure]]:
    """Every answer; what is wrong with one run stops no other.

    Raises:
        Failure: it is wrong with the only run, or with the machine.
    """
    from deepunlearn_cli.execution.own import own_failure
    from deepunlearn_cli.execution.replay import replay

    answers: list[Replayed | tuple[Run, Failure]] = []
    for one in wanted:
        try:
            answers.append(replay(one, reporter))
        except Failure as failure:
            if len(wanted) == 1:
                raise
            own = own_failure(one.run.recipe, failure)
            reporter.failed(one.run.recipe, own)
            answers.append((one.run, own))
    return answers


def _result(answers: Sequence[Replayed | tuple[Run, Failure]], *, deep: bool) -> Result:
    rows: list[Row] = []
    notes: list[str] = []
    for answer in answers:
        if isinstance(answer, tuple):
            rows.append(_failed(*answer))
            continue
        rows += [_row(one, answer) for one in answer.every]
        notes += _notes(answer, deep=deep)
    return Result(tables=[_table(rows)], notes=list(dict.fromkeys(notes)), code=_code(answers))


def _code(answers: Sequence[Replayed | tuple[Run, Failure]]) -> ExitCode:
    from deepunlearn_cli.execution.sameness import DIFFERENT

    failures = [answer[1] for answer in answers if isinstance(answer, tuple)]
    damaged = any(one.code == ExitCode.STORE_CORRUPT for one in failures)
    if damaged or any(not isinstance(one, tuple) and one.worst == DIFFERENT for one in answers):
        return ExitCode.STORE_CORRUPT
    return ExitCode.PARTLY_FAILED if failures else ExitCode.OK


def _notes(answer: Replayed, *, deep: bool) -> list[str]:
    from deepunlearn_cli.execution.replay import explained
    from deepunlearn_cli.execution.sameness import EQUAL

    notes = [f"{one.run.id}: {note}" for one in answer.every for note in one.notes]
    notes += [
        f"{one.run.id}: what computed it is another: {explained(one.apart)}"
        for one in answer.every
        if one.apart and one.state != EQUAL
    ]
    if not deep and answer.run.recipe.inputs:
        notes.append("inputs were taken from the store; --deep makes them again too")
    return notes


def _row(one: Replayed, whole: Replayed) -> Row:
    parts = {part.name: _part(part) for part in one.parts}
    return {
        **_about(one.run),
        "asked": one is whole,
        "state": one.state,
        "parts": parts,
        "apart": {name: {"then": then, "now": now} for name, (then, now) in one.apart.items()},
        "notes": list(one.notes),
        "made": whole.made if one is whole else None,
        "seconds": whole.seconds if one is whole else None,
    }


def _failed(run: Run, failure: Failure) -> Row:
    nothing: Row = {"parts": {}, "apart": {}, "made": None, "seconds": None}
    return {**_about(run), "asked": True, "state": "not made", "notes": [failure.message], **nothing}


def _about(run: Run) -> Row:
    recipe = run.recipe
    named = {name: getattr(recipe, name) for name in ("kind", "name", "model", "seed")}
    return {"id": run.id, "dataset": recipe.labels.get("dataset", ""), **named}


def _part(part: Part) -> Row:
    return {name: value for name, value in asdict(part).items() if name != "name"}


def _table(rows: Sequence[Row]) -> Table:
    columns = [
        Column("id", lambda row: row["id"]),
        Column("run", lambda row: row["name"]),
        Column("dataset", lambda row: row["dataset"]),
        Column("model", lambda row: row["model"]),
        Column("seed", lambda row: str(row["seed"]), right=True),
        Column("state", lambda row: row["state"]),
        *(Column(name, lambda row, name=name: _cell(row["parts"].get(name))) for name in PARTS),  # type: ignore[misc]
        Column("seconds", lambda row: "" if row["seconds"] is None else f"{row['seconds']:.1f}", right=True),
    ]
    return Table(SCHEMA, "", columns, rows)


def _cell(part: Row | None) -> str:
    """Equal, or the largest difference and the bound."""
    if part is None:
        return "–"
    if part["state"] == "equal":
        return "equal"
    bound = "" if part["bound"] is None else f" of {part['bound']:.1g}"
    return f"{part['largest']:.1g}{bound}"
