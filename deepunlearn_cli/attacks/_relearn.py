"""Relearning: the passes, what is read on the way, and how two models differ in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.attacks._attack import Findings
from deepunlearn_cli.attacks._probe import Lab, Tested, beyond
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.shared import Outputs, Part
from deepunlearn_cli.evaluation import intervals, matched
from deepunlearn_cli.evaluation.features import correctness, log_odds
from deepunlearn_cli.evaluation.intervals import Estimate

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.engine.pictures import Pictures

    Floats = NDArray[np.float64]

SIDES = ("forget", "unseen")
ROUTES = ("retain", "few")
OF = {"auc": "retain", "few_auc": "few"}  # by figure, the route that it is of


@dataclass(frozen=True)
class Pace:
    """How one route is fine-tuned, as `Task.fit` takes it; `passes` in all, with a reading after each."""

    passes: int
    lr: float
    momentum: float
    batch_size: int
    weight_decay: float = 0.0
    epochs: int = 1


@dataclass(frozen=True)
class Reading:
    """What a model says of one side at one time: log p of the true class (n,), and whether it is right."""

    sure: Floats
    right: Floats


def probe(lab: Lab, against: str, few: float, paces: Mapping[str, Pace]) -> Outputs:
    """Both routes from the same model; pictures that were shown again have NaN on the route of the few."""
    task, start = lab.task, _read(lab, lab.model, against)
    shown = task.forget.sample(max(1, round(few * len(task.forget))), task.stream("few"))
    taught = {"retain": task.retain, "few": shown}
    routes = {route: _passes(lab, against, part, paces[route]) for route, part in taught.items()}
    again = np.isin(start["forget"]["index"], shown.indices.cpu().numpy())
    return _kept(start, routes, again)


def _passes(lab: Lab, against: str, part: Pictures, pace: Pace) -> list[dict[str, Reading]]:
    model, task = lab.model, lab.task
    optimizer, readings = task.sgd(model, pace), []
    for _ in range(pace.passes):
        task.fit(model.train(), part, pace, optimizer=optimizer)
        said = _read(lab, model, against)
        readings.append({side: said[side]["reading"] for side in SIDES})
    return readings


def _read(lab: Lab, model: nn.Module, against: str) -> dict[str, dict[str, Any]]:
    outputs = lab.outputs(model, "forget", against)
    if against not in outputs:
        raise UsageFailure(f"there are no {against} pictures to compare with", "--against test has some")
    return {side: _said(outputs[name]) for side, name in zip(SIDES, ("forget", against), strict=True)}


def _said(part: Part) -> dict[str, Any]:
    logits, labels = part["logits"], part["labels"]
    sure = -np.logaddexp(0, -log_odds(logits.astype(np.float64), labels))
    reading = Reading(sure, correctness(logits, labels))
    return {"index": part["index"], "label": labels, "reading": reading}


def _kept(
    start: Mapping[str, Mapping[str, Any]],
    routes: Mapping[str, list[dict[str, Reading]]],
    again: NDArray[np.bool_],
) -> Outputs:
    """Arrays per side and sample: means over the passes; and per pass the accuracies, the start first."""
    parts: dict[str, dict[str, NDArray[Any]]] = {}
    curves: dict[str, NDArray[Any]] = {}
    for side in SIDES:
        said = start[side]
        hidden = again if side == "forget" else np.zeros(len(said["index"]), dtype=bool)
        parts[side] = {"index": said["index"], "label": said["label"], "before": said["reading"].right}
        for route in ROUTES:
            taken = [one[side] for one in routes[route]]
            left = hidden if route == "few" else np.zeros_like(hidden)
            for name in ("sure", "right"):
                values = np.stack([getattr(one, name) for one in taken])
                parts[side][f"{route}_{name}"] = np.where(left, np.nan, values.mean(0))
            rights = [said["reading"].right, *(one.right for one in taken)]
            curves[f"{route}_{side}"] = np.array([one[~left].mean() for one in rights])
    # the curves of the routes differ in length, and arrays of a part need not agree
    return parts | {"readings": curves}


def figures(parts: Outputs) -> Findings:
    """Accuracies on the way, and how forgotten pictures rank among unseen ones of their class."""
    forget, curves = parts["forget"], parts["readings"]
    regained = _floored(forget["retain_right"])
    low, high = regained.interval()
    scores: dict[str, Any] = {"before": float(forget["before"].mean())}
    areas = {name: _ranked(parts, None, route) for name, route in OF.items()}
    for name, found in areas.items():
        ends = found.area.interval()
        scores |= {name: found.area.value}
        scores |= {f"{name}_low": max(0.0, ends[0]), f"{name}_high": min(1.0, ends[1])}
    scores |= {
        "regained": regained.value,
        "regained_low": max(0.0, low),
        "regained_high": min(1.0, high),
        "after": float(curves["retain_forget"][-1]),
        "few_regained": float(np.nanmean(forget["few_right"])),
        "few_after": float(curves["few_forget"][-1]),
        "unseen_before": float(parts["unseen"]["before"].mean()),
        "unseen_after": float(curves["retain_unseen"][-1]),
        "n": min(min(found.sizes) for found in areas.values()),
    }
    return Findings(scores, parts)


def tested(metric: str, ours: Findings, control: Findings | None, tolerance: float) -> Tested:
    """A figure's gap to the control and the p-value of a model that has forgotten."""
    theirs = control.parts if control else None
    if theirs:
        _check_same(ours.parts, theirs)
    if metric == "regained":
        gap = _regained(ours.parts, theirs)
        return Tested(metric, gap, beyond(gap, tolerance))
    found = _ranked(ours.parts, theirs, OF[metric])
    gap = Estimate(found.area.value - 0.5, found.area.error, found.area.df)
    return Tested(metric, gap, found.p_value)


def _regained(ours: Outputs, theirs: Outputs | None) -> Estimate:
    """Forget accuracy on the way, less the control's picture by picture, or less that of unseen pictures."""
    mine = ours["forget"]["retain_right"]
    if theirs:
        return _floored(mine - theirs["forget"]["retain_right"])
    own, other = _floored(mine), _floored(ours["unseen"]["retain_right"])
    return Estimate(own.value - other.value, float(np.hypot(own.error, other.error)), own.df)


def _ranked(ours: Outputs, theirs: Outputs | None, route: str) -> matched.Matched:
    """Forgotten pictures against unseen ones, by how sure the model is of them, or surer than a control."""
    scores, labels = [], []
    for side in SIDES:
        mine = ours[side][f"{route}_sure"]
        gained = mine - theirs[side][f"{route}_sure"] if theirs else mine
        known = np.isfinite(gained)
        scores.append(gained[known])
        labels.append(ours[side]["label"][known])
    strata = labels if matched.differ(*labels) else [np.zeros_like(one) for one in labels]
    return matched.compare(*scores, *strata)


def _floored(values: Floats) -> Estimate:
    """Mean of values (n,) of at most 1 either way, whose error is never 0: one such is added."""
    found = intervals.mean(values)
    return Estimate(found.value, float(np.hypot(found.error, 1 / max(1, len(values)))), max(1.0, found.df))


def _check_same(ours: Outputs, theirs: Outputs) -> None:
    for side in SIDES:
        mine, other = ours[side], theirs[side]
        same = np.array_equal(mine["index"], other["index"])
        if not same or not np.array_equal(np.isnan(mine["few_sure"]), np.isnan(other["few_sure"])):
            raise UsageFailure(
                "the attack and its control saw other pictures", "give a control of the same forget set"
            )
