"""Measures of a run, alone or compared with the retrained model of its seed: each is declared once, here.

Columns, `rank --metric`, notes, sheets of one run and panels of figures derive from `MEASURES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from deepunlearn_cli.core.errors import unknown
from deepunlearn_cli.evaluation import divergence, efficacy, metrics

if TYPE_CHECKING:
    from deepunlearn_cli.core.shared import Outputs
    from deepunlearn_cli.evaluation.intervals import Interval
    from deepunlearn_cli.reporting.quoted import Kind
    from deepunlearn_cli.reporting.records import Record

Figure = Callable[["Record", "Record"], float]  # of a run and the retrained model of its seed
Reduced = TypeVar("Reduced")

# where a measure is shown: in tables, in those and the figure by size of the forget set, in a run's sheet
RANK, SCORES, RETENTION, SIZES, PANEL, SHEET = "rank", "scores", "retention", "sizes", "panel", "sheet"
SEEDS, SPLITS = "seeds", "splits"  # what a mean is over
PAPERS = ("retdev", "indisc")  # what the paper's Table 1 ranks by


@dataclass(frozen=True)
class Measure:
    """A figure per run, and everything that is known of it.

    Attributes:
        name: its one spelling in JSON fields; `--metric`, Table 1 and Table 2 write it in small letters.
        title: what people read in a header.
        meaning: what it is, its unit and which value is best; behind the title in a sheet of one run.
        of: the figure of a run, given the retrained model of its seed; NaN where unknown.
        digits: behind the point, of the figure times `scale` (100 for percent).
        lower: whether less is better.
        alone: whether it needs no retrained model.
        noisy: whether a figure as small as between retrained models of two seeds is marked as noise.
        signed: whether people see its sign and no deviation.
        ratio: whether it is a ratio to the retrained model, so that a difference from it says nothing.
        outputs: whether it looks at outputs; no table reads those of all runs unless asked for it. `arrays`:
            whether it takes so much of them that it does not travel with figures.
        over: what a mean is over, `SEEDS` or `SPLITS`.
        shown: where.
        absent: what to say of a run without a figure, and the command that cures it; `{id}` is the run.
        undefined: why a retrained model allows no figure, or nothing.
        interval: the 95 % interval of the figure of a run by itself, over the pictures that were asked about.
        symlog: on a figure's axis, up to where the scale is linear (0: everywhere).
    """

    name: str
    title: str
    meaning: str
    of: Figure
    digits: int
    scale: float = 1
    lower: bool = True
    alone: bool = False
    noisy: bool = False
    signed: bool = False
    ratio: bool = False
    outputs: bool = False
    arrays: bool = False
    over: str = SEEDS
    shown: Sequence[str] = ()
    absent: str = ""
    undefined: Callable[[Record], str] = lambda retrained: ""
    interval: Callable[[Record], Interval | None] = lambda run: None
    symlog: float = 0

    @property
    def key(self) -> str:
        """The name in `--metric`, and in the fields of Table 1 and Table 2."""
        return self.name.lower()

    @property
    def heading(self) -> str:
        """Title and meaning."""
        return f"{self.title}, {self.meaning}"

    @property
    def axis(self) -> str:
        """What people read beside an axis."""
        scale = f"\n(linear to {self.symlog:g}, then logarithmic)" if self.symlog else ""
        return f"{self.heading}{scale}"

    def lacking(self, run: Record) -> str:
        """What to say of a run that lacks the figure."""
        if not run.file:
            return self.absent.format(id=run.id)
        return (
            "takes outputs, and a table of figures has none" if self.outputs else f"not given in {run.file}"
        )

    def unknown(self, run: Record) -> bool:
        """Whether a run lacks the figure, of a measure that stands alone."""
        return math.isnan(self.of(run, run))


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def score(name: str) -> Figure:
    """A figure that a record has under this name."""
    return lambda run, _: _number(getattr(run, name))


def attacked(kind: Kind) -> Figure:
    """Accuracy (0..1) of a kind of U-MIA."""
    return lambda run, _: _number(run.umias.get(kind))


def gap(name: str) -> Figure:
    """An accuracy less the retrained model's."""
    return lambda run, reference: _number(getattr(run, name)) - _number(getattr(reference, name))


