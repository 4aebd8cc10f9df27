"""Attacks on one model: its forget set against samples that it never saw."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.attacks._attack import CLASS, Attack, Findings, Source
from deepunlearn_cli.core.fields import choice
from deepunlearn_cli.core.plugins import class_of
from deepunlearn_cli.core.recipe import stream_seed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deepunlearn_cli.attacks._evidence import Evidence
    from deepunlearn_cli.core.shared import Outputs, Part
    from deepunlearn_cli.evaluation.equivalence import Gap

    Floats = NDArray[np.float64]

FEATURES = ("loss", "confidence", "entropy", "modified-entropy", "margin", "log-odds")


@dataclass(frozen=True)
class OneModel(Attack):
    """Base of attacks on one model; a new one says how it tells two sides of equally many samples apart."""

    against: str = choice(
        "test",
        ("test", "val", CLASS),
        help="where the unseen samples come from; class: test pictures of the forgotten classes",
        search=False,
    )
    feature: str = choice("loss", FEATURES, help="what the attack looks at", search=False)

    def run(self, targets: Mapping[str, Source], seed: int) -> Findings:
        """Figures of `targets["target"]`, and what the attack made of each sample.

        The larger side is cut to the size of the smaller by a draw of the stream with the attack's name: the
        same draw for every model that was judged on the same pictures. `n` is the number of samples per side.

        Parts: `forget` and `against`, each with `index` and `label` of the samples that took part, `score`
        (the feature, larger for members) and `guess` (share of guesses that said "member"; NaN if none did).
        """
        import numpy as np

        from deepunlearn_cli.attacks import _samples

        outputs = targets["target"]()
        rng = np.random.default_rng(stream_seed(seed, class_of(self.name())))
        sides = _samples.sides(outputs, self.against, self.feature)
        size, smaller = _samples.smaller(sides)
        _samples.check_size(self.title, size, smaller, self.least(), self.cure(size))
        forget, unseen = _samples.cut(sides, size, rng)
        scores, guesses = self.tell_apart(forget["score"], unseen["score"], rng)
        parts = {
            "forget": {**forget, "guess": guesses[:size]},
            "against": {**unseen, "guess": guesses[size:]},
        }
        doubts = _samples.doubts(self.title, outputs) if self.against != CLASS else []
        return Findings(scores | {"n": size}, parts, doubts)

    @abstractmethod
    def tell_apart(
        self, forget: Floats, unseen: Floats, rng: np.random.Generator
    ) -> tuple[dict[str, Any], Floats]:
        """The figures from two sides (n,) of scores, and the guesses (2n,), those of `forget` first.

        A guess is 1 where a sample is taken for a member, 0 where it is not, a share where there were
        several, and NaN where there was none.
        """

    def least(self) -> int:
        """Samples per side that it needs."""
        return 2

    def cure(self, size: int) -> str:
        """What helps where there are only so many."""
        return "use a larger forget set or split"

    @classmethod
    def metrics(cls) -> tuple[str, ...]:
        """Figures of the feature, whatever else an attack makes of it: see `evaluation.sides`."""
        from deepunlearn_cli.evaluation.sides import FIGURES

        return FIGURES

    def evidence(self, outputs: Outputs) -> Evidence:
        """What a verdict goes by: every sample of both sides, which `run` may have cut to one size.

        Raises:
            UsageFailure: a part is missing.
            RunFailed: the outputs are not finite.
        """
        from deepunlearn_cli.attacks import _evidence

        return _evidence.collected(outputs, self.against, self.feature)

    def scored(self, outputs: Outputs, against: str) -> tuple[Part, Part]:
        """`index`, `label` and `score` of every sample of the forget set and of those it is held against.

        Raises:
            UsageFailure: the outputs have no such split.
            RunFailed: the outputs are not finite.
        """
        from deepunlearn_cli.attacks import _evidence

        return _evidence.scored(outputs, against, self.feature)

    def gaps(self, metrics: Sequence[str], ours: Evidence, control: Evidence | None) -> list[Gap]:
        """Figures of a model less its control's on the same samples, or less guessing.

        Raises:
            UsageFailure: they are not of the same samples.
        """
        from deepunlearn_cli.attacks import _evidence

        return _evidence.gaps(metrics, ours, control)

    def needed(
        self, metrics: Sequence[str], ours: Evidence, control: Evidence | None, tolerance: float
    ) -> int | None:
        """Forgotten samples for a PASS with 80 % probability where the model equals its control."""
        from deepunlearn_cli.attacks import _evidence

        return _evidence.needed(metrics, ours, control, tolerance)
