"""Plans: a whole comparison, as it stands in a small TOML file (`plan_file`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from os.path import normpath
from shlex import quote
from typing import TYPE_CHECKING, Any

from deepunlearn_cli import data
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import DO_NOTHING, RETRAIN
from deepunlearn_cli.core.specs import read_duration
from deepunlearn_cli.data import DEFAULT_FORGET, SPLIT_SEED, VAL_SHARE
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.execution.steps import Steps
from deepunlearn_cli.methods import METHODS, for_any_original
from deepunlearn_cli.studies import named as named_by

if TYPE_CHECKING:
    from deepunlearn_cli.sweep import Search

TABLES = ("1", "2")  # what a plan prints unless it says so


@dataclass(frozen=True)
class Setup:
    """A model on a dataset, and how its originals are trained."""

    dataset: str
    model: str
    training: Mapping[str, Any]

    @property
    def pair(self) -> tuple[str, str]:
        """What it is told apart by: the same files are the same dataset, however their path is written."""
        return normpath(data.portable(self.dataset)), self.model

    @property
    def hyper(self) -> Mapping[str, Any]:
        """Every hyperparameter of the training."""
        return recipes.TRAINER.build(self.training).values()


@dataclass(frozen=True)
class Tuning:
    """How a plan tunes its methods, by the names that `deepunlearn sweep` has for its options.

    Attributes:
        trials: complete ones for each method, on each of so many `originals`.
        confirm: how many of the best are run again on fresh seeds.
        timeout: no trial is begun later than this (`90s`, `2h`) after a setup's search began; None for ever.
        max_failures: failed trials in a row that end a method's search.
        study: a name that tells studies of an otherwise equal question apart.
        database: where the studies are kept; None for the store.
        objective: what is minimised beside the losses: `cost`, or nothing.
        early_stop: how far above the best a trial may lie after its first epochs; None for any distance.
        ranges: by method, what is searched instead of what is declared: `lr = "1e-4..1e-2"`,
            `batch_size = [64, 128]`.
    """

    trials: int = 100
    originals: int = 3
    sampler: str = "tpe"
    sampler_seed: int = 0
    confirm: int = 3
    timeout: str | None = None
    max_failures: int = 10
    study: str = ""
    database: str | None = None
    objective: str = ""
    early_stop: float | None = None
    ranges: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def search(self) -> Search:
        """What draws the trials, whatever the method.

        Raises:
            UsageFailure: no such objective, or no such distance.
        """
        from deepunlearn_cli import sweep

        sweep.check_early_stop(self.early_stop, "early_stop = ")
        objective = sweep.read_objective(self.objective, "objective = ") if self.objective else ""
        return sweep.Search(self.sampler, self.sampler_seed, self.study, objective, self.early_stop)

    @property
    def seconds(self) -> float | None:
        """How long a search of a setup may go on; None for as long as it takes."""
        return read_duration(self.timeout, "timeout = ") if self.timeout else None


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
        repeated: of the study of deletions in a row: how many `requests`, each as `forget` says, from what is
            left; and which numbers of them `at_once`, too (all unless said). Empty for none.
        timing: `seed` of the runs that are made first and one at a time, and again where others shared the
            machine: so that seconds can be compared although there are several jobs. Empty for none.
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
    repeated: Mapping[str, Any] = field(default_factory=dict)
    timing: Mapping[str, Any] = field(default_factory=dict)

    @property
    def study(self) -> str:
        """The table of a study that takes the place of attacks and tables; empty for a plain comparison."""
        return next((name for name in ("unrolling", "repeated") if getattr(self, name)), "")

    @property
    def tuning(self) -> Tuning | None:
        """The search that comes before the methods, if there is one."""
        return Tuning(**self.sweep) if self.sweep else None

    @property
    def steps(self) -> Steps:
        """How the methods take their steps, whatever for."""
        return Steps(augment=self.augment_unlearning)

    @property
    def method_names(self) -> list[str]:
        """Public names of the methods, `all` spelt out, each once; the controls are always among them.

        Without the retrained model nothing could be compared, and without doing nothing nobody knew what a
        figure is worth.
        """
        named = [
            public
            for one in self.methods
            for public in (for_any_original() if one == named_by.ALL else [METHODS.public_name(one)])
        ]
        return list(dict.fromkeys([*named, DO_NOTHING, RETRAIN]))

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

    def on(self, dataset: str) -> Plan:
        """The same plan on another dataset, which takes the place of its only one.

        Raises:
            UsageFailure: it is of several datasets.
        """
        named = [*self.datasets, *(one for cell in self.cells for one in cell["datasets"])]
        if self.cells or len(set(named)) != 1:
            raise UsageFailure(
                f"--dataset {dataset}: the plan is of several datasets: {', '.join(dict.fromkeys(named))}",
                f"`deepunlearn bench cifar10-short --dataset {quote(dataset)}`, or a plan of your own",
            )
        return replace(self, datasets=[dataset])

    @property
    def setups(self) -> list[Setup]:
        """Every model on every dataset with its training, each once.

        Raises:
            UsageFailure: one model on one dataset with two trainings, whose runs nothing could tell apart.
        """
        own = {"datasets": self.datasets, "models": self.models}
        setups: dict[tuple[str, str], Setup] = {}
        for cell in (own, *self.cells):
            for dataset, model in product(cell["datasets"], cell["models"]):
                setup = Setup(dataset, model, dict(self.training) | dict(cell.get("training", {})))
                if setups.setdefault(setup.pair, setup).hyper != setup.hyper:
                    raise UsageFailure(
                        f"two cells train {model} on {dataset}, and not alike",
                        "give each training a plan of its own; they share the store",
                    )
        return list(setups.values())
