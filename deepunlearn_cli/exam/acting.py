"""Questions about what a method does to a model, and what it leaves alone."""

from __future__ import annotations

import torch
from torch import Tensor

from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.exam import tiny
from deepunlearn_cli.exam.answers import Beside, Wrong
from deepunlearn_cli.exam.candidate import Candidate
from deepunlearn_cli.exam.trial import FROZEN, Setting, Trial

LONG = 30  # seconds for a few dozen tiny pictures
UNCHANGED = "the method did not change any weight"  # how `unlearn` says so
SHOWN = 3  # complaints in one reason


def cnn(candidate: Candidate) -> str:
    """Does it act on a CNN with BatchNorm?"""
    return _acts(candidate, candidate.acted())


def vit(candidate: Candidate) -> str:
    """Does it act on a ViT?"""
    try:
        return _acts(candidate, candidate.run(Setting(kind="vit")))
    except Failure as failure:
        if not failure.hint.startswith("choose another method"):  # it did not `refuse` the architecture
            raise Wrong(failure.message) from failure
        raise Beside(f"it refuses: {failure.message}") from failure


def untouched(candidate: Candidate) -> str:
    """Does it leave the input model and the data alone?"""
    if touched := candidate.run().touched:
        raise Wrong(f"it changes {_few(touched)}")
    return ""


def frozen(candidate: Candidate) -> str:
    """Does it keep frozen weights, to the bit?"""
    trial = candidate.acted(Setting(frozen=True))
    held = [name for name in trial.before if name.startswith(FROZEN) and not name.endswith("_tracked")]
    if moved := [name for name in held if not torch.equal(trial.before[name], trial.after[name])]:
        raise Wrong(f"it changes {_few(moved)}, frozen by the model's owner")
    return ""


def plain(candidate: Candidate) -> str:
    """Is what it gives back a plain trainable model: in train mode, no hooks, all weights learning?"""
    trial = candidate.run()
    if trial.left:
        raise Wrong(_few(trial.left))
    twin, given = tiny.fresh("cnn", 1), trial.model
    twin.load_state_dict(given.state_dict())
    shown = torch.randn(4, 3, tiny.SIZE, tiny.SIZE, generator=torch.Generator().manual_seed(0))
    modes = [module.training for module in given.modules()]
    alike = torch.equal(twin.eval()(shown), given.eval()(shown))
    for module, mode in zip(given.modules(), modes, strict=True):
        module.training = mode
    if not alike:
        raise Wrong("it answers otherwise than a new model with its state does")
    return ""


def single(candidate: Candidate) -> str:
    """Does it forget a single picture?"""
    return _of_size(candidate, tiny.SINGLE)


def half(candidate: Candidate) -> str:
    """Does it forget half of the data?"""
    return _of_size(candidate, tiny.HALF)


def _acts(candidate: Candidate, trial: Trial) -> str:
    _check_usable(trial.before, trial.after)
    if tiny.same(trial.before, trial.after) == candidate.method.changes_weights:
        raise Wrong(f"`changes_weights` is {candidate.method.changes_weights}, and the opposite is true")
    if trial.seconds > LONG:
        raise Wrong(f"it takes {trial.seconds:.0f} s for {tiny.FEW.retain + tiny.FEW.forget} tiny pictures")
    return ""


def _of_size(candidate: Candidate, counts: tiny.Counts) -> str:
    of_all = f"{counts.forget} of {counts.retain + counts.forget}"
    try:
        trial = candidate.acted(candidate.many(counts))
    except Wrong as wrong:
        if str(wrong) == UNCHANGED:
            raise Beside(f"with {of_all} to forget it changes no weight at its defaults") from wrong
        raise
    _check_usable(trial.before, trial.after)
    return of_all


def _check_usable(before: dict[str, Tensor], after: dict[str, Tensor]) -> None:
    if before.keys() != after.keys():
        raise Wrong("the model has other weights than it was given")
    for name, value in after.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise Wrong(f"{name} is not finite")


def _few(complaints: list[str]) -> str:
    """The first complaints, and how many there are beside them."""
    rest = len(complaints) - SHOWN
    return "; ".join(complaints[:SHOWN]) + (f"; and {rest} more" if rest > 0 else "")
