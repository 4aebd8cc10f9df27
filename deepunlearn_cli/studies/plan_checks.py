"""What a plan could never end in, told before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepunlearn_cli import data
from deepunlearn_cli.attacks import ATTACKS, OneModel
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.specs import RUN_SEED, random_share
from deepunlearn_cli.methods import METHODS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deepunlearn_cli.checkpoints.refs import Start
    from deepunlearn_cli.studies.plan import Plan

SIZES, CLASSES = "sizes", "classes"  # tables that show some forget sets only
LEAST = 2  # fractions that a table by size compares


def check_tables(plan: Plan) -> None:
    """See that every table of a plan has something to show, as far as the plan itself tells.

    Raises:
        UsageFailure: naming the table, and what it takes.
    """
    shares = {_share(spec) for spec in plan.forget_specs if spec.startswith("random:")}
    if SIZES in plan.tables and len(shares) < LEAST:
        raise UsageFailure(
            f'table "{SIZES}" compares fractions to forget, and forget = {plan.forget!r} has {len(shares)}',
            'forget = ["random:0.1:{seed}", "random:0.3:{seed}"], or leave the table out',
        )
    if CLASSES in plan.tables and all(map(_is_random, plan.forget_specs)):
        raise UsageFailure(
            f'table "{CLASSES}" shows removed classes, and forget = {plan.forget!r} removes none',
            'forget = ["class:3"], or leave the table out',
        )
    _check_validation(plan)


def _share(spec: str) -> float:
    """The fraction of a forget set that is drawn.

    Raises:
        UsageFailure: it is none.
    """
    if (share := random_share(_unseeded(spec))) is None:
        raise UsageFailure(f"forget = {spec!r} is not a fraction between 0 and 1", 'forget = "random:0.1"')
    return share


def _check_validation(plan: Plan) -> None:
    """Refuse what looks at validation pictures where none are kept."""
    if plan.val_share:
        return
    readers = [name for name in plan.method_names if "val" in METHODS.needed(name).needs]
    readers += [name for name, settings in plan.attack_settings if settings.get("against") == "val"]
    if readers:
        raise UsageFailure(
            f"val_share = 0 keeps no validation pictures, and {', '.join(readers)} read them",
            "val_share = 0.15, or leave them out of methods and attacks",
        )


def check_setup(plan: Plan, starts: Sequence[Start]) -> None:
    """See that every attack of a plan has as many pictures a side as it takes.

    Raises:
        UsageFailure: naming the attack, the forget set, and how many there are.
    """
    for start in {one.forget.sha256: one for one in starts}.values():
        split = data.split(start.dataset, start.recipe.data["val_share"], start.recipe.data["split_seed"])
        for name, settings in plan.attack_settings:
            attack = ATTACKS.get(name).build(settings)
            assert isinstance(attack, OneModel)
            sizes = {"forget set": len(start.forget), attack.against: len(_unseen(attack, start, split))}
            small, which = min((size, what) for what, size in sizes.items())
            if small < attack.least():
                where = f"{start.forget.spec} on {start.recipe.labels.get('dataset', '')}"
                raise UsageFailure(
                    f"{attack.title} takes {attack.least()} pictures a side, and the {which} of {where} has "
                    f"{small}",
                    attack.cure(small),
                )


def _unseen(attack: OneModel, start: Start, split: data.Split) -> NDArray[np.integer]:
    """The pictures that an attack takes for unseen ones."""
    import numpy as np

    if attack.against == "val":
        return split.val
    if attack.against == "test":
        return split.test
    labels = start.dataset.labels
    return split.test[np.isin(labels[split.test], labels[start.forget.indices])]


def _unseeded(spec: str) -> str:
    return spec.replace(f":{RUN_SEED}", "")


def _is_random(spec: str) -> bool:
    return random_share(_unseeded(spec)) is not None
