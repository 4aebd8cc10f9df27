"""Plans: a whole comparison as one small TOML file, and the recipes it stands for."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from deepunlearn_cli.attacks import ATTACKS, OneModel, Probe
from deepunlearn_cli.core.errors import NotFound, UsageFailure, unknown
from deepunlearn_cli.core.specs import RUN_SEED, read_seeds
from deepunlearn_cli.data import DEFAULT_FORGET, SPLIT_SEED, VAL_SHARE
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.methods import METHODS, for_any_original
from deepunlearn_cli.studies import named as named_by

BUILT_IN = "deepunlearn_cli.studies"
CELL = ("datasets", "models", "training")
TABLES = ("1", "2")  # what a plan prints unless it says so
UNROLLING = ("lrs", "gammas", "pretrain_epochs")
TIMING = ("seed",)


@dataclass(frozen=True)
class Setup:
    """A model on a dataset, and how its originals are trained."""

    dataset: str
    model: str
    training: Mapping[str, Any]


@dataclass(frozen=True)
class Tuning:
    """How a plan tunes its methods: `trials` on each of so many `originals`, the best `confirm` run again."""

    trials: int = 100
    originals: int = 3
    sampler: str = "tpe"
    confirm: int = 3


@dataclass(frozen=True)
class Plan:
    """Datasets x models x forget sets x seeds x methods x attacks.

    Attributes:
        datasets, models: every model on every dataset, trained as `training` says.
        cells: tables with `datasets`, `models` and `training` of their own, in addition.
        attacks: a name, or a table with a name and settings of the attack.
        seeds: text such as `0-9`.
        forget: a forget set or a list of them; all share the originals, and each has its own retrained
            models. `{seed}` stands for the seed of the run.
        tables: what is printed at the end, by the names that `report --table` takes.
        augment: of the originals; `augment_unlearning` of the methods (the released benchmark: false).
        params: hyperparameters by method.
        sweep: the fields of `Tuning`; the methods are then run with what was found. Empty for none.
        unrolling: of the study of Unrolling SGD, which takes the place of methods and attacks: lists of
            `lrs`, `gammas` (paper form) and `pretrain_epochs`. Empty for none.
        timing: `seed` of the runs that are made again, one at a time, where others shared the machine: so
            that seconds can be compared after several jobs. Empty for none.
    """

    datasets: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    cells: list[Mapping[str, Any]] = field(default_factory=list)
    methods: list[str] = field(default_factory=lambda: ["all"])
    attacks: list[str | Mapping[str, Any]] = field(default_factory=lambda: ["umia"])
    seeds: str = "0"
    forget: str | list[str] = DEFAULT_FORGET
    tables: list[str] = field(default_factory=lambda: list(TABLES))
    precision: str | None = None
    image_size: int | None = None
    augment: bool = True
    augment_unlearning: bool = True
    val_share: float = VAL_SHARE
    split_seed: int = SPLIT_SEED
    training: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sweep: Mapping[str, Any] = field(default_factory=dict)
    unrolling: Mapping[str, Any] = field(default_factory=dict)
    timing: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tuning(self) -> Tuning | None:
        """The search that comes before the methods, if there is one."""
        return Tuning(**self.sweep) if self.sweep else None

    @property
    def method_names(self) -> list[str]:
        """Public names of the methods, `all` spelt out, each once."""
        named = [
            public
            for one in self.methods
            for public in (for_any_original() if one == named_by.ALL else [METHODS.public_name(one)])
        ]
        return list(dict.fromkeys(named))

    @property
    def forget_specs(self) -> list[str]:
        """Every forget set as asked for, each once."""
        specs = [self.forget] if isinstance(self.forget, str) else self.forget
        return list(dict.fromkeys(specs))

    @property
    def attack_settings(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Every attack by its name, with its settings."""
        tables = [{"name": one} if isinstance(one, str) else one for one in self.attacks]
        return [(one["name"], {k: v for k, v in one.items() if k != "name"}) for one in tables]

    @property
    def setups(self) -> list[Setup]:
        """Every model on every dataset with its training, each once."""
        own = {"datasets": self.datasets, "models": self.models}
        setups = {
            (dataset, model): Setup(dataset, model, dict(self.training) | dict(cell.get("training", {})))
            for cell in (own, *self.cells)
            for dataset in cell["datasets"]
            for model in cell["models"]
        }
        return list(setups.values())


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
        return _plan(named_by.resolved(tomllib.loads(path.read_text("utf-8")), path.parent), name)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageFailure(
            f"plan {name} is not TOML: {error}", "`deepunlearn bench quick` is an example"
        ) from None


