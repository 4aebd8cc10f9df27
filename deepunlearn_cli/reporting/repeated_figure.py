"""The figure of the study of deletions in a row: measures over requests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.names import printable
from deepunlearn_cli.core.recipe import CONTROLS, RETRAIN
from deepunlearn_cli.reporting.canvas import bare, canvas, laid_out
from deepunlearn_cli.reporting.figures import CONTROL, HUES
from deepunlearn_cli.reporting.repeated import IN_A_ROW, MEASURES, Line, Shown, lines_of, spread_of
from deepunlearn_cli.reporting.table import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = MEASURES[:6]


def repeated_figure(rows: Sequence[Row], titles: Mapping[str, str]) -> Figure:
    """A panel per measure: full lines in a row, dotted ones at once, black the model trained anew."""
    setup = rows[0]["setup"]
    lines = lines_of([row for row in rows if row["setup"] == setup])
    methods = [one for one in dict.fromkeys(method for method, _ in lines) if one not in CONTROLS]
    figure, axes = canvas(3, 2, 9)
    for axis, measure in zip(axes, PANELS, strict=True):
        for line, by_count in lines.items():
            _draw(axis, line, by_count, measure, titles, methods)
        axis.set_title(measure.heading, fontsize=8)
        axis.tick_params(labelsize=7)
        if measure.name == "RetDev":
            axis.set_yscale("symlog", linthresh=0.1)
            axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axis.set_ylim(bottom=0)
        axis.set_xticks(sorted({row["requests"] for row in rows}))
        bare(axis, "top", "right")
    for axis in axes[-2:]:
        axis.set_xlabel("requests", fontsize=8)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.suptitle(printable(f"{setup}: full lines one by one, dotted ones all at once"), fontsize=9)
    laid_out(figure, rect=(0, 0.06, 1, 1))
    figure.legend(handles, labels, loc="lower center", ncols=5, fontsize=7, frameon=False)
    return figure


def _draw(
    axis: Axes,
    line: Line,
    by_count: Mapping[int, Sequence[Row]],
    measure: Shown,
    titles: Mapping[str, str],
    methods: Sequence[str],
) -> None:
    method, way = line
    known = {count: spread_of(ours, measure.name) for count, ours in by_count.items()}
    points = [(count, one) for count, one in known.items() if math.isfinite(one.mean)]
    colour = "black" if method == RETRAIN else CONTROL
    colour = HUES[methods.index(method) % len(HUES)] if method in methods else colour
    own = way == IN_A_ROW or method == RETRAIN
    look: dict[str, Any] = {"color": colour, "lw": 1.2 if own else 0.9, "ls": "-" if own else ":"}
    if own:
        look["label"] = printable(titles.get(method, method))
    places = [count for count, _ in points]
    axis.plot(places, [measure.scale * one.mean for _, one in points], marker="." if own else "", **look)
    if own and method != RETRAIN:
        low, high = ([measure.scale * (one.mean + s * (one.sd or 0)) for _, one in points] for s in (-1, 1))
        axis.fill_between(places, low, high, color=colour, alpha=0.08, linewidth=0)
