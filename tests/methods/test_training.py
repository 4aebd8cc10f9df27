"""How originals are trained: one optimiser for every kind of training, and what makes its steps more than plain."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import tiny
import torch
from split_kit import dataset
from torch import nn

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.data import ForgetSet
from deepunlearn_cli.engine.lockstep import Lockstep
from deepunlearn_cli.execution import recipes, studied
from deepunlearn_cli.library import unlearn
from deepunlearn_cli.methods._tracked import Tracked
from deepunlearn_cli.methods.retrain import Retrain

PLAIN = {"lr": 0.01, "momentum": 0, "weight_decay": 0, "epochs": 1, "batch_size": 16, "points": 0}

FORGET = ForgetSet("random:0.1", np.arange(8), "1" * 64)
SCENE = recipes.Scene(dataset(), "cnn", 0.15, 123)


def is_plain(training: Retrain) -> bool:
    """Whether two steps of training are lr times the gradient each."""
    model = tiny.fresh("cnn", 0)
    task, plain = tiny.task("cnn", ("retain",), 0), True
    optimizer = training.descent(model, task)
    expected: list[torch.Tensor] = []

    def predict() -> None:
        expected[:] = [w.detach() - training.lr * w.grad for w in model.parameters() if w.grad is not None]

    for batch in list(task.retain.batches(16))[:2]:
        task.step(optimizer, partial(task.loss, model), batch, bend=predict)
        plain &= all(
            torch.allclose(w, e, atol=1e-7) for w, e in zip(model.parameters(), expected, strict=True)
        )
    return plain


@pytest.mark.parametrize(
    "more", [{}, {"momentum": 0.9}, {"weight_decay": 0.1}, {"optimizer": "adamw"}], ids=str
)
def test_inexact_is_what_the_steps_are(more):
    training = Retrain.build(PLAIN | more)
    assert is_plain(training) == (not training.inexact) == (not more)
    cured = dict(cure.removeprefix("-p ").split("=") for cure in training.inexact.values())
    assert not Retrain.build(PLAIN | more | cured).inexact


def test_adamw_is_torchs():
    training = Retrain.build(PLAIN | {"optimizer": "adamw", "weight_decay": 0.1})
    models = [tiny.fresh("cnn", 0) for _ in range(3)]
    task = tiny.task("cnn", ("retain",), 0)
    batches = list(task.retain.batches(16))
    optimizers = [
        training.descent(models[0], task),
        torch.optim.AdamW(models[1].parameters(), lr=0.01, weight_decay=0.1, fused=True),
        Retrain.build(PLAIN | {"weight_decay": 0.1}).descent(models[2], task),
    ]
    for model, optimizer in zip(models, optimizers, strict=True):
        for batch in batches:
            task.step(optimizer, partial(task.loss, model), batch)
    ours, torchs, sgd = map(tiny.weights, models)
    assert tiny.same(ours, torchs)
    assert not tiny.same(ours, sgd)


@pytest.mark.parametrize("name", ["optimizer=adamw", "momentum=0.9", "weight_decay=0.1"])
def test_tracking_and_lockstep_refuse_what_is_not_plain_by_name(name):
    params = PLAIN | dict([name.split("=")])
    for refusing in (recipes.check_exact, lambda *given: studied.lockstep(*given, 0, FORGET)):
        with pytest.raises(UsageFailure, match=f"this has {name}:") as refused:
            refusing(SCENE, params)
        assert f"-p {name.partition('=')[0]}=" in refused.value.hint
        refusing(SCENE, PLAIN)


def test_a_track_of_adamw_is_approximate():
    task = tiny.task("cnn", ("retain", "forget"), 0)
    unlearn(nn.Module(), Tracked.build(PLAIN | {"optimizer": "adamw"}), task)
    assert task.facts["approximate"]


def test_the_retrained_model_takes_the_originals_optimiser():
    start = recipes.original(SCENE, {"optimizer": "adamw"}, 0)
    assert recipes.retrained(start, FORGET).params["optimizer"] == "adamw"


def trained(kind: str, cls: type[Retrain]) -> nn.Module:
    training = cls.build(PLAIN)
    task = tiny.task("cnn", ("retain", "forget"), 0)
    if kind == "lockstep":
        pair = Lockstep(tiny.fresh("cnn", 0), task, training, training.objective(task.classes))
        list(pair.run(1))
        return pair.retrained
    return unlearn(nn.Module(), training, task)


@pytest.mark.parametrize(("kind", "base"), [("retrain", Retrain), ("track", Tracked), ("lockstep", Retrain)])
def test_every_training_takes_the_steps_of_its_descent(kind, base):
    class Standstill(base):
        def descent(self, model, task):
            return torch.optim.SGD(model.parameters(), lr=0.0)

    moved, still = trained(kind, base), trained(kind, Standstill)
    assert not same(moved)
    assert same(still)


def same(model: nn.Module) -> bool:
    """Whether a model has the weights that training starts from."""
    pairs = zip(model.parameters(), tiny.fresh("cnn", 0).parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)
