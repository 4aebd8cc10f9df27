"""The sweep table: per study its best setting, what mattered, and the trade-offs that remain."""

from __future__ import annotations

from collections.abc import Sequence

from deepunlearn_cli.reporting.table import PLACE, UNKNOWN, Column, Row, Table, field_column

FLATTERED = "read the validation pictures that trials are judged on, which flatters dVA and discernibility"
SHOWN = 3  # hyperparameters, of those that mattered most


def sweep_table(rows: Sequence[Row]) -> Table:
    """A row per study; `--json` also gives the whole Pareto set, with the losses of each point."""
    columns = [
        Column("method", lambda r: str(r["method"])),
        Column("sampler", lambda r: f"{r['sampler']} {r['seed']}", spare=True),
        Column("trials", _trials, right=True),
        Column("failed", lambda r: str(r["failed"]), right=True, spare=True),
        Column("searched", lambda r: value_cell(r["searched"]), right=True),
        Column("confirmed", lambda r: value_cell(r["confirmed"], r["confirmed_sd"]), right=True),
        Column("defaults", lambda r: value_cell(r["confirmed_defaults"]), right=True),
        Column("best setting", setting_cell),
        Column("matters most", _importances),
        Column("Pareto", lambda r: str(len(r["pareto"])), right=True, spare=True),
    ]
    readers = dict.fromkeys(str(r["method"]) for r in rows if r["reads_judge"])
    notes = [
        *([f"{', '.join(readers)}: {FLATTERED}"] if readers else []),
        "searched: norm of the four losses (dRA/3, dFA/3, dVA/3, discernibility) of the setting's own trial, "
        "0 is best; confirmed: on fresh seeds, mean±sd, where defaults stand beside it",
        "matters most: share of each hyperparameter in what the trials differ by (PED-ANOVA); Pareto: trials "
        "that no other beats in all four losses (--json lists them)",
    ]
    return Table("deepunlearn.report.sweep/1", "Sweeps", columns, rows, notes, _places())


def candidates_table(rows: Sequence[Row]) -> Table:
    """The settings that were confirmed: searched against confirmed value; the chosen one is marked."""
    columns = [
        Column("method", lambda r: str(r["method"])),
        Column("choice", lambda r: "chosen" if r["chosen"] else ""),
        Column("trial", lambda r: UNKNOWN if r["trial"] is None else str(r["trial"]), right=True),
        Column("searched", lambda r: value_cell(r["searched"]), right=True),
        Column("confirmed", lambda r: value_cell(r["confirmed"], r["confirmed_sd"]), right=True),
        Column("setting", lambda r: ("defaults: " if r["defaults"] else "") + setting_cell(r)),
    ]
    notes = [
        "norm of the four losses, 0 is best; searched: in the search, confirmed: on fresh seeds, mean±sd; "
        "a search's best figure is too good to be true, so the choice is made on the fresh ones"
    ]
    keys = [Column("study", lambda r: str(r["study"]))]
    if any("choice" in row for row in rows):
        keys.append(Column("choice", lambda r: str(r["choice"]), right=True))
    return Table("deepunlearn.sweep/1", "Tuned settings", columns, rows, notes, keys, lead=3)


def studies_table(rows: Sequence[Row]) -> Table:
    """The searches that there are, a row each."""
    columns = [
        Column("study", lambda r: str(r["study"])),
        Column("dataset", lambda r: str(r["dataset"])),
        Column("model", lambda r: str(r["model"])),
        Column("forget", lambda r: str(r["forget"])),
        Column("method", lambda r: str(r["method"])),
        Column("sampler", lambda r: f"{r['sampler']} {r['seed']}", spare=True),
        Column("trials", lambda r: str(r["trials"]), right=True),
        Column("failed", lambda r: str(r["failed"]), right=True),
        Column("best", lambda r: value_cell(r["searched"]), right=True),
        Column("confirmed", _confirmed, right=True),
        Column("state", lambda r: str(r["state"])),
    ]
    notes = [
        "best: norm of the four losses of the chosen setting's trial (of the best one before a choice), 0 is "
        "best; confirmed: on fresh seeds, mean±sd"
    ]
    return Table("deepunlearn.study/1", "", columns, rows, notes)


def trials_table(about: Row, rows: Sequence[Row]) -> Table:
    """The trials of a study: `about` is its own row."""
    columns = [
        Column("trial", lambda r: str(r["trial"]), right=True),
        Column("norm", lambda r: value_cell(r["norm"]), right=True),
        *(
            Column(name, lambda r, name=name: value_cell(r[name]), right=True)  # type: ignore[misc]
            for name in ("dRA", "dFA", "dVA", "discernibility")
        ),
        Column("seconds", lambda r: UNKNOWN if r["seconds"] is None else f"{r['seconds']:.1f}", right=True),
        Column("work", lambda r: UNKNOWN if r["work"] is None else f"{r['work']:.1f}", right=True),
        Column("setting", lambda r: setting_cell({**r, "tuned": about["tuned"]}) if r["params"] else ""),
        Column("state", _state),
        Column("runs", lambda r: " ".join(r["runs"]), id=True, spare=True),
    ]
    title = f"{about['study']}: {_pair(about)} {about['method']}, {about['sampler']} {about['seed']}"
    notes = ["norm of the four losses, 0 is best; work: epochs of training, the mean over originals"]
    keys = [Column(name, lambda _, name=name: str(about[name])) for name in ("study", "method")]  # type: ignore[misc]
    return Table("deepunlearn.trial/1", title, columns, rows, notes, keys)


def value_cell(value: float | None, spread: float | None = None) -> str:
    """A norm as people see it."""
    text = UNKNOWN if value is None else f"{value:.4f}"
    return text if spread is None else f"{text}±{spread:.4f}"


def setting_cell(row: Row) -> str:
    """The hyperparameters that were searched or fixed by hand, on one line."""
    return " ".join(f"{name}={_short(row['params'][name])}" for name in row["tuned"])


def _places() -> list[Column]:
    return [field_column(name) for name in PLACE]


def _pair(row: Row) -> str:
    return f"{row['dataset']} {row['model']} {row['forget']}"


def _confirmed(row: Row) -> str:
    return "no" if row["confirmed"] is None else value_cell(row["confirmed"], row["confirmed_sd"])


def _state(row: Row) -> str:
    state = "stopped early" if row["stopped"] else row["state"].lower()
    return f"{state}: {row['reason']}" if row["reason"] else state


def _trials(row: Row) -> str:
    """How many, and whether these are all that there could be."""
    every = row["points"] is not None and row["trials"] + row["failed"] >= row["points"]
    return f"{row['trials']} (all)" if every else str(row["trials"])


def _importances(row: Row) -> str:
    first = list(row["importances"].items())[:SHOWN]
    return " ".join(f"{name} {share:.0%}" for name, share in first) or UNKNOWN


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
