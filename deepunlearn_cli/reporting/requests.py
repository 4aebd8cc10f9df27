"""Deletion requests as tables: how far each is, and all that the ledger says of some."""

from __future__ import annotations

from collections.abc import Sequence

from deepunlearn_cli.reporting.table import UNKNOWN, Column, Row, Table

SHOWN = 12  # hex digits of a hash


def request_table(rows: Sequence[Row]) -> Table:
    """A line a request; rows as `cli/requests.py` makes them."""
    columns = [
        Column("request", lambda r: str(r["request"])),
        Column("state", lambda r: str(r["state"])),
        Column("since", lambda r: day(r[r["state"]])),
        Column("received", lambda r: day(r["received"])),
        Column("days", lambda r: str(r["age_days"]), right=True),
        Column("method", _methods),
        Column("verdict", _verdicts),
        Column("forget", lambda r: str((r["forget"] or {}).get("count", "")), right=True),
    ]
    same = any(run["uninformative"] for row in rows for run in row["runs"])
    notes = ["(*) doing nothing would have passed too"] if same else []
    return Table("deepunlearn.request/1", "", columns, rows, notes)


def entry_table(rows: Sequence[Row], title: str) -> Table:
    """Every entry of a request, as it stands in the ledger."""
    columns = [
        Column("line", lambda r: str(r["number"]), right=True),
        Column("when (UTC)", lambda r: str(r["at"]).replace("T", " ").removesuffix("Z")),
        Column("event", lambda r: str(r["event"])),
        Column("what", _what),
    ]
    return Table("deepunlearn.ledger/1", title, columns, rows)


def picture_table(rows: Sequence[Row], title: str) -> Table:
    """The pictures of a forget set by name."""
    columns = [
        Column("number", lambda r: str(r["number"]), right=True),
        Column("class", lambda r: str(r["class"])),
        Column("path", lambda r: str(r["path"] or "")),
    ]
    return Table("deepunlearn.request-picture/1", title, columns, rows)


def day(moment: str | None) -> str:
    """The day of a time in UTC."""
    return (moment or "")[:10]


def _methods(row: Row) -> str:
    return "\n".join(f"{run['method']}{' (later)' * run['later']}" for run in row["runs"])


def _verdicts(row: Row) -> str:
    return "\n".join(_verdict(run) for run in row["runs"]) if any(r["verdict"] for r in row["runs"]) else ""


def _verdict(run: Row) -> str:
    return f"{run['verdict']} (*)" if run["uninformative"] else run["verdict"] or UNKNOWN


def _what(row: Row) -> str:
    details = row["details"]
    note = f"\n\u201c{details['note']}\u201d" if details.get("note") else ""
    together = " (with all earlier requests)" if row["together"] else ""
    origins = "".join(_origin(one) for one in details.get("origins", ()))
    return TOLD[row["event"]](details) + together + note + origins


def _received(details: Row) -> str:
    when = f", received {details['received']}" if details.get("received") else ""
    models = ", ".join(str(one)[:16] for one in details["models"])
    return f"{_forget(details)} of {models}{when}"


def _unlearned(details: Row) -> str:
    runs, after = ", ".join(details["runs"]), len(details.get("earlier", ()))
    chain = f", after {after} earlier requests" if after else ""
    return f"{runs} by {details['method']} from {details['ckpt']}, {_forget(details)}{chain}"


def _forget(details: Row) -> str:
    forget = details["forget"]
    return f"{forget['count']} pictures (SHA-256 {forget['sha256'][:SHOWN]})"


def _audited(details: Row) -> str:
    limit = details.get("fail_above")
    rule = f"tolerance {details.get('tolerance')}" if limit is None else f"fail above {limit}"
    nothing = f"; doing nothing: {details['do_nothing']}" if details.get("do_nothing") else ""
    figure = f", {details['metric']} {_gap(details)}" if details.get("metric") else ""
    return f"{details['run']} by {details['attack']}: {details['verdict']} ({rule}{figure}){nothing}"


def _certified(details: Row) -> str:
    named = (f"{name} {details[name][:SHOWN]}" for name in ("certificate", "key", "policy"))
    return f"{details['run']}: {', '.join(named)}"


def _purged(details: Row) -> str:
    pictures = ", ".join(f"{count} pictures of {name[:SHOWN]}" for name, count in details["pictures"].items())
    return f"{pictures}{', and the models that knew them' * bool(details['models'])}"


def _gap(details: Row) -> str:
    ends = [details.get(name) for name in ("gap", "gap_low", "gap_high")]
    gap, low, high = (UNKNOWN if one is None else f"{one:+.3f}" for one in ends)
    return f"{gap} [{low}, {high}]"


TOLD = {
    "received": _received,
    "unlearned": _unlearned,
    "audited": _audited,
    "certified": _certified,
    "purged": _purged,
}


def _origin(one: Row) -> str:
    return f"\nline {one['number']} of another store's ledger, {one['at']}"