def on_outputs(reduce: Callable[[Outputs], Reduced], compare: Callable[[Reduced, Reduced], float]) -> Figure:
    """A figure of what two models said; outputs are read when it is asked for, NaN where there are none.

    `reduce` takes from a run's outputs what is needed and nothing more: it stays in memory for a while.
    """

    def figure(run: Record, reference: Record) -> float:
        reader = run.reader
        return math.nan if reader is None else reader.figure(reduce, compare, run.id, reference.id)

    return figure


def _umia_interval(run: Record) -> Interval | None:
    low, high = run.umia_low, run.umia_high
    return None if low is None or high is None else (low, high)


def _ratio(name: str) -> Figure:
    return lambda run, reference: metrics.retention(getattr(run, name), getattr(reference, name))


def accuracies(record: Record) -> dict[str, float | None]:
    """RA, FA and TA by name."""
    return {"RA": record.RA, "FA": record.FA, "TA": record.TA}


def _retention_deviation(run: Record, reference: Record) -> float:
    return metrics.retention_deviation(accuracies(run), accuracies(reference))


def _without_retention(retrained: Record) -> str:
    return "" if all(accuracies(retrained).values()) else "a retrained model has an accuracy of 0"


def _tug_of_war(run: Record, reference: Record) -> float:
    """(1 - |dRA|) (1 - |dFA|) (1 - |dTA|), 1 is best (Zhao et al. 2024, arXiv 2406.01257)."""
    return math.prod(1 - abs(gap(name)(run, reference)) for name in ("RA", "FA", "TA"))


def comparable(run: Record, reference: Record) -> bool:
    """Whether the seconds of two runs may be compared: one device, and nobody else on it."""
    ours, theirs = run.facts, reference.facts
    alone = not ours.get("shared") and not theirs.get("shared")
    return run is reference or (alone and ours.get("device") == theirs.get("device"))


def _speed(run: Record, reference: Record) -> float:
    """RTE in seconds; NaN where they cannot be compared, or for a run that did no work (do-nothing)."""
    worked = run.facts.get("work") != 0
    return _times_less("seconds")(run, reference) if worked and comparable(run, reference) else math.nan


def _times_less(fact: str) -> Figure:
    def figure(run: Record, reference: Record) -> float:
        ours, theirs = run.facts.get(fact), reference.facts.get(fact)
        return float(theirs / ours) if ours and theirs else math.nan

    return figure


NOT_ATTACKED = "not attacked yet; `deepunlearn attack umia {id}`"
NO_OUTPUTS = "no outputs are kept of {id} or of its retrained model"
NOT_LEARNED = f"{NO_OUTPUTS}, or an attack on one of them cannot tell retain from test pictures"


def _efficacies(feature: str) -> tuple[Measure, Measure]:
    """MIA-efficacy by a feature, and its distance from the retrained model's."""
    plain = feature == efficacy.CONFIDENCE
    end, of = ("", "") if plain else (f"_{feature.replace('-', '_')}", f" {feature.replace('-', ' ')}")
    share: Callable[[Outputs], float] = partial(efficacy.mia_efficacy, feature=feature)
    without = partial(efficacy.left_out, feature=feature)

    def interval(run: Record) -> Interval | None:
        found = run.reader.reduced(without, run.id) if run.reader else None
        return found and efficacy.interval(found)

    return (
        Measure(
            f"MIA_efficacy{end}", f"MIA-efficacy{of}", "% of forget called unseen",
            on_outputs(share, lambda run, _: run), 1, 100, alone=True, outputs=True, shown=(SHEET,),
            absent=NOT_LEARNED, interval=interval,
        ),
        Measure(
            f"MIA_gap{end}", f"MIA gap{of}", "of MIA-efficacy to the retrained model's, in points, 0 is best",
            on_outputs(share, lambda run, reference: abs(run - reference)), 1, 100,
            noisy=True, outputs=True, shown=(RANK,), absent=NOT_LEARNED,
        ),
    )  # fmt: skip


