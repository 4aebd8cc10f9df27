"""What figures are drawn on: panels, their layout, and names that are names in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.names import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, ROW = 7.0, 0.3  # inches: of a figure, of a line in it


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


def bare(axis: Axes, *sides: str) -> None:
    """Without the lines on these sides."""
    for side in sides:
        axis.spines[side].set_visible(False)
