"""`deepunlearn store share`: a store for several people. `store diff`, `store merge`: two stores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli.app import store_app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.listing import problem_table, row_table, standing_table
from deepunlearn_cli.cli.options import DryRun
from deepunlearn_cli.cli.parameter import argument, option
from deepunlearn_cli.cli.reading import read_refs
from deepunlearn_cli.core.errors import ExitCode, UsageFailure

if TYPE_CHECKING:
    from deepunlearn_cli.store import Store
    from deepunlearn_cli.store.merging import Standing

Other = Annotated[Path, argument(metavar="OTHER", help="Folder of the other store.")]


@register(
    store_app,
    "diff",
    "deepunlearn store diff ../their-store",
    "deepunlearn store diff /mnt/laptop/store --json | jq 'select(.state==\"different\")'",
)
def diff(session: Session, other: Other) -> Result:
    """Compare this store with another: runs that only one has, and recipes with two answers.

    Two stores may answer a recipe differently where device, torch or the number of threads differ. Only
    manifests are read: `verify` checks files.
    """
    from deepunlearn_cli.store import merging

    ours, theirs = _both(session, other)
    found = merging.standings(ours, theirs)
    apart = [one for one in found if one.state != merging.SAME]
    table = standing_table(
        apart, {row["id"]: row for row in ours.rows()}, {r["id"]: r for r in theirs.rows()}
    )
    return Result(tables=[table] if apart else [], notes=[_counts(found), *_ledgers(ours, theirs)])


@register(
    store_app,
    "merge",
    "deepunlearn store merge ../their-store --dry-run",
    "deepunlearn store merge ../their-store",
    "deepunlearn store merge ../their-store 3f9c 77ab",
)
def merge(
    session: Session,
    other: Other,
    refs: Annotated[
        list[str] | None,
        argument(metavar="RUN", help="Runs of the other store, or - for ids on stdin; all runs if none."),
    ] = None,
    dry_run: DryRun = False,
) -> Result:
    """Copy into this store what another has, each run with its inputs and checked byte for byte.

    Nothing here is replaced: where both stores answer a recipe, ours stays (`store diff` shows if they
    differ). A whole store brings its searches; decoded pictures stay, and are decoded again when needed. The
    ledger of requests comes whole with any run: its lines are added to ours, each with where it stood.
    """
    from deepunlearn_cli.store import merging, requests
    from deepunlearn_cli.store.ledger import Ledger

    ours, theirs = _both(session, other, create=not dry_run)
    wanted = [theirs.find(ref).id for ref in read_refs(refs)] if refs else theirs.ids()
    every = merging.with_inputs(theirs, wanted)
    lacking = [key for key in every if not ours.has(key)]
    lines = requests.lacking(Ledger(ours.root), Ledger(theirs.root))
    if dry_run:
        rows = {row["id"]: row for row in theirs.rows()}
        size = sum(file.stat().st_size for key in lacking for file in theirs.place(key).iterdir())
        notes = [
            f"{len(lacking)} to copy, {len(every) - len(lacking)} here already, {size / 1e6:,.0f} MB more"
        ]
        notes += [f"{len(lines)} lines of its ledger to add"] if lines else []
        return Result(
            tables=[row_table([rows[key] for key in lacking if key in rows])], ids=lacking, notes=notes
        )
    Ledger(ours.root).bring(lines)  # first: its runs know them
    with session.bars() as bars:
        merged = merging.take(ours, theirs, lacking, bars.progress)
    notes = [f"{len(merged.taken)} runs copied, {len(every) - len(lacking)} were here"]
    notes += [f"{len(lines)} lines of its ledger added"] if lines else []
    notes += [] if refs else _searches(ours, theirs)
    notes += [f"{len(merged.busy)} are being made here now: type the command again"] if merged.busy else []
    left = sorted({problem.id for problem in merged.problems})
    notes += [f"{len(left)} runs were not copied"] if left else []
    new = set(merged.taken)
    taken = [row for row in ours.rows() if row["id"] in new]
    tables = [*([row_table(taken)] if taken else []), *([problem_table(merged.problems)] if left else [])]
    code = ExitCode.PARTLY_FAILED if left or merged.busy else ExitCode.OK
    return Result(tables=tables, ids=merged.taken, notes=notes, code=code)


@register(
    store_app,
    "share",
    "deepunlearn store share --group lab",
    "deepunlearn store share --group lab --store /srv/lab/store",
)
def share(
    session: Session,
    group: Annotated[
        str | None,
        option("--group", metavar="GROUP", help="Who may use it: a group of yours; else the store's own."),
    ] = None,
) -> Result:
    """Open this store to a group, once: what is in it, and whatever anybody makes in it later.

    A store that is not there is made. Others may then read, make and prune runs in it; what their umask says
    does not matter.
    """
    from deepunlearn_cli.system.rights import group_id, share

    store = session.store(create=True)
    named = share(store.root, group_id(group))
    return Result(notes=[f"{store.root} is open to group {named}"])


def _searches(ours: Store, theirs: Store) -> list[str]:
    """Bring the searches of another store, and tell of them."""
    from deepunlearn_cli.sweep.bringing import bring

    brought = bring(ours.studies, theirs.studies)
    notes = [f"{len(brought.taken)} searches copied"] if brought.taken else []
    if brought.differing:
        notes.append(
            f"{len(brought.differing)} searches went on in both stores, and ours stay as they are: "
            f"{', '.join(brought.differing)}"
        )
    return notes


def _ledgers(ours: Store, theirs: Store) -> list[str]:
    """In how many lines two ledgers differ."""
    from deepunlearn_cli.store.chain import lacking
    from deepunlearn_cli.store.ledger import Ledger

    here, there = (Ledger(one.root).entries() for one in (ours, theirs))
    if not here and not there:
        return []
    only_here, only_there = len(lacking(here, there)), len(lacking(there, here))
    both = len(there) - only_there
    return [f"lines of the ledger: {both} in both, {only_here} only here, {only_there} only there"]


def _both(session: Session, other: Path, *, create: bool = False) -> tuple[Store, Store]:
    from deepunlearn_cli.store import Store

    theirs = Store.open(other, create=False)
    if theirs.root.resolve() == session.store_path.expanduser().resolve():
        raise UsageFailure(f"{other} is this store itself", "--store DIR names the one to compare with")
    return session.store(create=create), theirs


def _counts(found: Sequence[Standing]) -> str:
    from deepunlearn_cli.store import merging

    states = [one.state for one in found]
    words = {
        merging.SAME: "the same in both", merging.DIFFERENT: "with two answers", merging.HERE: "only here",
        merging.THERE: "only there", merging.BROKEN: "with a broken manifest",
    }  # fmt: skip
    counts = [f"{states.count(state)} {text}" for state, text in words.items() if state in states]
    return f"{len(found)} runs: {', '.join(counts)}" if found else "both stores are empty"
