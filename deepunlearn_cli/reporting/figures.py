"""Figures, drawn by matplotlib (the `plots` extra): as files, or inside an HTML page."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.extras import need
from deepunlearn_cli.core.names import printable
from deepunlearn_cli.core.recipe import RETRAIN
from deepunlearn_cli.core.whole import write_whole
from deepunlearn_cli.reporting.canvas import NAME, NAMES, ROW, bare, canvas, in_figures, laid_out, named
from deepunlearn_cli.reporting.measures import Measure
from deepunlearn_cli.reporting.table import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".png", ".pdf")
DODGE = 0.05  # between the lines of two methods, of the distance of two fractions: error bars stay apart
MOST_CELLS = 20  # classes; a map of more has no room for numbers
UPRIGHT = 5  # columns of a map beyond which their names stand on end
IN_A_LINE = 5  # names of a legend
CONTROL, METHOD, MEAN = "0.6", "C0", "C3"  # grey for controls
HUES = ("C0", "C1", "C2", "C3", "C4", "C5", "C6", "C8", "C9")  # of methods side by side: none of them grey
GROUPS = {"G1": "#2c7fb8", "G2": "#a1dab4", "G3": "#ffe08a", "F": "#d7301f", None: "#ffffff"}


def check(path: Path) -> None:
    """Refuse, before any work, a figure that cannot be drawn or written.

    Raises:
        UsageFailure: an unknown suffix, no such folder, or matplotlib is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise UsageFailure(f"--figure {path} is none of {', '.join(SUFFIXES)}", "--figure figure.svg, say")
    if not path.expanduser().absolute().parent.is_dir():
        raise UsageFailure(f"--figure {path}: its folder does not exist", "make it first")
    check_installed()


def check_installed() -> None:
    """Raises `UsageFailure` where matplotlib is not installed."""
    need("matplotlib", "plots", "figures need")


def save(figure: Figure, path: Path) -> None:
    """Write a figure; the same figure gives the same bytes."""
    drawn = io.BytesIO()
    metadata = {"Date": None} if path.suffix == ".svg" else None
    figure.savefig(drawn, format=path.suffix[1:], metadata=metadata, dpi=150)
    try:
        write_whole(path, drawn.getvalue())
    except OSError as error:
        raise UsageFailure(f"cannot write --figure {path}: {error.strerror}", "choose another file") from None
    _close(figure)


