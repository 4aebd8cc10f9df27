"""Figures, drawn by matplotlib (the `plots` extra): as files, or inside an HTML page."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.errors import UsageFailure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".png", ".pdf")
WIDTH, ROW = 7.0, 0.3  # inches: of a figure, of a line in it
CONTROL, METHOD, MEAN = "0.6", "C0", "C3"  # grey for controls
GROUPS = {"G1": "#2c7fb8", "G2": "#a1dab4", "G3": "#ffe08a", "F": "#d7301f", None: "#ffffff"}

Row = Mapping[str, Any]


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
    if find_spec("matplotlib") is None:
        raise UsageFailure("figures need matplotlib", "pip install 'deepunlearn[plots]'")


def save(figure: Figure, path: Path) -> None:
    """Write a figure; the same figure gives the same bytes."""
    figure.savefig(path.expanduser(), metadata={"Date": None} if path.suffix == ".svg" else None, dpi=150)
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
    figure, axes = _canvas(len(rows), 1, 1 + 0.5 * len(rows), sharex=True)
    for axis, row in zip(axes, rows, strict=True):
        _ridge(axis, row)
    axes[-1].set_xlabel("accuracy of U-LiRA on a sample (0.5 is guessing; the red line is the mean)")
    figure.tight_layout(h_pad=0)
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
    _bare(axis, "top", "left", "right")


def trade_off(rows: Sequence[Row], title: str) -> Figure:
    """Retention deviation against indiscernibility with their deviations over seeds, a dot per method.

    Rows have `label`, `control`, and `retdev` and `indisc` with `_mean` and `_sd`.
    """
    figure, (axis,) = _canvas(1, 1, 4.4)
    known = [row for row in rows if math.isfinite(row["retdev_mean"]) and math.isfinite(row["indisc_mean"])]
    for row in known:
        errors = [0 if math.isnan(row[f"{name}_sd"]) else row[f"{name}_sd"] for name in ("retdev", "indisc")]
        colour = CONTROL if row["control"] else METHOD
        axis.errorbar(
            row["retdev_mean"], row["indisc_mean"], errors[1], errors[0], "o", color=colour, elinewidth=0.7
        )
        place = (row["retdev_mean"], row["indisc_mean"])
        axis.annotate(row["label"], place, (4, 3), textcoords="offset points", fontsize=7)
    axis.set_xlabel("RetDev (0 is best; scale: linear to 0.1, then logarithmic)")
    axis.set_xscale("symlog", linthresh=0.1)
    axis.set_xlim(left=-0.005)
    axis.set_ylabel("indiscernibility (1 is best)")
    axis.set_title(title, fontsize=9)
    _bare(axis, "top", "right")
    figure.tight_layout()
    return figure


def speeds(rows: Sequence[Row], title: str) -> Figure:
    """Run-time efficiency in work, a bar per method with its deviation. Rows: `label`, `rte_work_*`."""
    known = [row for row in rows if math.isfinite(row["rte_work_mean"]) and not row["control"]]
    ordered = sorted(known, key=lambda row: row["rte_work_mean"])
    figure, (axis,) = _canvas(1, 1, 1 + ROW * len(ordered))
    errors = [0 if math.isnan(row["rte_work_sd"]) else row["rte_work_sd"] for row in ordered]
    names = [row["label"] for row in ordered]
    axis.barh(names, [row["rte_work_mean"] for row in ordered], xerr=errors, color=METHOD)
    axis.axvline(1, color="black", linewidth=0.6, linestyle=":")
    axis.set_xscale("log")
    axis.set_xlabel("times less work than retraining (logarithmic)")
    axis.set_title(title, fontsize=9)
    _bare(axis, "top", "right")
    figure.tight_layout()
    return figure


def group_map(rows: Sequence[Row], columns: Sequence[tuple[str, str, str]]) -> Figure:
    """Methods by pairs and measures, coloured by group.

    Rows have `label` and `pairs`, with `pair` and `NAME_group`; columns are (pair, measure's name, title).
    """
    figure, (axis,) = _canvas(1, 1, 1.2 + ROW * len(rows))
    for y, row in enumerate(rows):
        held = {one["pair"]: one for one in row["pairs"]}
        for x, (pair, name, _) in enumerate(columns):
            group = held.get(pair, {}).get(f"{name}_group")
            axis.barh(y, 1, 0.92, x, color=GROUPS[group], edgecolor="white")
            dark: dict[str, Any] = {"color": "white"} if group in ("G1", "F") else {}
            axis.text(x + 0.5, y, group or "", ha="center", va="center", fontsize=7, **dark)
    axis.set_yticks(range(len(rows)), [row["label"] for row in rows])
    axis.set_xticks([x + 0.5 for x in range(len(columns))], [title for _, _, title in columns], fontsize=7)
    axis.invert_yaxis()
    axis.set_title("Groups: G1 best, F failed", fontsize=9)
    _bare(axis, "top", "right", "left", "bottom")
    figure.tight_layout()
    return figure


def unrolling_figure(runs: Sequence[Row]) -> Figure:
    """Unlearning error against verification error, a panel per start: lines over steps end in a dot.

    Rows are those of `unrolling.told`; colours are learning rates, sizes of dots gammas.
    """
    starts = sorted({run["pretrain"] for run in runs})
    rates, gammas = (sorted({run[name] for run in runs}) for name in ("lr", "gamma"))
    figure, axes = _canvas(1, len(starts), 4, sharex=True, sharey=True)
    for axis, start in zip(axes, starts, strict=True):
        for run in (run for run in runs if run["pretrain"] == start):
            colour, size = f"C{rates.index(run['lr'])}", 3 + 2 * gammas.index(run["gamma"])
            points = [(one["e"], one["v"]) for one in run["readings"] if one["e"] > 0 and one["v"] > 0]
            axis.plot(*zip(*points, strict=True), color=colour, linewidth=0.4, alpha=0.5)
            axis.plot(*points[-1], "o", color=colour, markersize=size, alpha=0.7)
        axis.set(xscale="log", yscale="log", xlabel="unlearning error e")
        axis.set_title(f"after {start} epochs of pretraining" if start else "from new weights", fontsize=9)
        _bare(axis, "top", "right")
    axes[0].set_ylabel("verification error v of Single-grad")
    for index, rate in enumerate(rates):
        axes[0].plot([], [], "o", color=f"C{index}", label=f"lr {rate:g}")
    axes[0].legend(fontsize=8, title=f"dots grow with gamma: {', '.join(f'{g:g}' for g in gammas)}",
                   title_fontsize=7)  # fmt: skip
    figure.tight_layout()
    return figure


def _canvas(rows: int, columns: int, height: float, **more: Any) -> tuple[Figure, Sequence[Axes]]:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "deepunlearn"
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, height), squeeze=False, **more)
    return figure, list(axes.flat)


def _bare(axis: Axes, *sides: str) -> None:
    for side in sides:
        axis.spines[side].set_visible(False)


def _close(figure: Figure) -> None:
    from matplotlib import pyplot as plt

    plt.close(figure)
