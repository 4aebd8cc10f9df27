"""`deepunlearn export`: runs and their curves for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli import outputs
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import ForceOption, Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.filters import equal, kept, nothing
from deepunlearn_cli.cli.finding import Runs
from deepunlearn_cli.cli.only import Only
from deepunlearn_cli.cli.options import complete_kinds, complete_refs
from deepunlearn_cli.cli.parameter import argument, completer, option
from deepunlearn_cli.cli.reading import read_refs
from deepunlearn_cli.core.errors import NotFound, UsageFailure, unknown
from deepunlearn_cli.reporting.flat import FILES

if TYPE_CHECKING:
    from deepunlearn_cli.core.rows import IndexRow
    from deepunlearn_cli.store import Store

MLFLOW = "mlflow"
TARGETS = (*FILES, MLFLOW)


@register(
    app,
    "export",
    "deepunlearn export --to csv --out figures",
    "deepunlearn export --to parquet --out figures --dataset cifar10",
    "deepunlearn export --to mlflow --out mlruns --kind unlearn",
    "deepunlearn runs --name msg -q | deepunlearn export - --to csv --out msg",
    keeps=True,
)
def export(
    session: Session,
    refs: Annotated[
        list[str] | None,
        argument(
            metavar="RUN",
            help="Run ids, or - for ids on stdin; all runs but trials if none.",
            autocompletion=complete_refs,
        ),
    ] = None,
    to: Annotated[
        str, option("--to", metavar="NAME", help=f"{', '.join(TARGETS)}.", autocompletion=completer(TARGETS))
    ] = "csv",
    out: Annotated[
        str, option("--out", metavar="DIR", help="Folder to write into; of mlflow also an address it takes.")
    ] = "",
    kind: Annotated[
        str | None,
        option(
            "--kind",
            metavar="KIND",
            help="Only runs of this kind: `runs --help` lists them.",
            autocompletion=complete_kinds,
        ),
    ] = None,
    *,
    only: Only,
    force: ForceOption = False,
) -> Result:
    """Write runs with their curves for other tools, offline.

    csv and parquet make two tables: `runs` has a row per run (param.*, score.*, fact.*), `curves` a row per
    figure and epoch. mlflow makes a run of each, which `mlflow ui` shows; what is there is not written again.
    """
    if to not in TARGETS:
        raise unknown("format", to, TARGETS, f"--to: {', '.join(TARGETS)}")
    if not out:
        raise UsageFailure("export writes files: where?", f"--out {'mlruns' if to == MLFLOW else 'figures'}")
    _check(to, out, force=force)
    store = session.store()
    rows = _chosen(session, store, refs, kind, only)
    if to == MLFLOW:
        return _tracked(session, store, rows, out)
    return _written(session, store, rows, to, Path(out).expanduser())


def _check(to: str, out: str, *, force: bool) -> None:
    """Refuse, before any work, a library that is missing and a place that is none."""
    from deepunlearn_cli.reporting import flat
    from deepunlearn_cli.studies import tracking

    if to == MLFLOW:
        tracking.check_installed()
    flat.check_format(to)
    if "://" in out and to == MLFLOW:
        return
    if (path := Path(out).expanduser()).exists() and not path.is_dir():
        raise UsageFailure(f"--out {out} is a file", "name a folder")
    for name in ("runs", "curves") if to in FILES and path.is_dir() else ():
        if there := outputs.check("out", path / f"{name}.{to}"):
            outputs.agree("out", there, force=force)


def _chosen(
    session: Session, store: Store, refs: list[str] | None, kind: str | None, only: Only
) -> list[IndexRow]:
    from deepunlearn_cli.execution.makers import MAKERS

    every = Runs(store, session.rows(store))
    found = kept(every.rows, [*equal("--kind", "kind", kind, sorted(MAKERS)), *only.filters(every)])
    if found.why:
        raise nothing(found)
    if refs:
        wanted = {store.find(ref).id for ref in read_refs(refs)}
        rows = [row for row in found.rows if row["id"] in wanted]
    else:
        rows = [row for row in found.rows if kind or row["kind"] != "trial"]
    if not rows:
        raise NotFound("no run to export", "deepunlearn runs lists what there is")
    return rows


def _tracked(session: Session, store: Store, rows: list[IndexRow], out: str) -> Result:
    from deepunlearn_cli.studies import tracking

    with session.bars() as bars:
        made, there = tracking.log_all(store, rows, out, bars.progress)
    return Result(notes=[f"{made} runs written to {out}, {there} were there"])


def _written(session: Session, store: Store, rows: list[IndexRow], form: str, folder: Path) -> Result:
    from deepunlearn_cli.reporting import flat
    from deepunlearn_cli.store import Run

    curves: list[flat.CurveRow] = []
    with session.bars() as bars:
        for done, row in enumerate(rows, start=1):
            curves += flat.curve_rows(row["id"], Run(row["id"], store.place(row["id"])).log())
            bars.progress(done, len(rows), "exporting")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = flat.write(folder, form, [flat.run_row(row) for row in rows], curves)
    except OSError as error:
        raise UsageFailure(
            f"cannot write --out {folder}: {error.strerror}", "choose another folder"
        ) from None
    return Result(notes=[f"{len(rows)} runs, {len(curves)} figures of curves: {', '.join(map(str, paths))}"])
