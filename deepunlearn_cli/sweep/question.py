"""The question that a study answers: which hyperparameters make a method behave most like retraining?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.fields import Domain, Share
from deepunlearn_cli.core.names import encoded
from deepunlearn_cli.core.recipe import ID_LENGTH, Recipe, canonical
from deepunlearn_cli.execution import looks, recipes, trials
from deepunlearn_cli.execution.steps import PRESET
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.sweep import losses
from deepunlearn_cli.sweep.losses import Losses
from deepunlearn_cli.sweep.ranges import on_grid

MULTI_OBJECTIVE = ("nsga3",)  # told all four losses; the others are told their norm
GRID = "grid"
FRESH_STEP = 1000  # between the seeds of a confirmation: far from the seeds that people use


@dataclass(frozen=True)
class Question:
    """One method, its originals, and how it is searched. Plain data: it travels to worker processes.

    Attributes:
        runs: the method's unlearning run with its defaults, one per original.
        references: RA, FA and VA (0..1) of each original's retrained model.
        fixed: hyperparameters that are not searched, by name.
        sampler: a name in `SAMPLERS`.
        seed: of the sampler.
        label: tells studies of an otherwise equal question apart.
        ranges: what is searched instead of what is declared, by name.
        objective: what is minimised beside the losses: `work`, or nothing.
        early_stop: how far (in the norm of the losses) a trial may lie above the best one after its first
            epochs, to be made to its end; None to make all to their ends.
    """

    runs: tuple[Recipe, ...]
    references: tuple[Mapping[str, float], ...]
    sampler: str
    seed: int = 0
    fixed: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    ranges: Mapping[str, Domain] = field(default_factory=dict)
    objective: str = ""
    early_stop: float | None = None

    @property
    def method(self) -> str:
        """Public name of the method."""
        return self.runs[0].name

    @cached_property
    def domains(self) -> dict[str, Domain]:
        """What is searched, by name, with the bounds that depend on the original's training resolved.

        Raises:
            UsageFailure: nothing is left to search.
        """
        every = METHODS.needed(self.method).domains()
        domains = {
            name: self._resolved(domain)
            for name, domain in (every | dict(self.ranges)).items()
            if domain.search and name not in self.fixed
        }
        if not domains:
            hint = f"deepunlearn methods {self.method} shows what may be searched"
            raise UsageFailure(f"{self.method} has no hyperparameter to tune", hint)
        return {n: on_grid(one) for n, one in domains.items()} if self.sampler == GRID else domains

    @property
    def metrics(self) -> tuple[str, ...]:
        """What a trial's values are, in order."""
        several = losses.NAMES if self.sampler in MULTI_OBJECTIVE else (losses.NORM,)
        return (*several, self.objective) if self.objective else several

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """Every hyperparameter of the first trial: at its default, or as near to it as people allow."""
        usual = METHODS.needed(self.method).build(dict(self.runs[0].params) | dict(self.fixed)).values()
        return usual | {name: _within(self.domains[name], usual[name]) for name in self.ranges}

    @cached_property
    def space(self) -> dict[str, Any]:
        """What is searched, as plain data; with the method's revision, since that changes what it means."""
        domains = {name: described(domain) for name, domain in self.domains.items()}
        return {"revision": self.runs[0].revision, "domains": domains}

    @cached_property
    def key(self) -> str:
        """The study's name: equal for the same question on every machine, whatever the method's ranges."""
        asked = {
            "runs": [self._anonymous(run) for run in self.runs],
            "fixed": dict(self.fixed),
            "losses": losses.NAMES,
            "sampler": [self.sampler, self.seed],
            "label": self.label,
            **({"ranges": {n: described(one) for n, one in self.ranges.items()}} if self.ranges else {}),
            **({"objective": self.objective} if self.objective else {}),
            **({} if self.early_stop is None else {"early_stop": self.early_stop}),
        }
        digest = hashlib.sha256(encoded(canonical(asked))).hexdigest()[:ID_LENGTH]
        return f"{self.method}-{digest}"

    def params(self, proposed: Mapping[str, Any]) -> dict[str, Any]:
        """All hyperparameters of a proposal.

        A default outside its own range (weight decay "off") is searched from the nearest value in the range,
        so the proposal that is nearest to the defaults stands for the defaults themselves.
        """
        if dict(proposed) == self.nearest_to_defaults:
            return dict(self.defaults)
        return {**self.defaults, **proposed}

    @cached_property
    def nearest_to_defaults(self) -> dict[str, Any]:
        """The point of the space that the defaults are, or are next to."""
        return {name: _within(domain, self.defaults[name]) for name, domain in self.domains.items()}

    def trials(
        self, params: Mapping[str, Any], fresh: int = 0, trial: int | None = None, best: float | None = None
    ) -> list[Recipe]:
        """The trial of these hyperparameters on each original; `fresh` 1, 2, ... on seeds of their own.

        Where there is a `best` norm so far, and `early_stop`, each may be stopped after its first epochs.

        Which study and `trial` they are made for is on their labels: no part of their keys, and that of the
        first who asks, where several studies come to the same point.
        """
        told = {"study": self.key, "trial": trial, "fresh": fresh or None}
        told = {name: value for name, value in told.items() if value is not None}
        runs = [replace(run, labels=dict(run.labels) | told) for run in self.unlearned(params)]
        looked = self._looks(best) if best is not None else [None] * len(runs)
        return [
            trials.trial(run, run.params, run.seed + FRESH_STEP * fresh, look)
            for run, look in zip(runs, looked, strict=True)
        ]

    def _looks(self, best: float) -> Sequence[Mapping[str, Any] | None]:
        if self.early_stop is None:
            return [None] * len(self.runs)
        return [looks.look(best + self.early_stop, reference) for reference in self.references]

    def unlearned(self, params: Mapping[str, Any], preset: str = "") -> list[Recipe]:
        """The ordinary run of these hyperparameters on each original; `preset` says where they are from."""
        held = METHODS.needed(self.method).build(params).params()
        told = {PRESET: preset} if preset else {}
        return [replace(run, params=held, labels=dict(run.labels) | told) for run in self.runs]

    def losses(self, scores: Sequence[Mapping[str, Any]]) -> Losses:
        """The four losses, averaged over the originals."""
        return losses.mean(map(losses.losses, scores, self.references))

    def _resolved(self, domain: Domain) -> Domain:
        if not isinstance(domain.high, Share):
            return domain
        epochs = [recipes.training_of(run.root)["epochs"] for run in self.runs]
        return domain.within(min(domain.high.resolve(int(count)) for count in epochs))

    def _anonymous(self, run: Recipe) -> list[Any]:
        """The run without hyperparameters and revision: the space speaks for them."""
        return [run.name, run.inputs["original"].key, run.forget, dict(run.data), run.precision]


def described(domain: Domain) -> dict[str, Any]:
    """What is searched of one hyperparameter, as plain data."""
    if domain.type is bool or domain.choices:
        return {"choices": list(domain.choices or (False, True))}
    return {"low": domain.low, "high": domain.high, "log": domain.log, "whole": domain.type is int}


def _within(domain: Domain, value: Any) -> Any:
    """What is nearest to a value among what is searched: of choices other than numbers, the first."""
    if value in domain.choices or (domain.type is bool and not domain.choices):
        return value
    if domain.choices:
        number = domain.type in (int, float)
        return min(domain.choices, key=lambda one: abs(one - value) if number else 0)
    assert not isinstance(domain.high, Share)
    return domain.type(min(max(value, domain.low), domain.high))
