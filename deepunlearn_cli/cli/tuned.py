"""`--preset`: tuned settings, from the store or a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.core.errors import UsageFailure

if TYPE_CHECKING:
    from deepunlearn_cli.cli.command import Session
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.store import Store
    from deepunlearn_cli.sweep.presets import Preset


class Tuned(Bundle):
    """Where tuned hyperparameters come from."""

    preset: o.Preset = None
    transfer: Annotated[
        bool,
        option(
            "--transfer",
            help="Agree that --preset was tuned on other pictures or another model, or goes beyond this "
            "original's budget.",
            rich_help_panel=o.TRAINING,
        ),
    ] = False

    def check(self) -> None:
        """Refuse consent to nothing."""
        if self.transfer and self.preset is None:
            raise UsageFailure("--transfer says what --preset may be, and there is none", "add --preset best")

    def params(
        self, session: Session, store: Store, method: str, here: Recipe, given: Mapping[str, Any]
    ) -> tuple[dict[str, Any], str]:
        """Hyperparameters of a method, the given ones before the preset's, and which preset it is ("": none).

        What does not quite suit is warned of, each thing once. The controls have nothing to tune.

        Args:
            here: the run that they are for, or its original where forget sets are many.

        Raises:
            NotFound, UsageFailure: there is none; it is of another method or problem, or over the budget.
        """
        from deepunlearn_cli.methods import METHODS
        from deepunlearn_cli.sweep import fit

        if self.preset is None or METHODS.needed(method).control:
            return dict(given), ""
        chosen = self._chosen(session, store, method, here, given)
        fitting = fit.fit(chosen, here, given)
        fit.admit(fitting, transfer=self.transfer)
        for doubt in (*fitting.foreign, *fitting.over, *fitting.doubts):
            self._warn(session, doubt)
        by_hand = " ".join(f"{name}={value}" for name, value in given.items() if name in chosen.params)
        return {**chosen.params, **given}, chosen.title + (f", by hand {by_hand}" if by_hand else "")

    def _chosen(
        self, session: Session, store: Store, method: str, here: Recipe, given: Mapping[str, Any]
    ) -> Preset:
        from deepunlearn_cli.methods import METHODS
        from deepunlearn_cli.sweep import fit, presets

        def say(text: str) -> None:
            self._warn(session, text)

        if self.preset == presets.BEST:
            return fit.best(store.studies, method, here, given, transfer=self.transfer, say=say)
        chosen = presets.read(Path(str(self.preset)))
        if METHODS.public_name(chosen.method) != method:
            raise UsageFailure(
                f"{self.preset} is a preset of {chosen.method}, not of {method}",
                f"--method {METHODS.spelling(chosen.method)}",
            )
        return chosen

    def _warn(self, session: Session, text: str) -> None:
        said = vars(self).setdefault("said", set())
        if text not in said:
            said.add(text)
            session.console.warn(text)