MEASURES = {
    measure.name: measure
    for measure in (
        Measure("RA", "RA", "accuracy on retain, %", score("RA"), 1, 100, alone=True, shown=(SCORES, SHEET)),
        Measure("FA", "FA", "accuracy on forget, %", score("FA"), 1, 100, alone=True, shown=(SCORES, SHEET)),
        Measure(
            "VA", "VA", "accuracy on validation, %", score("VA"), 1, 100, alone=True, shown=(SCORES, SHEET)
        ),
        Measure("TA", "TA", "accuracy on test, %", score("TA"), 1, 100, alone=True, shown=(SCORES, SHEET)),
        Measure("dFA", "dFA", "FA less the retrained model's, in points", gap("FA"), 1, 100,
                noisy=True, signed=True, shown=(SCORES, SIZES)),
        Measure("dTA", "dTA", "TA less the retrained model's, in points", gap("TA"), 1, 100,
                noisy=True, signed=True, shown=(SCORES, SIZES)),
        Measure("RR", "RR", "RA over the retrained model's, 1 is best", _ratio("RA"), 3,
                ratio=True, shown=(RETENTION,)),
        Measure("FR", "FR", "FA over the retrained model's, 1 is best", _ratio("FA"), 3,
                ratio=True, shown=(RETENTION,)),
        Measure("TR", "TR", "TA over the retrained model's, 1 is best", _ratio("TA"), 3,
                ratio=True, shown=(RETENTION,)),
        Measure(
            "RetDev", "RetDev", "retention deviation, 0 is best", _retention_deviation, 3,
            noisy=True, shown=(RANK, SCORES, RETENTION, SIZES, PANEL, SHEET),
            undefined=_without_retention, symlog=0.1,
        ),
        Measure("ToW", "ToW", "tug of war, 1 is best", _tug_of_war, 3, lower=False, shown=(RANK, SHEET)),
        Measure(
            "UMIA", "U-MIA", "accuracy of the attack, %, 50 is guessing", score("umia"), 1, 100, alone=True,
            shown=(SCORES, SIZES, PANEL, SHEET), absent=NOT_ATTACKED, interval=_umia_interval,
        ),
        Measure(
            "UMIA_entropy", "U-MIA entropy", "accuracy of the attack, %, 50 is guessing",
            attacked(("test", "entropy")), 1, 100, alone=True, shown=(SIZES, PANEL),
        ),
        Measure(
            "Indisc", "Indisc", "indiscernibility, 1 is best",
            lambda run, _: metrics.indiscernibility(_number(run.umia)), 3, lower=False, alone=True,
            shown=(RANK, RETENTION, SHEET), absent=NOT_ATTACKED,
        ),
        Measure(
            "work", "work", "in epochs of training", lambda run, _: _number(run.facts.get("work")), 2,
            alone=True, shown=(SIZES, PANEL),
        ),
        Measure(
            "RTE", "RTE", "seconds of retraining by its own", _speed, 2, lower=False, ratio=True,
            shown=(RETENTION, SHEET),
        ),
        Measure(
            "RTE_work", "RTE work", "the same in work", _times_less("work"), 2, lower=False, ratio=True,
            shown=(SHEET,),
        ),
        Measure(
            "JS", "JS", "divergence of outputs on forget, bits, 0 is best",
            on_outputs(divergence.on_forget, divergence.jensen_shannon), 4,
            noisy=True, outputs=True, arrays=True, shown=(RANK, SHEET), absent=NO_OUTPUTS,
        ),
        *(measure for feature in efficacy.FEATURES for measure in _efficacies(feature)),
        Measure(
            "ULiRA", "U-LiRA", "accuracy of the attack in a split, 0.5 is guessing", score("ulira"), 3,
            alone=True, over=SPLITS, shown=(RANK,),
        ),
    )
}  # fmt: skip


def measures_of(place: str) -> list[Measure]:
    """The measures that are shown there, in order."""
    return [measure for measure in MEASURES.values() if place in measure.shown]


def metrics_of_rank() -> dict[str, Measure]:
    """What `rank --metric` takes, by key."""
    return {measure.key: measure for measure in measures_of(RANK)}


def find_metric(name: str) -> Measure:
    """The measure to rank by.

    Raises:
        NotFound: an unknown one, with suggestions.
    """
    known = metrics_of_rank()
    if found := known.get(name.lower()):
        return found
    raise unknown("metric", name, known, f"metrics: {', '.join(known)}")
