"""`deepunlearn requests`: deletion requests, how far each is, and what the ledger says of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.parameter import argument, option
from deepunlearn_cli.cli.requesting import complete_requests
from deepunlearn_cli.core.errors import Failure, UsageFailure, unknown
from deepunlearn_cli.core.events import AUDITED, CERTIFIED, PURGED, STATES, UNLEARNED
from deepunlearn_cli.reporting.requests import entry_table, picture_table, request_table
from deepunlearn_cli.reporting.table import Table

if TYPE_CHECKING:
    from deepunlearn_cli.store import Store
    from deepunlearn_cli.store.ledger import Entry
    from deepunlearn_cli.store.requests import Request


@register(
    app,
    "requests",
    "deepunlearn requests",
    "deepunlearn requests --state received,unlearned --older-than 25    # due",
    "deepunlearn requests DSR-117",
    "deepunlearn requests DSR-117 --names    # while the pictures are there",
    "deepunlearn requests --json | jq -r 'select(.age_days>30).request'",
    "deepunlearn requests --head > head.txt    # keep it elsewhere",
)
def requests(
    session: Session,
    ids: Annotated[
        list[str] | None,
        argument(
            metavar="ID",
            help="Requests to show whole, or - for IDs on stdin; all in short if none.",
            autocompletion=complete_requests,
        ),
    ] = None,
    state: Annotated[
        str | None,
        option(metavar="STATE[,STATE]", help=f"Only these: {', '.join(STATES)}."),
    ] = None,
    older_than: Annotated[
        int | None, option(metavar="DAYS", help="Only those received longer ago.", min=0)
    ] = None,
    names: Annotated[
        bool, option("--names", help="Name the pictures of ID too; the ledger itself never does.")
    ] = False,
    head: Annotated[
        bool, option("--head", help="Print the SHA-256 of the ledger's last line, nothing else.")
    ] = False,
) -> Result:
    """List deletion requests and how far each is; with ID, all that the ledger says of it.

    A request is recorded by `unlearn --request ID`; attacks on its models record their verdicts. A pipe gets
    the IDs, or an ID's entries as tab-separated lines. Dates are UTC; days are since it was received.
    """
    from deepunlearn_cli.store.ledger import Ledger
    from deepunlearn_cli.store.requests import find, requests_of

    _check(ids, state, older_than, names=names, head=head)
    store = session.store()
    entries = Ledger(store.root).entries()
    if head:
        return _head(session, entries)
    known = requests_of(entries)
    if ids:
        return Result(tables=[
            table for one in _read_ids(ids) for table in _whole(store, find(known, one), names=names)
        ])  # fmt: skip
    every, states = list(known.values()), _states(state)
    kept = [one for one in every if _is_kept(one, states, older_than)]
    rows = [request_row(one) for one in kept]
    return Result(tables=[request_table(rows)], ids=[one.id for one in kept], notes=_notes(every, kept))


def _head(session: Session, entries: Sequence[Entry]) -> Result:
    from deepunlearn_cli.store.chain import end_of

    digest = end_of(entries)
    if session.console.json:
        row = {"lines": len(entries), "sha256": digest}
        return Result(tables=[Table("deepunlearn.ledger-head/1", "", [], [row])])
    return Result(text=digest, notes=[f"of line {len(entries)}"])


def _read_ids(given: Sequence[str]) -> list[str]:
    """IDs as they were typed, each once; `-` stands for those on stdin, one a line."""
    read = [name for one in given for name in (_stdin() if one == "-" else [one])]
    if not (found := list(dict.fromkeys(one for one in read if one.strip()))):
        raise UsageFailure("no request was named on stdin", "deepunlearn requests | deepunlearn requests -")
    return found


def _stdin() -> list[str]:
    hint = "deepunlearn requests | deepunlearn requests -"
    if sys.stdin.isatty():
        raise UsageFailure("- reads IDs from a pipe, and stdin is a terminal", hint)
    try:
        return [line.split("\t")[0].strip() for line in sys.stdin]
    except OSError as error:
        raise UsageFailure(f"stdin cannot be read: {error.strerror}", hint) from None


def request_row(request: Request) -> dict[str, Any]:
    """A request in short, as plain data."""
    dates = {name: request.when(name) for name in (UNLEARNED, AUDITED, CERTIFIED, PURGED)}
    return {
        "request": request.id,
        "state": request.state,
        "received": request.received,
        "age_days": request.age(),
        **dates,
        "forget": request.about.get("forget"),
        "models": list(request.about.get("models", ())),
        "runs": [_run_row(request, key) for key in (*request.runs, *request.later)],
        "note": request.about.get("note"),
        "entries": len(request.entries),
    }


def _run_row(request: Request, key: str) -> dict[str, Any]:
    """A model that unlearned for a request, or for a later one, with the audits of it that count."""
    audits = request.audits(key)
    details = request.runs[key].details if key in request.runs else audits[-1].details
    passed = [one.details for one in audits if one.details.get("verdict") == "PASS"]
    names = ("attack", "forget", "verdict", "tolerance", "fail_above", "do_nothing", "uninformative")
    return {
        "id": key,
        "method": details.get("method"),
        "ckpt": details.get("ckpt"),
        "later": key not in request.runs,
        "verdict": (verdict := request.verdict(key)),
        "uninformative": verdict == "PASS" and any(one.get("uninformative") for one in passed),
        "audits": [{name: one.details.get(name) for name in names} for one in audits],
    }


def _whole(store: Store, request: Request, *, names: bool) -> list[Table]:
    """Every entry of a request, and if asked its pictures."""
    rows = [
        {
            **{name: getattr(one, name) for name in ("number", "at", "request", "event", "previous")},
            "details": dict(one.details),
            "sha256": one.digest,
            "together": _is_of_several(request, one),
        }
        for one in request.entries
    ]
    about = f"request {request.id}: {request.state}, received {request.received}, {request.age()} days ago"
    return [entry_table(rows, about), *([_pictures(store, request)] if names else [])]


def _is_of_several(request: Request, entry: Entry) -> bool:
    """Whether it audited this request and earlier ones together."""
    asked, audited = request.about.get("forget", {}).get("sha256"), entry.details.get("forget")
    return entry.event == AUDITED and None not in (asked, audited) and asked != audited


def _pictures(store: Store, request: Request) -> Table:
    """Names of a request's pictures, from what the store still has of them.

    Raises:
        NotFound: the forget set or the pictures are gone, as after a purge.
    """
    from deepunlearn_cli import data

    forget = data.load_forget(request.about["forget"]["sha256"], store.data)
    run = next(filter(None, map(store.get, request.runs)), None)
    try:
        dataset = data.load_dataset(run.recipe.data["fingerprint"], store.data) if run else None
    except Failure:
        dataset = None
    rows = [
        {
            "request": request.id,
            "index": index,
            "number": dataset.number_of(index) if dataset else index,
            "class": dataset.classes[int(dataset.labels[index])] if dataset else "",
            "path": dataset.paths[index] if dataset and dataset.paths else None,
        }
        for index in forget.indices.tolist()
    ]
    return picture_table(rows, f"{len(rows)} pictures of request {request.id}")


def _check(
    ids: list[str] | None, state: str | None, older_than: int | None, *, names: bool, head: bool
) -> None:
    """Refuse what does not go together.

    Raises:
        UsageFailure: saying what.
    """
    filters = state is not None or older_than is not None
    if ids and filters:
        raise UsageFailure("--state and --older-than choose among all, and an ID was given too", "give one")
    if names and not ids:
        raise UsageFailure("--names goes with a request's ID", "deepunlearn requests lists them")
    if head and (ids or filters):
        raise UsageFailure("--head is of the whole ledger", "deepunlearn requests --head")
    _states(state)


def _states(text: str | None) -> Sequence[str]:
    """States as they were typed.

    Raises:
        UsageFailure: one that there is not.
    """
    if text is None:
        return STATES
    states = [one.strip() for one in text.split(",")]
    for one in states:
        if one not in STATES:
            failure = unknown("state", one, STATES, f"--state takes {', '.join(STATES)}")
            raise UsageFailure(failure.message, failure.hint)
    return states


def _is_kept(request: Request, states: Sequence[str], older_than: int | None) -> bool:
    return request.state in states and (older_than is None or request.age() > older_than)


def _notes(every: Sequence[Request], kept: Sequence[Request]) -> list[str]:
    if not every:
        return ["0 requests; `unlearn --request ID` records one"]
    states = [one.state for one in every]
    counts = ", ".join(f"{states.count(one)} {one}" for one in STATES if one in states)
    shown = "" if len(kept) == len(every) else f"{len(kept)} of "
    return [f"{shown}{len(every)} requests: {counts}"]
