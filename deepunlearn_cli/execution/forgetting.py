"""Which forget set goes with a model: what was asked for, what it was trained for; never a guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli import data
from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution import chains
from deepunlearn_cli.store.purposes import Purpose

if TYPE_CHECKING:
    from deepunlearn_cli.execution.runner import Runner

SHOWN = 5  # forget sets named in an error


@dataclass(frozen=True)
class Request:
    """One of the requests that a model carried out.

    Attributes:
        number: 1 for the first.
        sha256: of its forget set.
        spec: the forget set's name for people.
        count: of its pictures; None where the forget set is not in this store.
        method: that carried it out.
        run: its key, or that of the file that came with it done.
    """

    number: int
    sha256: str
    spec: str
    count: int | None
    method: str
    run: str


@dataclass(frozen=True)
class Chain:
    """All requests behind a model, the first first, and the digest and size of their union.

    Both are None where there is no request, or the store lacks one of the forget sets.
    """

    requests: tuple[Request, ...]
    union: str | None
    count: int | None


def chain(recipe: Recipe, home: Path) -> Chain:
    """The requests behind any run, an attack's being those of its target; none behind an original.

    Args:
        home: folder of the decoded datasets and forget sets (`<store>/data`).

    Raises:
        StoreCorrupt: a forget set is damaged.
    """
    model = recipe.inputs.get("target", recipe)
    digests, names, makers = chains.behind(model), chains.specs(model), list(chains.steps(model))
    sets = [_kept(digest, home) for digest in digests]
    made = [makers[min(place, len(makers) - 1)] for place in range(len(digests))]
    requests = [
        Request(len(digests) - place, digest, names[place], len(known) if known else None, by.name, by.key)
        for place, (digest, known, by) in enumerate(zip(digests, sets, made, strict=True))
    ]
    there = [one for one in sets if one]
    if not there or len(there) < len(sets):
        return Chain(tuple(reversed(requests)), None, None)
    every = data.union(there)
    return Chain(tuple(reversed(requests)), every.sha256, len(every))


def _kept(sha256: str, home: Path) -> data.ForgetSet | None:
    with suppress(NotFound):
        return data.load_forget(sha256, home)
    return None


def behind(model: Recipe, runner: Runner) -> list[data.ForgetSet]:
    """The forget sets of all requests behind a model, newest first.

    Raises:
        NotFound: one is not in this store.
    """
    return [data.load_forget(one, runner.store.data) for one in chains.behind(model)]


def forget_for(
    split_of: Mapping[str, Any],
    dataset: data.Dataset,
    spec: str,
    runner: Runner,
    model: Recipe | None = None,
    gone: Sequence[data.ForgetSet] = (),
) -> data.ForgetSet:
    """A forget set by its spec, within the split of a recipe's data; kept in the store.

    `model` is asked where the spec goes by how hard pictures are for it; `gone` was forgotten before.
    """
    split = data.split(dataset, split_of["val_share"], split_of["split_seed"])
    ask = partial(_hardness, model, runner) if model else None
    forget = data.forget_set(spec, dataset, split, seed=split_of["split_seed"], ask=ask, gone=gone)
    data.save_forget(forget, runner.store.data)
    return forget


def asked_for(
    split_of: Mapping[str, Any],
    dataset: data.Dataset,
    spec: str,
    runner: Runner,
    *,
    with_duplicates: bool = False,
    model: Recipe | None = None,
) -> data.ForgetSet:
    """The forget set that somebody asked for; twins of its pictures are forgotten too, or warned of.

    From a model that has forgotten before, rules draw from what is left; what they share with earlier
    requests is told.
    """
    gone = behind(model, runner) if model else []
    forget = forget_for(split_of, dataset, spec, runner, model, gone)
    split = data.split(dataset, split_of["val_share"], split_of["split_seed"])
    left = data.left_of(split, gone)
    forget = _with_twins(forget, dataset, left, runner, forgotten=with_duplicates)
    for said in _shared(forget, list(reversed(gone))):
        runner.reporter.told(said)
    return forget


def _shared(forget: data.ForgetSet, before: Sequence[data.ForgetSet]) -> list[str]:
    """What a request shares with the earlier ones, the first first."""
    ours = set(forget.indices.tolist())
    common = [(number, one, len(ours & set(one.indices.tolist()))) for number, one in enumerate(before, 1)]
    return [
        f"{count} of the {len(forget)} pictures were forgotten before, in request {number} ({one.spec}): "
        "they are forgotten once more"
        for number, one, count in common
        if count
    ]


def _hardness(model: Recipe, runner: Runner) -> data.Scores:
    """How hard each training picture is for a model (N,): its loss on augmented copies; NaN elsewhere."""
    import numpy as np

    from deepunlearn_cli.engine.hardness import hardness

    run = runner.ensure(model)
    part = runner.materials.training(model, "hardness")
    scores = np.full(len(runner.materials.dataset(model)), np.nan)
    scores[part.indices.cpu().numpy()] = hardness(runner.materials.start(model, run), part, model.precision)
    return scores


def _with_twins(
    forget: data.ForgetSet, dataset: data.Dataset, split: data.Split, runner: Runner, *, forgotten: bool
) -> data.ForgetSet:
    """A forget set with the training pictures that equal one of it, byte for byte; else a warning of them."""
    pairs = data.twins(forget, dataset)
    trained = set(split.train.tolist())
    ours = [pair for pair in pairs if pair[1] in trained]
    if forgotten and ours:
        known = {int(index) for index in forget.indices} | {twin for _, twin in ours}
        forget = data.forget_from(f"{forget.spec} with duplicates", sorted(known), dataset, split)
        data.save_forget(forget, runner.store.data)
        pairs = [pair for pair in pairs if pair not in ours]
    for part, where in (("retain", split.train), ("validation", split.val), ("test", split.test)):
        if there := [pair for pair in pairs if pair[1] in set(where.tolist())]:
            runner.reporter.warned(_twins_said(there, part, dataset))
    return forget


def _twins_said(pairs: Sequence[tuple[int, int]], part: str, dataset: data.Dataset) -> str:
    named = [f"{data.name_of(twin, dataset)} equals {data.name_of(one, dataset)}" for one, twin in pairs]
    said = ", ".join(named[:SHOWN]) + (", ..." if len(named) > SHOWN else "")
    what = "--with-duplicates forgets them too" if part == "retain" else "they count as unseen, and are not"
    return f"{len(pairs)} {part} pictures are byte for byte what is to be forgotten ({said}): {what}"


def remember(recipe: Recipe, forget: data.ForgetSet, runner: Runner, *, named: bool) -> None:
    """Keep what an original is trained for; `named` unless a default filled it in."""
    runner.store.purposes.add(recipe.key, Purpose(forget.sha256, forget.spec, named))


def intended(recipe: Recipe, runner: Runner) -> data.ForgetSet:
    """The forget set that a model carries: its own, the tracked or canaries' one, or what it was trained for.

    Raises:
        UsageFailure: none is on record, or several.
    """
    canary = data.Canary.of(recipe.data)
    known = recipe.forget or recipe.data.get("tracked") or (canary and canary.forget)
    if known:
        return data.load_forget(known, runner.store.data)
    purposes = runner.store.purposes.of(recipe.key)
    if not purposes:
        raise UsageFailure(
            f"nothing says what {recipe.name} {recipe.key} is to forget",
            f"--forget names it: {data.FORMS} (`deepunlearn guide deletion-request`)",
        )
    if len(purposes) > 1:
        specs = [one.spec for one in purposes]
        named = ", ".join(specs[:SHOWN]) + (", ..." if len(specs) > SHOWN else "")
        raise UsageFailure(
            f"{recipe.key} was trained for {len(specs)} forget sets: {named}", f"--forget {specs[0]}, say"
        )
    forget = data.load_forget(purposes[0].sha256, runner.store.data)
    if not purposes[0].named:
        tell_default(forget, recipe.key, runner)
    return forget


def tell_default(forget: data.ForgetSet, what: str, runner: Runner) -> None:
    """Say that nobody named what is to be forgotten."""
    runner.reporter.told(
        f"{what} was trained for no forget set in particular: the default is taken, {forget.spec} "
        f"({len(forget)} pictures); --forget names another"
    )
