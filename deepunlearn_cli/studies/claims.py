"""A run's guarantee, held against what its model says of the pictures that it forgot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from deepunlearn_cli.core.guarantee import Guarantee
from deepunlearn_cli.core.specs import drawn_at_random, each_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deepunlearn_cli.attacks import OneModel
    from deepunlearn_cli.core.shared import Outputs
    from deepunlearn_cli.evaluation.epsilon import Claim
    from deepunlearn_cli.store import Run

NEVER = "never"  # in U-LiRA: of the half that a model's original was not trained on
APART = "val"  # drawn from the same pictures as the forget set, by a draw as random


@dataclass(frozen=True)
class Said:
    """What a model says of a part of what it forgot: the part's name for people, and the outputs by part."""

    spec: str
    outputs: Callable[[], Outputs]


def held(target: Run, attack: OneModel, said: Said | None = None) -> Claim | None:
    """What an attack's scores say of the epsilon of a model's run; None where it claims none.

    The unseen pictures are the validation part, whatever the attack is against: test pictures may have been
    collected otherwise. They stand in only where there is no such part, or where the method learnt from it.

    Raises:
        UsageFailure: there are neither.
        RunFailed: scores are not finite.
    """
    from deepunlearn_cli.evaluation import epsilon

    promise = Guarantee.of(target.facts)
    if promise is None:
        return None
    said = said or Said(target.recipe.labels.get("forget", ""), target.outputs)
    if why := _unfair(target, said.spec):
        return epsilon.Claim(promise.epsilon, promise.delta, why=why)
    outputs = said.outputs()
    read = target.facts.get("reads") or ()
    against = APART if len(outputs.get(APART, {}).get("labels", ())) and APART not in read else attack.against
    forget, unseen = attack.scored(outputs, against)
    return epsilon.held_against(
        promise, (forget["score"], forget["label"]), (unseen["score"], unseen["label"]), against
    )


def held_by_all(targets: Sequence[Run]) -> Claim | None:
    """What U-LiRA's models of a method say together, each of what it forgot against what it never saw.

    Both are random halves of the training data, and forget sets are random parts of one of them.
    """
    from deepunlearn_cli.evaluation import epsilon

    promises = {Guarantee.of(target.facts) for target in targets}
    promise = max((one for one in promises if one), key=lambda one: one.epsilon, default=None)
    if promise is None:
        return None
    said = [said_by(target) for target in targets]
    sizes = max((one["forgotten"], one["never_seen"]) for one in said)
    return epsilon.together(promise, [one["log_p"] for one in said], sizes, NEVER)


def said_by(target: Run) -> Mapping[str, Any]:
    """What one of U-LiRA's models says to its guarantee, from what came of it where that is all there is.

    `log_p` of the p-value that it forgot, and how many pictures it was `forgotten` and `never_seen` of; empty
    where it claims none.
    """
    from deepunlearn_cli.attacks import on_one_model
    from deepunlearn_cli.evaluation import epsilon

    if target.elsewhere:
        return cast("Mapping[str, Any]", target.elsewhere["reduced"])
    if Guarantee.of(target.facts) is None:
        return {}
    forget, unseen = on_one_model()["umia"]().scored(target.outputs(), NEVER)
    log_p = epsilon.log_p_value(forget["score"], forget["label"], unseen["score"], unseen["label"])
    return {"log_p": log_p, "forgotten": len(forget["score"]), "never_seen": len(unseen["score"])}


def _unfair(target: Run, spec: str) -> str:
    """Why forgotten pictures would differ from others for a model that saw neither; empty if they do not."""
    if "canary" in target.recipe.data:
        return "forgotten pictures carry noise, and unseen ones do not"
    random = all(drawn_at_random(one) for one in each_of(spec))
    return "" if random else f"the forgotten pictures were not drawn at random ({spec})"
