"""A plan's size where the pictures are not at hand: from the plan, in proportions of the paper's split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from deepunlearn_cli import data
from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.core.fields import Domain, Share
from deepunlearn_cli.core.recipe import DO_NOTHING, RETRAIN
from deepunlearn_cli.core.specs import likely_share
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.methods._method import CIFAR10, Sizes
from deepunlearn_cli.studies.batches import (
    ATTACKS,
    CONFIRMATIONS,
    MODELS,
    NOTHING,
    ORIGINALS,
    RETRAINED,
    TRIALS,
    Batch,
    Counts,
    joined,
    load_of,
    mean,
    mean_load,
)
from deepunlearn_cli.studies.pace import Like
from deepunlearn_cli.studies.plan import Plan, Setup


def likely(plan: Plan, setup: Setup, seeds: int) -> Iterator[Batch]:
    """What a plan makes of a setup.

    Work of trials is that of what a search draws before it knows anything.
    """
    about = partial(Like, _label(setup.dataset), setup.model)
    epochs = recipes.TRAINER.build(setup.training).epochs
    parts = [_sizes(spec) for spec in plan.forget_specs]
    each, names = seeds * len(parts), plan.method_names
    training = recipes.TRAINER.build(setup.training).params()
    size = float(training["batch_size"])
    yield Batch(ORIGINALS, about("train", "original", training, float(epochs), size), seeds)
    tuned = min(plan.tuning.originals, each) if plan.tuning else 0
    retained = mean(sizes.retain / sizes.training for sizes in parts)
    retrained = each if RETRAIN in names else tuned
    yield Batch(RETRAINED, about("train", RETRAIN, training, epochs * retained, size), retrained)
    for name in names:
        if name == RETRAIN:
            continue
        fixed = dict(plan.params.get(name, {}))
        usual = recipes.budget(METHODS.needed(name), epochs) | fixed
        params = METHODS.needed(name).build(usual).params()
        once = joined([load_of(name, params, sizes) for sizes in parts])
        domains = _domains(name, plan, epochs) if tuned else {}
        if domains:
            yield from _likely_search(plan, name, about, domains, usual, parts[0], tuned)
            once = mean_load(name, domains, usual, parts[0])
        known = None if domains else params
        yield Batch(NOTHING if name == DO_NOTHING else MODELS, about("unlearn", name, known, *once), each)
    for attack, settings in plan.attack_settings:
        yield Batch(ATTACKS, about("attack", attack, settings, 0.0), each * len(names))


def likely_counts(plan: Plan, setup: Setup) -> Counts | None:
    """How many pictures a dataset has whose size is known without its files; None of others."""
    family = data.FAMILIES.get(setup.dataset) if setup.dataset in data.FAMILIES.names() else None
    if family is None or family.pictures is None:
        return None
    train, test = family.pictures
    return Counts(round(train * (1 - plan.val_share)), train + test, test)


def _likely_search(
    plan: Plan,
    name: str,
    about: Callable[..., Like],
    domains: Mapping[str, Domain],
    usual: Mapping[str, Any],
    sizes: Sizes,
    originals: int,
) -> Iterator[Batch]:
    from deepunlearn_cli import sweep

    assert plan.tuning
    most, tuning = sweep.points(domains), plan.tuning
    like = about("trial", name, None, *mean_load(name, domains, usual, sizes))
    yield Batch(TRIALS, like, int(min(tuning.trials, most)) * originals)
    few = 1 + int(min(tuning.confirm, most - 1)) if tuning.confirm else 0
    yield Batch(CONFIRMATIONS, like, few * sweep.FRESH_SEEDS * originals)


def _sizes(spec: str) -> Sizes:
    """The paper's split with as large a forget set as `spec` asks for: only shares count."""
    share = likely_share(spec, CIFAR10.classes)
    forget = CIFAR10.forget if share is None else max(1, round(share * CIFAR10.training))
    return replace(CIFAR10, forget=forget, retain=CIFAR10.training - forget)


def _label(spec: str) -> str:
    """What runs on a dataset are labelled with, as far as its spec tells."""
    try:
        return data.known_as(spec, Path())[0]
    except Failure:
        return spec


def _domains(name: str, plan: Plan, epochs: int) -> dict[str, Domain]:
    """What a search of a method draws, of an original trained for so many epochs; nothing of controls."""
    from deepunlearn_cli import sweep

    actor, fixed = METHODS.needed(name), plan.params.get(name, {})
    by_hand = sweep.by_hand(name, plan.tuning.ranges.get(name, {})).ranges if plan.tuning else {}
    return {
        field: domain.within(domain.high.resolve(epochs)) if isinstance(domain.high, Share) else domain
        for field, domain in (actor.domains() | dict(by_hand)).items()
        if domain.search and field not in fixed and not actor.control
    }
