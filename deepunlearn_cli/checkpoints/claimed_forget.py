"""What a checkpoint file says was forgotten, or is to be: found again by what its pictures show."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from deepunlearn_cli import data
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.execution import forgetting

if TYPE_CHECKING:
    from deepunlearn_cli.checkpoints.file import Claims
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.execution.runner import Runner

SHOWN = forgetting.SHOWN  # pictures named in an error


def claimed(
    claim: data.ClaimedForget, dataset: data.Dataset, recipe: Recipe, runner: Runner
) -> data.ForgetSet:
    """The forget set that a file carries, found again by what its pictures show; kept in the store.

    Raises:
        UsageFailure: pictures that are gone or changed (named), or no longer of the training part.
    """
    indices = list(claim["indices"])
    if "pictures" in claim:
        located = data.locate(claim, dataset)
        if located.missing:
            raise _gone(claim, located.missing, dataset)
        indices = located.indices
    split = data.split(dataset, recipe.data["val_share"], recipe.data["split_seed"])
    forget = data.forget_from(claim["spec"], indices, dataset, split)
    data.save_forget(forget, runner.store.data)
    if not claim.get("named", True):
        forgetting.tell_default(forget, "the file", runner)
    return forget


def earlier(
    claims: Claims, claimed: Recipe, dataset: data.Dataset, recipe: Recipe, runner: Runner
) -> list[data.ForgetSet]:
    """The forget sets of earlier requests that a file carries, newest first; kept in the store.

    Pictures that the dataset holds no more cannot be retained by mistake, so they are only told of.

    Args:
        claimed: the recipe that the file says.
        recipe: of the file here, for its split.

    Raises:
        UsageFailure: the file names earlier requests in its recipe and does not carry their pictures.
    """
    carried = claims.get("forgotten") or []
    if len(carried) != len(claimed.forgotten):
        raise UsageFailure(
            f"the checkpoint follows {len(claimed.forgotten)} earlier requests and says of {len(carried)} "
            "what they forgot: they could come back as retained pictures",
            "take the file as `deepunlearn unlearn --out` wrote it, or the run in its store",
        )
    found = [_still_there(one, dataset, recipe, runner) for one in carried]
    return [one for one in found if one]


def _still_there(
    claim: data.ClaimedForget, dataset: data.Dataset, recipe: Recipe, runner: Runner
) -> data.ForgetSet | None:
    located = data.locate(claim, dataset) if "pictures" in claim else None
    if located and located.missing:
        runner.reporter.told(
            f"{len(located.missing)} of the {len(claim['indices'])} pictures of an earlier request "
            f"({claim['spec']}) are no longer in {dataset.name}"
        )
    if located and not located.indices:
        return None
    indices = located.indices if located else list(claim["indices"])
    split = data.split(dataset, recipe.data["val_share"], recipe.data["split_seed"])
    trained = [one for one in indices if one in {*split.train.tolist()}]
    if not trained:
        return None
    forget = data.forget_from(claim["spec"], trained, dataset, split)
    data.save_forget(forget, runner.store.data)
    return forget


def check_changed(
    claim: data.ClaimedForget | None,
    dataset: data.Dataset,
    spec: str,
    runner: Runner,
    *,
    agreed: bool,
    named: bool,
) -> None:
    """Refuse, or warn of, pictures that are not those that a file's model was trained on.

    Args:
        claim: the forget set that the file carries.
        spec: of the dataset, from any folder.
        agreed: whether somebody named this dataset for the file.
        named: whether somebody named another forget set.

    Raises:
        UsageFailure: pictures to forget are gone, the file says positions only, or nobody agreed.
    """
    if claim and not named:
        if "pictures" not in claim:
            raise UsageFailure(
                f"the checkpoint names what to forget by positions, and {dataset.name} holds other pictures "
                "than it was trained on: they would be others now",
                "--forget indices:FILE with their paths names them",
            )
        if missing := data.locate(claim, dataset).missing:
            raise _gone(claim, missing, dataset)
    if not agreed:
        raise UsageFailure(
            f"the checkpoint was trained on other pictures than {dataset.name} holds now"
            + ("" if named else " (those to forget are all there)"),
            f"--dataset {quote(spec)} takes them as they are now, its parts drawn anew",
        )
    runner.reporter.warned(
        f"the checkpoint was trained on other pictures than {dataset.name} holds now: its training, "
        "validation and test parts are drawn anew, and pictures count as unseen that it may have seen"
    )


def _gone(claim: data.ClaimedForget, missing: list[str], dataset: data.Dataset) -> UsageFailure:
    """Pictures of a file's forget set that a dataset does not hold."""
    named = ", ".join(missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
    return UsageFailure(
        f"{len(missing)} of the {len(claim['indices'])} pictures to forget ({claim['spec']}) are not in "
        f"{dataset.name} as it is now: {named}",
        "put them back: unlearning reads what it forgets; `deepunlearn train` on what is left forgets them "
        "exactly",
    )
