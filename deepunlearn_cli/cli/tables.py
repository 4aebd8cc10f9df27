"""Tables: the one list that `report --table` and plans go by, and how tables are printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.parameter import completer, option
from deepunlearn_cli.core.errors import UsageFailure, unknown
from deepunlearn_cli.core.whole import write_whole
from deepunlearn_cli.reporting.formats import FORMATS, format_of

if TYPE_CHECKING:
    from deepunlearn_cli.cli.source import Source
    from deepunlearn_cli.reporting.table import Table
    from deepunlearn_cli.studies.plan import Plan

TERMINAL = "table"  # the format that suits who reads: a table for people, lines for a pipe


FormatOption = Annotated[
    str,
    option(
        "--format",
        metavar="NAME",
        help=f"{', '.join([TERMINAL, *FORMATS])}. json is one document, jsonl a line per row as with --json.",
        autocompletion=completer([TERMINAL, *FORMATS]),
    ),
]
OutOption = Annotated[
    Path | None,
    option(
        "--out", metavar="FILE", help="Write to this file, in the format of its suffix unless --format says."
    ),
]


FromOption = Annotated[
    list[Path] | None,
    option(
        "--from",
        metavar="FILE",
        help="Take figures from here instead of the store: of `bench --export` (repeated, they add up), or "
        "of a CSV; its columns are dataset, model, method, seed, RA, FA, TA and, where known, VA, U-MIA, "
        "seconds, device, classes, status.",
    ),
]


@dataclass(frozen=True)
class Choice:
    """A name that `--table` and plans take, what it shows, and how it is made of a source.

    `figures`: whether accuracies and times are enough, so that a file of them will do. `attacks`: the kinds
    of U-MIA that it shows, by what they are against and look at. `whole`: whether it looks at weights or
    outputs, so that no file will do.
    """

    name: str
    meaning: str
    make: Callable[[Source], list[Table]]
    figures: bool = False
    attacks: Sequence[tuple[str, str]] = ()
    whole: bool = False


def _ranking(source: Source) -> list[Table]:
    from deepunlearn_cli.reporting.rank import rank

    return [rank(source.records)]


def _efficiency(source: Source) -> list[Table]:
    from deepunlearn_cli.reporting.efficiency import efficiency_table

    return [efficiency_table(source.records)]


def _scores(source: Source) -> list[Table]:
    from deepunlearn_cli.reporting.scores import scores_table

    return [scores_table(source.records)]


def _retention(source: Source) -> list[Table]:
    from deepunlearn_cli.reporting.scores import retention_table

    return [retention_table(source.records)]


def _sizes(source: Source) -> list[Table]:
    from deepunlearn_cli.reporting.forget_sizes import size_tables

    return size_tables(source.records)


def _classes_removed(source: Source) -> list[Table]:
    from deepunlearn_cli.reporting.removed_classes import class_tables

    return class_tables(source.records, source.removals)


def _weights(source: Source) -> list[Table]:
    from deepunlearn_cli.reporting.weight_distances import weights_table

    return [weights_table(source.records, source.distances.runs, source.distances.floors)]


def _sweeps(source: Source) -> list[Table]:
    from deepunlearn_cli.reporting.sweeps import sweep_table

    return [sweep_table(source.sweeps)]


PAPERS = ("test", "loss")  # the attack that ranks
CLASS_ATTACKS = [("class", "loss"), ("class", "entropy")]
TABLES = {
    choice.name: choice
    for choice in (
        Choice("1", "ranking", _ranking, figures=True, attacks=[PAPERS]),
        Choice("2", "run-time efficiency", _efficiency, figures=True),
        Choice("scores", "accuracies", _scores, figures=True, attacks=[PAPERS]),
        Choice("retention", "against the retrained models", _retention, figures=True, attacks=[PAPERS]),
        Choice("sizes", "by size of the forget set", _sizes, attacks=[PAPERS, ("test", "entropy")]),
        Choice("classes", "removed classes", _classes_removed, attacks=CLASS_ATTACKS, whole=True),
        Choice("weights", "weight distances", _weights, whole=True),
        Choice("sweep", "searches", _sweeps),
    )
}


def check_table(name: str, source: Source | None = None) -> None:
    """Refuse a table that there is not, or not of what it is to be made of.

    Raises:
        NotFound: with suggestions.
        UsageFailure: the table takes runs, or their weights or outputs, and there are figures only.
    """
    if name not in TABLES:
        raise unknown("table", name, TABLES, f"tables: {', '.join(TABLES)}")
    if source is None or _can_make(TABLES[name], source):
        return
    enough = ", ".join(one.name for one in TABLES.values() if _can_make(one, source))
    raise UsageFailure(f"--table {name} takes runs, and --from has figures only", f"--table: {enough}")


def _can_make(table: Choice, source: Source) -> bool:
    return table.figures if source.file else not (source.files and table.whole)


def unshown(plan: Plan) -> list[str]:
    """What to say of a plan's attacks that none of its tables shows: they are made, and looked up by hand."""
    shown = {kind for name in plan.tables for kind in TABLES[name].attacks}
    taken: dict[tuple[str, str], str] = {}
    said = []
    for name, settings in () if plan.study else plan.attack_settings:
        spelt = " ".join([name, *(f"{key}={value}" for key, value in settings.items())])
        kind = _kind(settings)
        if name != "umia" or kind not in shown or taken.setdefault(kind, spelt) != spelt:
            where = [one.name for one in TABLES.values() if name == "umia" and kind in one.attacks]
            more = f", or add {' or '.join(where)} to tables" if where and kind not in shown else ""
            said.append(
                f"attack {spelt} is shown in no table of the plan ({', '.join(plan.tables) or 'none'}): "
                f"`deepunlearn runs --kind attack --name {name}` lists what it found{more}"
            )
    return said


