"""Models that are gone on from: originals, and unlearned ones, which keep forgotten what they forgot."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from deepunlearn_cli import data
from deepunlearn_cli.checkpoints import refs
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.specs import following
from deepunlearn_cli.execution import chains, forgetting

if TYPE_CHECKING:
    from deepunlearn_cli.checkpoints.file import Claims
    from deepunlearn_cli.checkpoints.refs import Ref, Start, Wanted
    from deepunlearn_cli.core.recipe import Recipe, Written
    from deepunlearn_cli.execution.runner import Runner


def resolve(ref: Ref, runner: Runner, wanted: Wanted) -> Start:
    """What a REF means as the start of a request, with what is to be forgotten.

    An unlearned model is gone on from: what it forgot stays forgotten, and the request must be named.

    Raises:
        NotFound, UsageFailure: as `refs.resolve`; an unlearned model, and nothing to forget was named.
    """
    if wanted.forget is None:
        return _first(refs.resolve(ref, runner, wanted))
    start = refs.resolve(ref, runner, wanted)
    return replace(start, earlier=forgetting.behind(start.recipe, runner))


def _first(start: Start) -> Start:
    """A start that nobody named a forget set for: an original, which was trained for one."""
    model = start.recipe
    if model.forget:
        before, *rest = chains.specs(model)
        raise UsageFailure(
            f"{model.key} is not an original but the result of {model.name}: it has forgotten "
            f"{following(before, rest)} already",
            "--forget names the next request, which goes on from it; "
            f"`deepunlearn show {model.key}` names its original",
        )
    return start


def claims_of(recipe: Recipe, start: Start, *, named: bool = True) -> Claims:
    """What a file of ours says about itself, so that `unlearn --ckpt FILE` needs nothing else.

    `named` is whether somebody named the forget set, or a default filled it in.
    """
    height, width, _ = start.dataset.image_shape
    claims: Claims = {
        "recipe": cast("Written", recipe.to_json()),
        "dataset": start.source,
        "image_size": height if height == width else None,
        "split_folders": start.dataset.split_folders or None,
        "classes": list(start.dataset.classes),
        "forget": data.claim_of(start.forget, start.dataset, named=named),
    }
    if start.earlier:
        claims["forgotten"] = [data.claim_of(one, start.dataset) for one in start.earlier]
    return claims
