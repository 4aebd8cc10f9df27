"""Plans read from TOML, and refused where they make no sense or would not do what they say."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, TypedDict

from deepunlearn_cli.attacks import ATTACKS, OneModel, Probe
from deepunlearn_cli.core.errors import UsageFailure, unknown
from deepunlearn_cli.core.specs import RUN_SEED, check_count, read_seeds
from deepunlearn_cli.core.typed import Count, Fraction, Mistyped, Seed, Text, check, shortened
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.studies import named
from deepunlearn_cli.studies.plan import Plan
from deepunlearn_cli.studies.plan_studies import check_keys, check_repeated, check_unrolling

BUILT_IN = "deepunlearn_cli.studies"
CELL = ("datasets", "models", "training")
TIMING = ("seed",)
IDLE = {  # of a plan with such a table
    "unrolling": ("methods", "attacks", "tables", "params", "sweep", "timing", "repeated"),
    "repeated": ("attacks", "tables", "sweep", "timing"),
}


@dataclass(frozen=True)
class Kind:
    """What a key of a plan takes: in words, an example of `{}`, and the declared type."""

    words: str
    example: str
    declared: Any


class Attack(TypedDict):
    """An attack with settings of its own."""

    name: Text


TEXT = Kind("a text", '{} = "..."', Text)
TEXTS = Kind("a list of texts", '{} = ["..."]', list[Text])
WHOLE = Kind("a whole number", "{} = 3", int)
SEED = Kind("a whole number from 0 up", "{} = 3", Seed)
FLAG = Kind("true or false", "{} = false", bool)
TABLE = Kind("a table", "[{}]", Mapping[str, Any])
KINDS = {
    "datasets": TEXTS,
    "models": TEXTS,
    "methods": TEXTS,
    "tables": TEXTS,
    "cells": Kind("a list of tables", "[[{}]]", list[Mapping[str, Any]]),
    "attacks": Kind("a list of attacks", '{} = ["umia"]', list[Any]),
    "seeds": Kind("a text of seeds", '{} = "0-9"', Text),
    "forget": Kind("a forget set or a list of them", '{} = "random:0.1"', Text | list[Text]),
    "precision": TEXT,
    "image_size": Kind("a whole number from 1 to 100000", "{} = 32", Count),
    "split_seed": SEED,
    "val_share": Kind("a number from 0 to below 1", "{} = 0.15", Fraction),
    "augment": FLAG,
    "augment_unlearning": FLAG,
    **dict.fromkeys(("training", "params", "sweep", "unrolling", "repeated", "timing"), TABLE),
}
TUNING = {
    **dict.fromkeys(("trials", "originals", "confirm", "max_failures"), WHOLE),
    "sampler_seed": Kind("a whole number", "{} = 0", Seed),
    **dict.fromkeys(("sampler", "study", "database"), Kind("a text", '{} = "..."', str)),
    "objective": Kind("a text", '{} = "cost"', str),
    "early_stop": Kind("a number", "{} = 0.1", float),
    "timeout": Kind("a time", '{} = "2h"', Text),
    "ranges": TABLE,
}


def built_in() -> list[str]:
    """Names of the plans that come with the tool."""
    entries = files(BUILT_IN).iterdir()
    return sorted(entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml"))


def load(name: str) -> Plan:
    """A built-in plan by its name, or one from a TOML file.

    Raises:
        NotFound: neither a built-in plan nor a file.
        UsageFailure: not TOML, an unknown key (with a suggestion), or a value of the wrong type.
    """
    if name in built_in():
        return _plan(tomllib.loads(files(BUILT_IN).joinpath(f"{name}.toml").read_text("utf-8")), name)
    path = Path(name)
    if not path.is_file():
        raise unknown("plan", name, built_in(), f"a TOML file, or one of: {', '.join(built_in())}")
    try:
        return _plan(named.resolved(tomllib.loads(path.read_text("utf-8")), path.parent), name)
    except (ValueError, RecursionError, OSError) as error:
        raise UsageFailure(
            f"plan {name} is not TOML: {error}", "`deepunlearn bench quick` is an example"
        ) from None


def _plan(content: Mapping[str, Any], name: str) -> Plan:
    check_keys(content, [item.name for item in fields(Plan)], f"plan {name}")
    for key, value in content.items():
        _check_kind(key, value, KINDS[key], f"plan {name}")
    _check_idle(content, name)
    plan = Plan(**{**content, "params": _params(content.get("params", {}), name)})
    for cell in plan.cells:
        _check_cell(cell, name)
    if not plan.setups:
        missing = "models" if plan.datasets else "datasets"
        raise UsageFailure(f"plan {name} names no {missing}", f'{missing} = ["..."]')
    for examine in (
        _check_methods,
        _check_sweep,
        _check_forget,
        _check_attacks,
        check_unrolling,
        check_repeated,
        _check_timing,
    ):
        examine(plan, name)
    return plan


def _check_kind(key: str, value: object, kind: Kind, where: str) -> None:
    """Refuse a value of another kind than the key has."""
    try:
        check(value, kind.declared)
    except Mistyped:
        raise UsageFailure(
            f"{where}: {key} = {shortened(repr(value))} is not {kind.words}", kind.example.format(key)
        ) from None


def _params(given: Mapping[str, Any], name: str) -> dict[str, Mapping[str, Any]]:
    """Hyperparameters by public name, whatever a method is called in the file."""
    params: dict[str, Mapping[str, Any]] = {}
    for method, values in given.items():
        _check_kind(method, values, TABLE, f"plan {name}: params")
        if (public := METHODS.public_name(method)) in params:
            raise UsageFailure(f"plan {name}: params names {public} twice", "give it one table")
        params[public] = values
    return params


def _check_idle(content: Mapping[str, Any], name: str) -> None:
    """Refuse what a study has no use for."""
    for study, keys in IDLE.items():
        if idle := [key for key in keys if content.get(study) and key in content]:
            raise UsageFailure(
                f"plan {name}: {', '.join(idle)}: [{study}] takes the place of "
                f"{'methods' if 'methods' in keys else 'tables'} and attacks",
                "leave it out, or give it a plan of its own",
            )


def _check_methods(plan: Plan, name: str) -> None:
    for method in (*plan.method_names, *plan.params):
        (METHODS.known(method) or METHODS.get(method)).build(plan.params.get(method, {}))
    if idle := [method for method in plan.params if method not in plan.method_names]:
        raise UsageFailure(
            f"plan {name}: [params.{idle[0]}] is of no method of the plan",
            f'add "{idle[0]}" to methods, which are: {", ".join(plan.method_names)}',
        )


def _check_cell(cell: Mapping[str, Any], name: str) -> None:
    check_keys(cell, CELL, f"plan {name}: cells")
    for key, value in cell.items():
        _check_kind(key, value, KINDS[key], f"plan {name}: cells")
    if not cell.get("datasets") or not cell.get("models"):
        raise UsageFailure(f"plan {name}: a cell without datasets or models", 'datasets = ["..."]')


def _check_sweep(plan: Plan, name: str) -> None:
    """Refuse a search that cannot be, or of which a part would go unheard."""
    where = f"plan {name}: sweep"
    check_keys(plan.sweep, TUNING, where)
    for key, value in plan.sweep.items():
        _check_kind(key, value, TUNING[key], where)
    for key, least in (("trials", 1), ("originals", 1), ("confirm", 0), ("max_failures", 1)):
        check_count(f"{where} {key} =", plan.sweep.get(key, least), least, cure=f"{key} = 3")
    seeds = len(read_seeds(plan.seeds))
    if plan.sweep.get("originals", 1) > seeds:
        raise UsageFailure(
            f"{where} originals = {plan.sweep['originals']}, and the plan has {seeds} (seeds {plan.seeds})",
            f"originals = {seeds}, or more seeds",
        )
    if plan.tuning:
        _ = plan.tuning.seconds
        _ = plan.tuning.search
        _check_ranges(plan, where)
    if "sweep" in plan.tables and not plan.tuning:
        raise UsageFailure(f'plan {name}: table "sweep" shows searches, and there are none', "add [sweep]")


def _check_ranges(plan: Plan, where: str) -> None:
    """Refuse ranges of a method that is not searched, of a value that is fixed, or that are none."""
    from deepunlearn_cli.sweep import by_hand, is_tunable

    assert plan.tuning
    for method, given in plan.tuning.ranges.items():
        _check_kind(method, given, TABLE, f"{where}.ranges")
        searched = [one for one in plan.method_names if is_tunable(one)]
        if method not in searched:
            known = ", ".join(searched)
            raise UsageFailure(f"{where}.ranges.{method} is of no method that is searched", f"these: {known}")
        if both := sorted(set(given) & set(plan.params.get(method, {}))):
            raise UsageFailure(
                f"{where}.ranges.{method} searches {both[0]}, and params.{method} fixes it", "leave one out"
            )
        if fixed := by_hand(method, given).fixed:
            one = next(iter(fixed))
            raise UsageFailure(
                f"{where}.ranges.{method}: {one} = {given[one]!r} is no range and no choices",
                f'{one} = "LOW..HIGH", {one} = [A, B], or fix it in [params.{method}]',
            )


def _check_forget(plan: Plan, name: str) -> None:
    specs = plan.forget_specs
    if not specs:
        raise UsageFailure(f"plan {name}: forget names no forget set", 'forget = ["random:0.1", "class:3"]')
    if plan.sweep and (len(specs) > 1 or RUN_SEED in specs[0]):
        raise UsageFailure(
            f"plan {name}: a search is for one forget set, and forget = {plan.forget!r} is several",
            "give each its own plan; originals and retrained models are shared through the store",
        )


def _check_attacks(plan: Plan, name: str) -> None:
    for one in plan.attacks:
        try:
            check(one, Text | Attack)
        except Mistyped:
            raise UsageFailure(
                f"plan {name}: {one!r} is no attack",
                'attacks = ["umia", { name = "umia", against = "class" }]',
            ) from None
    for attack, settings in plan.attack_settings:
        if not issubclass(actor := ATTACKS.get(attack), OneModel):
            instead = "the model itself" if issubclass(actor, Probe) else "many models"
            raise UsageFailure(
                f"a plan's attacks look at what one model said, as umia does, and {attack} at {instead}",
                f"deepunlearn attack {attack}, by itself",
            )
        actor.build(settings)


def _check_timing(plan: Plan, name: str) -> None:
    check_keys(plan.timing, TIMING, f"plan {name}: timing")
    if plan.timing and plan.timing.get("seed") not in read_seeds(plan.seeds):
        raise UsageFailure(
            f"plan {name}: timing names no seed of the plan's {plan.seeds}", "[timing] seed = 0, say"
        )