def unfed(plan: Plan) -> list[str]:
    """What to say of a plan's tables whose attacks it does not make: they end without these figures."""
    made = {_kind(settings) for name, settings in plan.attack_settings if name == "umia"}
    return [
        f"table {name} ({TABLES[name].meaning}) has no figure of an attack: it shows "
        f"{_attack(TABLES[name].attacks[0])}, which the plan's attacks do not hold"
        for name in (() if plan.study else dict.fromkeys(plan.tables))
        if TABLES[name].attacks and made.isdisjoint(TABLES[name].attacks)
    ]


def _kind(settings: Mapping[str, Any]) -> tuple[str, str]:
    """What a U-MIA is against and looks at."""
    return str(settings.get("against", PAPERS[0])), str(settings.get("feature", PAPERS[1]))


def _attack(kind: tuple[str, str]) -> str:
    """A U-MIA as a plan spells it."""
    settings = [
        f'{key} = "{one}"'
        for key, one, usual in zip(("against", "feature"), kind, PAPERS, strict=True)
        if one != usual
    ]
    return f'{{ name = "umia", {", ".join(settings)} }}' if settings else '"umia"'


def chosen_format(form: str, out: Path | None) -> str | None:
    """The format asked for, or that of the file's suffix; None for a terminal's table.

    Raises:
        UsageFailure: no such format.
    """
    if form == TERMINAL:
        return format_of(out) if out else None
    if form not in FORMATS:
        known = ", ".join([TERMINAL, *FORMATS])
        raise UsageFailure(f"--format {form!r} is none of {known}", "--format markdown, say")
    return form


def written(text: str, out: Path | None) -> Result:
    """Text on stdout, or in a file.

    Raises:
        UsageFailure: the file cannot be written.
    """
    if not out:
        return Result(text=text)
    try:
        write_whole(out, (text if text.endswith("\n") else text + "\n").encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UsageFailure(f"cannot write --out {out}: {error.strerror}", "choose another file") from None
    return Result(notes=[f"wrote {out}"])