def inline(figure: Figure, label: str) -> str:
    """A figure as an SVG element for an HTML page, `label` for those who cannot see it."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    _close(figure)
    element = text.getvalue()
    return element[element.index("<svg") :].replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def ulira_figure(rows: Sequence[Row]) -> Figure:
    """Deep Unlearn's Figure 1: how per-sample accuracy of U-LiRA is distributed, a row per method.

    Rows have `title`, `control`, `accuracy` and `histogram` (shares in equal bins from 0 to 1).
    """
    figure, axes = canvas(len(rows), 1, 1 + 0.5 * len(rows), sharex=True)
    for axis, row in zip(axes, rows, strict=True):
        _ridge(axis, row)
    axes[-1].set_xlabel("accuracy of U-LiRA on a sample (0.5 is guessing; the red line is the mean)")
    laid_out(figure, h_pad=0)
    return figure


def _ridge(axis: Axes, row: Row) -> None:
    shares = row["histogram"]
    width = 1 / len(shares)
    centres = [width * (i + 0.5) for i in range(len(shares))]
    axis.bar(centres, shares, width, color=CONTROL if row["control"] else METHOD)
    axis.axvline(0.5, color="black", linewidth=0.6, linestyle=":")
    axis.axvline(row["accuracy"], color=MEAN, linewidth=1.4)
    axis.set_xlim(0, 1)
    axis.set_yticks([])
    axis.set_ylabel(row["title"], rotation=0, ha="right", va="center")
    bare(axis, "top", "left", "right")


def trade_off(rows: Sequence[Row], title: str, x: Measure, y: Measure) -> Figure:
    """Two measures with their deviations over seeds, a dot per method.

    Rows have `label`, `control`, and of both measures `KEY_mean` and `KEY_sd`.
    """
    known = [row for row in rows if all(math.isfinite(row[f"{one.key}_mean"]) for one in (x, y))]
    figure, (axis,) = canvas(1, 1, max(4.4, 1.2 + NAME * len(known)))
    for row in known:
        place = (row[f"{x.key}_mean"], row[f"{y.key}_mean"])
        x_error, y_error = (0 if math.isnan(sd := row[f"{one.key}_sd"]) else sd for one in (x, y))
        colour = CONTROL if row["control"] else METHOD
        axis.errorbar(*place, y_error, x_error, "o", color=colour, elinewidth=0.7)
    axis.set_xlabel(x.axis)
    axis.set_ylabel(y.axis)
    if x.symlog:
        axis.set_xscale("symlog", linthresh=x.symlog)
        in_figures(axis.xaxis)
        axis.set_xlim(left=-x.symlog / 20)
    axis.set_title(title, fontsize=9)
    bare(axis, "top", "right")
    laid_out(figure, rect=(0, 0, 1 - NAMES, 1))
    named(figure, axis, [(row[f"{x.key}_mean"], row[f"{y.key}_mean"], row["label"]) for row in known])
    return figure


def speeds(rows: Sequence[Row], title: str) -> Figure:
    """Run-time efficiency in work, a bar per method with its deviation. Rows: `label`, `rte_work_*`."""
    known = [row for row in rows if math.isfinite(row["rte_work_mean"]) and not row["control"]]
    ordered = sorted(known, key=lambda row: row["rte_work_mean"])
    figure, (axis,) = canvas(1, 1, 1 + ROW * len(ordered))
    errors = [0 if math.isnan(row["rte_work_sd"]) else row["rte_work_sd"] for row in ordered]
    names = [row["label"] for row in ordered]
    axis.barh(names, [row["rte_work_mean"] for row in ordered], xerr=errors, color=METHOD)
    axis.axvline(1, color="black", linewidth=0.6, linestyle=":")
    axis.set_xscale("log")
    in_figures(axis.xaxis)
    axis.set_xlabel("times less work than retraining (logarithmic)")
    axis.set_title(title, fontsize=9)
    bare(axis, "top", "right")
    laid_out(figure)
    return figure


def group_map(rows: Sequence[Row], columns: Sequence[tuple[str, str, str]]) -> Figure:
    """Methods by pairs and measures, coloured by group.

    Rows have `label` and `pairs`, with `pair` and `NAME_group`; columns are (pair, measure's name, title).
    """
    figure, (axis,) = canvas(1, 1, 1.2 + ROW * len(rows))
    for y, row in enumerate(rows):
        by_pair = {one["pair"]: one for one in row["pairs"]}
        for x, (pair, name, _) in enumerate(columns):
            group = by_pair.get(pair, {}).get(f"{name}_group")
            axis.barh(y, 1, 0.92, x, color=GROUPS[group], edgecolor="white")
            dark: dict[str, Any] = {"color": "white"} if group in ("G1", "F") else {}
            axis.text(x + 0.5, y, group or "", ha="center", va="center", fontsize=7, **dark)
    axis.set_yticks(range(len(rows)), [printable(row["label"]) for row in rows])
    axis.set_xticks(
        [x + 0.5 for x in range(len(columns))],
        [printable(title, keep="\n") for _, _, title in columns],
        fontsize=7,
        rotation=0 if len(columns) <= UPRIGHT else 90,
    )
    axis.invert_yaxis()
    axis.set_title("Groups: G1 best, F failed", fontsize=9)
    bare(axis, "top", "right", "left", "bottom")
    laid_out(figure)
    return figure


@dataclass(frozen=True)
class Panel:
    """A part of a figure: a measure's rows with `method`, `label`, `control`, `SHARE_mean` and `SHARE_sd`."""

    measure: Measure
    rows: Sequence[Row]


def size_curves(panels: Sequence[Panel], shares: Sequence[float], title: str) -> Figure:
    """Measures against the share that is forgotten with their deviations over seeds, a line per method."""
    figure, axes = canvas(math.ceil(len(panels) / 2), 2, 1.2 + 2.6 * math.ceil(len(panels) / 2))
    for axis, panel in zip(axes, panels, strict=False):
        for number, row in enumerate(panel.rows):
            shift = (number - len(panel.rows) / 2) * DODGE
            _curve(axis, row, shares, panel.measure.scale, shift, HUES[number % len(HUES)])
        if panel.measure.symlog:  # a method that breaks the model is a hundred times off
            axis.set_yscale("symlog", linthresh=panel.measure.symlog)
            in_figures(axis.yaxis)
            axis.set_ylim(bottom=-panel.measure.symlog / 20)
        axis.set_title(panel.measure.axis, fontsize=8)
        axis.set_xticks(range(len(shares)), [f"{100 * share:g} %" for share in shares], fontsize=7)
        axis.tick_params(axis="y", labelsize=7)
        bare(axis, "top", "right")
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.suptitle(title, fontsize=9)
    lines = math.ceil(len(labels) / IN_A_LINE)
    figure.set_figheight(figure.get_figheight() + NAME * lines)
    laid_out(figure, rect=(0, (0.1 + NAME * lines) / figure.get_figheight(), 1, 1))
    figure.legend(handles, labels, loc="lower center", ncols=IN_A_LINE, fontsize=7, frameon=False)
    return figure


def _curve(axis: Axes, row: Row, shares: Sequence[float], scale: float, shift: float, colour: str) -> None:
    means = [scale * row[f"{share:g}_mean"] for share in shares]
    errors = [0 if math.isnan(sd := row[f"{share:g}_sd"]) else scale * sd for share in shares]
    places = [place + shift for place in range(len(shares))]
    reference = row["method"] == RETRAIN
    look: dict[str, Any] = {"color": "black" if reference else CONTROL if row["control"] else colour}
    look |= {"linestyle": "--"} if row["control"] else {}
    mark = "s" if reference else "."
    axis.errorbar(
        places,
        means,
        errors,
        marker=mark,
        markersize=4,
        lw=1,
        elinewidth=0.7,
        label=printable(row["label"]),
        **look,
    )


def answer_map(rows: Sequence[Row], title: str) -> Figure:
    """What a removed class's pictures are called now, in percent: methods by classes.

    Rows have `label`, `removed` (names) and `said` (mean shares by class name).
    """
    names = list(next((row["said"] for row in rows if row["said"]), {}))
    shares = [[100 * row["said"].get(name, math.nan) for name in names] for row in rows]
    figure, (axis,) = canvas(1, 1, 1.2 + ROW * len(rows))
    axis.pcolormesh(shares, cmap="Blues", vmin=0, vmax=100, edgecolors="white", linewidth=0.5)
    for y, line in enumerate(shares):
        for x, share in enumerate(line if len(names) <= MOST_CELLS else ()):
            if share >= 0.5:  # what would round to 0 is left empty
                colour = "white" if share > 60 else "black"
                axis.text(
                    x + 0.5, y + 0.5, f"{share:.0f}", ha="center", va="center", fontsize=7, color=colour
                )
    axis.set_yticks(
        [y + 0.5 for y in range(len(rows))], [printable(row["label"]) for row in rows], fontsize=8
    )
    axis.set_xticks(
        [x + 0.5 for x in range(len(names))],
        [printable(name) for name in names],
        fontsize=7,
        rotation=0 if len(names) < 13 else 90,
    )
    axis.set_xlabel("called (percent of the removed class's test pictures, mean over seeds)")
    axis.invert_yaxis()
    axis.set_title(title, fontsize=9)
    bare(axis, "top", "right", "left", "bottom")
    laid_out(figure)
    return figure


def unrolling_figure(runs: Sequence[Row]) -> Figure:
    """Unlearning error against verification error, a panel per start: lines over steps end in a dot.

    Rows are those of `unrolling.rows`; colours are learning rates, sizes of dots gammas.
    """
    starts = sorted({run["pretrain"] for run in runs})
    rates, gammas = (sorted({run[name] for run in runs}) for name in ("lr", "gamma"))
    figure, axes = canvas(1, len(starts), 4, sharex=True, sharey=True)
    for axis, start in zip(axes, starts, strict=True):
        for run in (run for run in runs if run["pretrain"] == start):
            colour, size = f"C{rates.index(run['lr'])}", 3 + 2 * gammas.index(run["gamma"])
            points = [(one["e"], one["v"]) for one in run["readings"] if one["e"] > 0 and one["v"] > 0]
            axis.plot(*zip(*points, strict=True), color=colour, linewidth=0.4, alpha=0.5)
            axis.plot(*points[-1], "o", color=colour, markersize=size, alpha=0.7)
        axis.set(xscale="log", yscale="log", xlabel="unlearning error e")
        in_figures(axis.xaxis, axis.yaxis)
        axis.set_title(f"after {start} epochs of pretraining" if start else "from new weights", fontsize=9)
        bare(axis, "top", "right")
    axes[0].set_ylabel("verification error v of Single-grad")
    for index, rate in enumerate(rates):
        axes[0].plot([], [], "o", color=f"C{index}", label=f"lr {rate:g}")
    axes[0].legend(fontsize=8, title=f"dots grow with gamma: {', '.join(f'{g:g}' for g in gammas)}",
                   title_fontsize=7)  # fmt: skip
    laid_out(figure)
    return figure


def _close(figure: Figure) -> None:
    from matplotlib import pyplot as plt

    plt.close(figure)
