"""Plans: a whole comparison as one small TOML file, and the recipes it stands for."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli import compose
from deepunlearn_cli.data import DEFAULT_FORGET, SPLIT_SEED, VAL_SHARE
from deepunlearn_cli.errors import NotFound, UsageFailure, unknown
from deepunlearn_cli.methods import METHODS

if TYPE_CHECKING:
    from deepunlearn_cli.recipe import Recipe
    from deepunlearn_cli.runner import Runner

BUILT_IN = "deepunlearn_cli.plans"


@dataclass(frozen=True)
class Plan:
    """Datasets x models x seeds x methods x attacks, with one training recipe.

    `seeds` is text such as `0-9`; `params` holds hyperparameters by method.
    """

    datasets: list[str]
    models: list[str]
    methods: list[str] = field(default_factory=lambda: ["all"])
    attacks: list[str] = field(default_factory=lambda: ["umia"])
    seeds: str = "0"
    forget: str = DEFAULT_FORGET
    precision: str | None = None
    image_size: int | None = None
    augment: bool = True
    val_share: float = VAL_SHARE
    split_seed: int = SPLIT_SEED
    training: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def method_names(self) -> list[str]:
        """Public names of the methods, `all` spelt out, each once."""
        named = METHODS.names() if "all" in self.methods else [METHODS.public_name(m) for m in self.methods]
        return list(dict.fromkeys(named))


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
        return _plan(tomllib.loads(path.read_text("utf-8")), name)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageFailure(
            f"plan {name} is not TOML: {error}", "`deepunlearn bench quick` is an example"
        ) from None


def targets(plan: Plan, seeds: list[int], runner: Runner, precision: str) -> Iterator[Recipe]:
    """The recipe of every model to be judged: methods and controls, by dataset, model and seed."""
    from deepunlearn_cli import adopt

    for spec in plan.datasets:
        dataset = runner.dataset(spec, image_size=plan.image_size)
        for model in plan.models:
            scene = compose.Scene(dataset, model, plan.val_share, plan.split_seed, precision, plan.augment)
            forget = adopt.forget_for(scene.data, dataset, plan.forget, runner)
            for seed in seeds:
                start = compose.original(scene, plan.training, seed)
                for method in plan.method_names:
                    params = plan.params.get(method, {})
                    yield compose.unlearned(start, method, forget, params, augment=plan.augment)


def attacks(plan: Plan, judged: list[Recipe]) -> list[Recipe]:
    """Every attack of the plan on every model of the plan."""
    return [compose.attack(target, name) for target in judged for name in plan.attacks]


def _plan(content: Mapping[str, Any], name: str) -> Plan:
    known = {item.name: item for item in fields(Plan)}
    for key in content:
        if key not in known:
            failure: NotFound = unknown("key", key, known, f"keys: {', '.join(known)}")
            raise UsageFailure(f"plan {name}: {failure.message}", failure.hint)
    for key in ("datasets", "models"):
        if not content.get(key):
            raise UsageFailure(f"plan {name} names no {key}", f'{key} = ["..."]')
    plan = Plan(**content)
    _check_types(plan, name)
    return plan


def _check_types(plan: Plan, name: str) -> None:
    for key in ("datasets", "models", "methods", "attacks"):
        if not isinstance(getattr(plan, key), list):
            raise UsageFailure(f"plan {name}: {key} is not a list", f'{key} = ["..."]')
    for method in (*plan.method_names, *plan.params):
        METHODS.get(method).build(plan.params.get(method, {}))
    compose.TRAINER.build(plan.training)
