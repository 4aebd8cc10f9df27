"""A method under examination, and its runs: each setting is run once, however many questions ask for it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from deepunlearn_cli.core.errors import Failure, RunFailed
from deepunlearn_cli.core.fields import Domain, Value
from deepunlearn_cli.exam import tiny
from deepunlearn_cli.exam.answers import Crash, Wrong, last_line
from deepunlearn_cli.exam.tiny import Counts
from deepunlearn_cli.exam.trial import Setting, Trial, attempt
from deepunlearn_cli.methods import Method, Sizes

LENGTHS = {"epochs": 2, "rounds": 2, "steps": 12, "iterations": 12}  # by the last word of a field's name
BATCHES = "batch_size"  # how names of fields end that say how many pictures a step takes
SMALL = 64  # pictures per step where any number is allowed


class Candidate:
    """A class of methods to be examined.

    Args:
        method: the class.
        name: what people call it.
    """

    def __init__(self, method: type[Method], name: str = "") -> None:
        self.method, self.name = method, name or method.__name__
        self._trials: dict[Setting, Trial] = {}

    @property
    def source(self) -> str:
        """The file that the class stands in."""
        try:
            return inspect.getsourcefile(self.method) or ""
        except TypeError:
            return ""

    def short(self, *, small: bool = False) -> dict[str, Value]:
        """Hyperparameters that make a run short; with `small` batches, so that a pass has several."""
        chosen: dict[str, Value] = {}
        for name, domain in self.method.domains().items():
            length = LENGTHS.get(name.rpartition("_")[2])
            if length and domain.type in (int, float) and not domain.choices and domain.default > length:  # type: ignore[operator]
                chosen[name] = domain.type(max(length, domain.low))
            if small and name.endswith(BATCHES):
                chosen[name] = _smallest(domain)
        return chosen

    def build(self, setting: Setting = Setting()) -> Method:  # noqa: B008 - frozen
        """The method with a setting's hyperparameters, the short ones for all that are not given."""
        return self.method.build({**self.short(), **dict(setting.params)})

    def many(self, counts: Counts) -> Setting:
        """A run in which a pass has several batches."""
        return Setting(counts=counts, params=pairs(self.short(small=True)))

    def run(self, setting: Setting = Setting()) -> Trial:  # noqa: B008 - frozen
        """What comes of a setting.

        Raises:
            Crash: the method raised an exception.
            Failure: it refused the setting, or came to no usable result.
        """
        if setting not in self._trials:
            self._trials[setting] = attempt(self.build(setting), setting)
        trial = self._trials[setting]
        if isinstance(trial.error, Failure):
            raise trial.error
        if trial.error:
            plain = setting == Setting(kind=setting.kind)
            raise Crash(trial.error, where=last_line(trial.error, self.source), plain=plain)
        return trial

    def seen(self, setting: Setting) -> Trial:
        """`run`, where it is enough to have watched the method at work, whatever became of the model.

        Raises:
            Wrong: the method refused to work.
            Crash: it raised an exception.
        """
        try:
            return self.run(setting)
        except RunFailed:
            return self._trials[setting]
        except Failure as failure:
            raise Wrong(failure.message) from failure

    def acted(self, setting: Setting = Setting()) -> Trial:  # noqa: B008 - frozen
        """`run`, where nothing else than a usable result will do.

        Raises:
            Wrong: the method refused, or its result is not usable.
            Crash: it raised an exception.
        """
        try:
            return self.run(setting)
        except Failure as failure:
            raise Wrong(failure.message) from failure


def pairs(params: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    """Hyperparameters as a setting has them."""
    return tuple(sorted(params.items()))


def sizes(setting: Setting) -> Sizes:
    """How much data a setting's run has."""
    return Sizes(setting.counts.retain, setting.counts.forget, setting.counts.val, tiny.CLASSES)


def _smallest(domain: Domain) -> Value:
    if domain.choices:
        return min(domain.choices)
    return domain.type(min(max(SMALL, domain.low), domain.limit))
