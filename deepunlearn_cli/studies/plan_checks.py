"""What a plan could never end in, told before anything is trained."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deepunlearn_cli import data
from deepunlearn_cli.attacks import ATTACKS, OneModel
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.specs import RUN_SEED, VAL_SHARE, random_share
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
    _check_tracked(plan)


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
    readers = [name for name in plan.method_names if "val" in METHODS.needed(name).needs]
    readers += [name for name, settings in plan.attack_settings if settings.get("against") == "val"]
    readers += ["the search"] if plan.tuning else []
    if readers and not plan.val_share:
        raise UsageFailure(
            f"val_share = 0 keeps no validation pictures, and these read them: {', '.join(readers)}",
            f"val_share = {VAL_SHARE}, or leave them out of the plan",
        )


def _check_tracked(plan: Plan) -> None:
    """Refuse methods that no original of a plan could be given to."""
    if names := [name for name in plan.method_names if METHODS.needed(name).tracked]:
        raise UsageFailure(
            f"{', '.join(names)} starts from originals whose training was tracked, and a plan's are not",
            f"leave {', '.join(names)} out of methods; `deepunlearn guide unrolling-sgd` is about such",
        )


def check_setup(plan: Plan, starts: Sequence[Start]) -> None:
    """See that every attack of a plan, and its search, has as many pictures as it takes.

    Raises:
        UsageFailure: naming the attack, the forget set, and how many there are.
    """
    if plan.tuning:
        from deepunlearn_cli import sweep

        sweep.check_sizes(starts[0])
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
                    _cure(attack.cure(small), name, settings),
                )


def _cure(cure: str, attack: str, settings: Mapping[str, Any]) -> str:
    """What helps an attack, an option of the command line as a setting in a plan."""
    option, _, value = cure.removeprefix("--").partition(" ")
    if not (cure.startswith("--") and value.isdigit()):
        return cure
    told = {"name": attack, **settings, option.replace("-", "_"): int(value)}
    return f"attacks = [{{ {', '.join(f'{key} = {json.dumps(one)}' for key, one in told.items())} }}]"


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
