"""What figures are drawn on: panels, their layout, and names that are names in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.names import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

WIDTH, ROW = 7.0, 0.3  # inches: of a figure, of a line in it
NAME, NAMES = 0.15, 0.24  # inches of a name in a column of them; share of a figure that the column takes


def laid_out(figure: Figure, **room: Any) -> None:
    """Fit a figure, its names made printable first: no font and no SVG knows control characters."""
    from matplotlib.text import Text

    for one in figure.findobj(Text):
        one.set_text(printable(one.get_text(), keep="\n"))
    figure.tight_layout(**room)


def canvas_of(panels: list[list[str]], height: float) -> tuple[Figure, Mapping[str, Axes]]:
    """A figure with named panels; a name that stands in several places is a panel over all of them."""
    figure, axes = _pyplot().subplot_mosaic(panels, figsize=(WIDTH, height))
    return figure, axes


def canvas(rows: int, columns: int, height: float, **more: Any) -> tuple[Figure, Sequence[Axes]]:
    """A figure of so many panels, row by row; `height` in inches."""
    figure, axes = _pyplot().subplots(rows, columns, figsize=(WIDTH, height), squeeze=False, **more)
    return figure, list(axes.flat)


def _pyplot() -> Any:
    """Pyplot, drawing into memory; the same figure gives the same bytes."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "deepunlearn"
    mpl.rcParams["text.parse_math"] = False  # a name with dollars is no formula
    return plt


def in_figures(*axes: Axis) -> None:
    """Write numbers of logarithmic axes as numbers: names with dollars are names, so nothing is a formula."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    for one in axes:
        one.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        one.set_minor_formatter(NullFormatter())


def bare(axis: Axes, *sides: str) -> None:
    """Without the lines on these sides."""
    for side in sides:
        axis.spines[side].set_visible(False)


def named(figure: Figure, axis: Axes, points: Sequence[tuple[float, float, str]]) -> None:
    """Names of points in a column at the right, each with a line to its point: none lies on another.

    Args:
        points: x, y and name, in data coordinates; the axes are laid out, with the column's room beside.
    """
    height = axis.get_position().height * figure.get_figheight()
    step = NAME / height
    places = [axis.transLimits.transform(axis.transScale.transform((x, y)))[1] for x, y, _ in points]
    order = sorted(range(len(points)), key=lambda i: (places[i], points[i][2]))
    for i, at in zip(order, spread([places[i] for i in order], step), strict=True):
        x, y, name = points[i]
        axis.annotate(
            printable(name),
            (x, y),
            (1.06, at),
            textcoords="axes fraction",
            fontsize=7,
            va="center",
            arrowprops={"arrowstyle": "-", "color": "0.75", "lw": 0.5, "shrinkA": 1, "shrinkB": 2},
            annotation_clip=False,
        )


def spread(places: Sequence[float], step: float) -> list[float]:
    """Places in ascending order, moved as little as needed to lie `step` apart, from 0 to 1 if there is room.

    Neighbours that are too near become a block about their middle (isotonic regression of what is left when
    the steps are taken away).
    """
    blocks: list[list[float]] = []  # sum, count
    for number, place in enumerate(places):
        blocks.append([place - number * step, 1.0])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1] = [blocks[-1][0] + total, blocks[-1][1] + count]
    middles = [total / count for total, count in blocks for _ in range(int(count))]
    most = max(0.0, 1 - (len(places) - 1) * step)
    return [min(max(middle, 0.0), most) + number * step for number, middle in enumerate(middles)]