def _plan(content: Mapping[str, Any], name: str) -> Plan:
    _check_keys(content, [item.name for item in fields(Plan)], f"plan {name}")
    plan = Plan(**content)
    _check_types(plan, name)
    if not plan.setups:
        missing = "models" if plan.datasets else "datasets"
        raise UsageFailure(f"plan {name} names no {missing}", f'{missing} = ["..."]')
    return plan


def _check_types(plan: Plan, name: str) -> None:
    for key in ("datasets", "models", "methods", "attacks", "tables"):
        if not isinstance(getattr(plan, key), list):
            raise UsageFailure(f"plan {name}: {key} is not a list", f'{key} = ["..."]')
    for cell in plan.cells:
        _check_cell(cell, name)
    _check_sweep(plan.sweep, name)
    _check_forget(plan, name)
    _check_attacks(plan, name)
    _check_unrolling(plan, name)
    _check_timing(plan, name)
    for method in (*plan.method_names, *plan.params):
        METHODS.get(method).build(plan.params.get(method, {}))
    for setup in plan.setups:
        recipes.TRAINER.build(setup.training)


def _check_cell(cell: Mapping[str, Any], name: str) -> None:
    _check_keys(cell, CELL, f"plan {name}: cells")
    if not cell.get("datasets") or not cell.get("models"):
        raise UsageFailure(f"plan {name}: a cell without datasets or models", 'datasets = ["..."]')


def _check_sweep(sweep: Mapping[str, Any], name: str) -> None:
    _check_keys(sweep, [item.name for item in fields(Tuning)], f"plan {name}: sweep")
    for key, least in (("trials", 1), ("originals", 1), ("confirm", 0)):
        value = sweep.get(key, least)
        if not isinstance(value, int) or value < least:
            raise UsageFailure(f"plan {name}: sweep {key} = {value} is not {least} or more", f"{key} = 3")


def _check_forget(plan: Plan, name: str) -> None:
    specs = plan.forget_specs
    if not specs or not all(isinstance(spec, str) for spec in specs):
        raise UsageFailure(f"plan {name}: forget names no forget set", 'forget = ["random:0.1", "class:3"]')
    if plan.sweep and (len(specs) > 1 or RUN_SEED in specs[0]):
        raise UsageFailure(
            f"plan {name}: a search is for one forget set, and forget = {plan.forget!r} is several",
            "give each its own plan; originals and retrained models are shared through the store",
        )


def _check_attacks(plan: Plan, name: str) -> None:
    for one in plan.attacks:
        if not isinstance(one, str | Mapping) or (isinstance(one, Mapping) and "name" not in one):
            raise UsageFailure(
                f"plan {name}: {one!r} is no attack",
                'attacks = ["umia", { name = "umia", against = "class" }]',
            )
    for attack, settings in plan.attack_settings:
        if not issubclass(actor := ATTACKS.get(attack), OneModel):
            instead = "the model itself" if issubclass(actor, Probe) else "many models"
            raise UsageFailure(
                f"a plan's attacks look at what one model said, as umia does, and {attack} at {instead}",
                f"deepunlearn attack {attack}, by itself",
            )
        actor.build(settings)


def _check_unrolling(plan: Plan, name: str) -> None:
    study = plan.unrolling
    _check_keys(study, UNROLLING, f"plan {name}: unrolling")
    for key in study if study else ():
        if not isinstance(study[key], list) or not study[key]:
            raise UsageFailure(f"plan {name}: unrolling {key} is not a list of numbers", f"{key} = [...]")
    if study and len(plan.forget_specs) > 1:
        raise UsageFailure(
            f"plan {name}: a study of Unrolling SGD is of one forget set", "give each its plan"
        )
    if study and "gammas" not in study:
        raise UsageFailure(f"plan {name}: unrolling names no gammas", "gammas = [0.0, 0.5]")
    for lr in study.get("lrs", ()):
        recipes.TRAINER.build({"lr": lr})
    for gamma in study.get("gammas", ()):
        recipes.TRAINER.build({"loss": "sd", "gamma": gamma} if gamma else {})
    for epochs in study.get("pretrain_epochs", ()):
        recipes.TRAINER.build({"epochs": epochs} if epochs else {})


def _check_timing(plan: Plan, name: str) -> None:
    _check_keys(plan.timing, TIMING, f"plan {name}: timing")
    if plan.timing and plan.timing.get("seed") not in read_seeds(plan.seeds):
        raise UsageFailure(
            f"plan {name}: timing names no seed of the plan's {plan.seeds}", "[timing] seed = 0, say"
        )


def _check_keys(given: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    for key in given:
        if key not in known:
            failure: NotFound = unknown("key", key, known, f"keys: {', '.join(known)}")
            raise UsageFailure(f"{where}: {failure.message}", failure.hint)
