"""The figure of a search: how it went, what mattered, which trade-offs remain, how much was luck."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.reporting.canvas import bare, canvas_of, laid_out
from deepunlearn_cli.reporting.figures import CONTROL, MEAN, METHOD
from deepunlearn_cli.reporting.table import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NORM = "norm of the four losses"
MOST_BEST = 10  # lines of parallel coordinates that are drawn on top: a third of all at most


def search_figure(row: Row, title: str) -> Figure:
    """A study of `sweep.summaries`: history, importances, parallel coordinates, Pareto set, confirmation."""
    figure, axes = canvas_of([["history", "matters"], ["lines", "lines"], ["pareto", "confirmed"]], 8.5)
    history(axes["history"], row["history"])
    importances(axes["matters"], row["importances"])
    parallel(axes["lines"], row["history"], row["domains"])
    pareto(axes["pareto"], row["history"], row["pareto"])
    confirmation(axes["confirmed"], row["candidates"])
    figure.suptitle(title, fontsize=9)
    laid_out(figure)
    return figure


def history(axis: Axes, points: Sequence[Row]) -> None:
    """The norm of each trial, and the best so far."""
    numbers, norms = [one["trial"] for one in points], [one["norm"] for one in points]
    axis.plot(numbers, norms, ".", color=CONTROL, markersize=4)
    axis.step(numbers, list(accumulate(norms, min)), color=METHOD, where="post", label="best so far")
    axis.set_yscale("log") if min(norms) > 0 else None
    axis.legend(fontsize=7, frameon=False)
    _named(axis, "trial", NORM, "How the search went")


def importances(axis: Axes, shares: Mapping[str, float]) -> None:
    """The share of each hyperparameter in what the trials differ by."""
    names = list(shares)[::-1]
    axis.barh(names, [100 * shares[name] for name in names], color=METHOD)
    axis.set_xlim(0, 100)
    _named(axis, "percent of what trials differ by (PED-ANOVA)", "", "What mattered")
    _empty(axis, not names, "too few trials that differ")


def parallel(axis: Axes, points: Sequence[Row], domains: Mapping[str, Mapping[str, Any]]) -> None:
    """A line per trial through its hyperparameters to its norm; the best ones in colour."""
    names = [*domains, "norm"]
    columns = [_scaled(points, name, domains.get(name, {})) for name in names]
    ordered = sorted(range(len(points)), key=lambda i: points[i]["norm"], reverse=True)
    count = max(1, min(MOST_BEST, len(points) // 3))
    for place, i in enumerate(ordered):
        best = place >= len(ordered) - count
        look: dict[str, Any] = {"color": METHOD if best else CONTROL, "alpha": 0.8 if best else 0.3}
        axis.plot(range(len(names)), [column[i] for column in columns], linewidth=0.9, **look)
    for x, name in enumerate(names):
        low, high = _ends(points, name)
        axis.axvline(x, color="black", linewidth=0.5)
        axis.annotate(low, (x, 0), (2, -3), textcoords="offset points", fontsize=6, va="top")
        axis.annotate(high, (x, 1), (2, 2), textcoords="offset points", fontsize=6)
    axis.set_xticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=7)
    axis.set_yticks([])
    axis.set_ylim(-0.12, 1.12)
    axis.set_title(f"Where the best {count} of {len(points)} trials lie", fontsize=8)
    bare(axis, "top", "right", "left", "bottom")


def pareto(axis: Axes, points: Sequence[Row], front: Sequence[Row]) -> None:
    """Retention against forgetting: what no other trial beats in all four losses is in colour."""
    for some, colour, size, label in ((points, CONTROL, 4, "trials"), (front, MEAN, 6, "beaten by none")):
        x = [(one["dRA"] + one["dVA"]) / 2 for one in some]
        y = [(one["dFA"] + one["discernibility"]) / 2 for one in some]
        axis.plot(x, y, ".", color=colour, markersize=size, label=label)
    axis.legend(fontsize=7, frameon=False)
    _named(axis, "retention: mean of dRA and dVA", "forgetting: mean of dFA, discern.", "What trades off")


def confirmation(axis: Axes, candidates: Sequence[Row]) -> None:
    """The settings that were run again on fresh seeds: searched against confirmed."""
    both = [one for one in candidates if None not in (one["searched"], one["confirmed"])]
    for one in both:
        colour = MEAN if one["chosen"] else CONTROL if one["defaults"] else METHOD
        label = "chosen" if one["chosen"] else "defaults" if one["defaults"] else "other candidates"
        spread = one["confirmed_sd"] or 0
        axis.errorbar(
            one["searched"], one["confirmed"], spread, fmt="o", color=colour, markersize=4, label=label
        )
    if both:
        ends = [value for one in both for value in (one["searched"], one["confirmed"])]
        axis.plot([min(ends), max(ends)], [min(ends), max(ends)], color="black", linewidth=0.6, linestyle=":")
        handles = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
        axis.legend(handles.values(), handles.keys(), fontsize=7, frameon=False)
    _named(axis, "searched", "confirmed on fresh seeds (mean, sd)", "How much was luck (above the line)")
    _empty(axis, not both, "nothing was confirmed")


def _scaled(points: Sequence[Row], name: str, domain: Mapping[str, Any]) -> list[float]:
    """A column from 0 to 1: on the scale it was searched on, choices in their order."""
    values = [_value(one, name) for one in points]
    if not all(isinstance(value, (int, float)) for value in values):
        order = sorted({str(value) for value in values})
        values = [order.index(str(value)) for value in values]
    numbers = [float(value) for value in values]
    if (domain.get("log") or name == "norm") and min(numbers) > 0:
        numbers = [math.log(number) for number in numbers]
    low, high = min(numbers), max(numbers)
    return [0.5 if high == low else (number - low) / (high - low) for number in numbers]


def _ends(points: Sequence[Row], name: str) -> tuple[str, str]:
    values = [_value(one, name) for one in points]
    numbers = all(isinstance(value, (int, float)) for value in values)
    low, high = (min(values), max(values)) if numbers else (min(map(str, values)), max(map(str, values)))
    return _short(low), _short(high)


def _value(point: Row, name: str) -> Any:
    return point["norm"] if name == "norm" else point["params"][name]


def _short(value: object) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def _named(axis: Axes, x: str, y: str, title: str) -> None:
    axis.set_xlabel(x, fontsize=7)
    axis.set_ylabel(y, fontsize=7)
    axis.set_title(title, fontsize=8)
    axis.tick_params(labelsize=7)
    bare(axis, "top", "right")


def _empty(axis: Axes, empty: bool, text: str) -> None:
    if empty:
        axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", fontsize=8, color=CONTROL)
