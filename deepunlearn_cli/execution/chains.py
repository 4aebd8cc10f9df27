"""Chains: requests that follow each other on one model, and what their recipes say of it.

A run that starts from an unlearned one names the forget sets of all earlier requests, newest first: in its
data their hashes, in its labels their names. What it retains is what no request named. Its reference is the
training of the original without any of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from shlex import quote
from typing import Any

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import FORGOTTEN, Recipe

LONGEST = 100  # requests in a row: a recipe holds those of all models that came before


def check_length(start: Recipe, forget: str) -> None:
    """Refuse one request more than a chain takes.

    Args:
        forget: the request's spec.

    Raises:
        UsageFailure: with what begins a new one.
    """
    if sum(1 for _ in steps(start)) >= LONGEST:
        raise UsageFailure(
            f"{start.key} is the end of {LONGEST} requests in a row, and no chain is longer",
            f"a retrained model begins a new one: `deepunlearn unlearn {start.key} --method retrain --forget "
            f"{quote(forget)}`",
        )


def behind(model: Recipe) -> tuple[str, ...]:
    """SHA-256 of all that a model was to forget, newest first; of an original nothing."""
    return (model.forget, *model.forgotten) if model.forget else ()


def specs(model: Recipe) -> tuple[str, ...]:
    """Their names for people."""
    if not model.forget:
        return ()
    return (str(model.labels.get("forget", model.forget)), *model.labels.get(FORGOTTEN, model.forgotten))


def steps(model: Recipe) -> Iterator[Recipe]:
    """The model and those that it was made from, newest first, as long as they forgot something."""
    while model.forget:
        yield model
        if "original" not in model.inputs:
            return
        model = model.inputs["original"]


def trained(start: Recipe) -> Recipe:
    """The training, or the checkpoint, that a model goes back to: what a reference repeats without pictures.

    A file whose pictures have changed since is where the way back ends.
    """
    before = start.inputs.get("original")
    if before is None or before.data.get("fingerprint") != start.data.get("fingerprint"):
        return start
    return trained(before)


def rooted(start: Recipe, first: Recipe) -> Recipe:
    """A model as made from another statement of the training that it goes back to."""
    if start is trained(start):
        return first
    return replace(start, inputs=dict(start.inputs) | {"original": rooted(start.inputs["original"], first)})


def before_request(target: Recipe, forget: str) -> Recipe | None:
    """The model that a request was made to; for a union of several the model before the first.

    None where that is not known.
    """
    *_, first = made = list(steps(target))
    asked = next((one for one in made if one.forget == forget and one.forgotten == target.forgotten), None)
    asked = asked or next((one for one in made if one.forget == forget), first)
    return asked.inputs.get("original")


def number(target: Recipe, forget: str) -> int | None:
    """Which of the requests behind a model a forget set is of, 1 for the first; None for none or several."""
    known = behind(target)
    return len(known) - known.index(forget) if forget in known else None


def data_of(data: Mapping[str, Any], earlier: Sequence[str]) -> dict[str, Any]:
    """The data part of a recipe that follows these requests."""
    kept = {name: value for name, value in data.items() if name != FORGOTTEN}
    return kept | ({FORGOTTEN: list(earlier)} if earlier else {})


def labels_of(labels: Mapping[str, Any], earlier: Sequence[str]) -> dict[str, Any]:
    """The labels of a recipe that follows requests of these names."""
    return data_of(labels, earlier)


def others(target: Recipe, forget: str) -> tuple[list[str], list[str]]:
    """Hashes and names of what a model forgot beside one of its forget sets, or beside any part of them."""
    known = zip(behind(target), specs(target), strict=True)
    rest = [(one, spec) for one, spec in known if one != forget]
    return [one for one, _ in rest], [spec for _, spec in rest]
