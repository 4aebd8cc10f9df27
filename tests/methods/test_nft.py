"""NFT: its steps are those that its accountant counts, and nothing of the original passes them by."""

from __future__ import annotations

import math
from itertools import islice

import own_nets
import pytest
import tiny
import torch
from torch import nn
from torch.nn import functional as F

from deepunlearn_cli import make_task, unlearn
from deepunlearn_cli.core.guarantee import Guarantee
from deepunlearn_cli.engine.device import streams
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.engine.weights import scale_into
from deepunlearn_cli.methods.nft import NoisyFineTuning


def actor(**changes: object) -> NoisyFineTuning:
    return NoisyFineTuning.build({"epochs": 1, "steps": 3, "batch_size": 64} | changes)


def flat(model: nn.Module) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


def _steady(model: nn.Module) -> nn.Module:
    """Without stochastic depth."""
    for module in model.modules():
        if hasattr(module, "drop_prob"):
            module.drop_prob = 0.0
    return model


def still(task: Task, monkeypatch: pytest.MonkeyPatch) -> Task:
    """Without the repair."""
    monkeypatch.setattr(task, "fit", lambda *args: None)
    return task


@pytest.mark.parametrize("centre", ["init", "zero"])
def test_the_steps_are_those_of_its_accountant(centre: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written anew in one vector: ball, bounded gradients of retain, shrinking, noise of the stream."""
    hyper = actor(
        centre=centre, weight_clip=2.0, gradient_clip=0.01, noise_lr=0.5, shrink=0.1, epsilon=1e4, delta=1e-3
    )
    original, seed = _steady(tiny.fresh("vit", 4)), 0
    made = unlearn(original, hyper, still(tiny.task("vit", ("retain",)), monkeypatch))
    twin, task = _steady(tiny.fresh("vit", 5)).train(), tiny.task("vit", ("retain",))
    generator, noise = streams(seed)("noise"), hyper.descent.noise(1e4, 1e-3)
    middle = flat(tiny.fresh("vit", 0)) if centre == "init" else 0 * flat(twin)
    away = flat(original) - middle
    at = middle + away * min(1.0, 2.0 / float(away.norm()))
    for batch in islice(task.retain.endless(64), 3):
        torch.nn.utils.vector_to_parameters(at, twin.parameters())
        gradient = torch.cat(
            [
                g.flatten()
                for g in torch.autograd.grad(F.cross_entropy(twin(batch.x), batch.y), [*twin.parameters()])
            ]
        )
        step = 0.5 * gradient * min(1.0, 0.01 / float(gradient.norm()))
        assert float(step.norm()) <= hyper.descent.move * (1 + 1e-6)
        at = at - 0.1 * (at - middle) - step + noise * torch.randn(len(at), generator=generator)
    torch.testing.assert_close(flat(made), at, rtol=1e-4, atol=1e-5)


def test_scaling_together_bounds_the_norm_and_leaves_what_is_within() -> None:
    values = [torch.full((3,), 3.0), torch.full((1,), 3.0)]
    scale_into(values, 3.0)
    assert float(torch.cat(values).norm()) == pytest.approx(3.0)
    before = [value.clone() for value in values]
    scale_into(values, 3.1)
    assert all(map(torch.equal, values, before))
    zero = [torch.zeros(2)]
    scale_into(zero, 1.0)
    assert float(zero[0].sum()) == 0


def test_running_statistics_and_buffers_of_the_original_leave_no_trace() -> None:
    """Two originals that differ in buffers alone give the same model to the bit."""
    one = tiny.original("nft", "cnn")
    other = tiny.fresh("cnn", 3)
    other.load_state_dict(one.state_dict())
    for name, value in other.named_buffers():
        value.copy_(value + 7 if "num_batches" not in name else value * 0 + 99)
    made = [tiny.weights(unlearn(m, actor(), tiny.task("cnn", ("retain",)))) for m in (one, other)]
    assert tiny.same(*made)
    assert not any(int(value) == 99 for name, value in made[1].items() if "num_batches" in name)


def test_what_the_noisy_steps_left_in_buffers_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guarantee covers the last weights, and not what was gathered on the way there."""
    made = unlearn(tiny.original("nft", "cnn"), actor(), still(tiny.task("cnn", ("retain",)), monkeypatch))
    fresh = dict(tiny.fresh("cnn", 0).named_buffers())
    assert fresh
    assert all(torch.equal(value, fresh[name]) for name, value in made.named_buffers())


def test_the_log_tells_of_the_repair_alone() -> None:
    task = tiny.task("cnn", ("retain",))
    unlearn(tiny.original("nft", "cnn"), actor(epochs=2, steps=7), task)
    assert [entry["epoch"] for entry in task.log] == [1, 2]
    again = tiny.task("cnn", ("retain",))
    unlearn(tiny.original("nft", "cnn"), actor(epochs=2, steps=7, weight_clip=1e-5, noise_lr=1e-6), again)
    shown = again.log[0]["loss"]
    assert shown < 3 * math.log(tiny.CLASSES), "losses of noisy steps are no part of it"


def test_the_start_matters_no_more_than_the_ball_is_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Originals far apart end within the reach of the accountant, under the same noise."""
    hyper = actor(weight_clip=0.5, noise_lr=0.01, epsilon=1e6)
    ends = [
        flat(unlearn(tiny.fresh("vit", seed), hyper, still(tiny.task("vit", ("retain",)), monkeypatch)))
        for seed in (3, 4)
    ]
    distance = float((ends[0] - ends[1]).norm())
    assert 0 < distance <= hyper.descent.reach * (1 + 1e-5)


def test_more_noise_for_a_smaller_epsilon() -> None:
    noises = [dict(actor(epsilon=epsilon).guarantee().figures)["noise"] for epsilon in (0.1, 1, 10, 1e6)]
    assert noises == sorted(noises, reverse=True)


def test_the_run_says_what_it_proves_and_what_not() -> None:
    task = tiny.task("cnn", ("retain",))
    unlearn(tiny.original("nft", "cnn"), actor(epsilon=3.0, delta=1e-4), task)
    proved = Guarantee.of(task.facts)
    assert proved
    assert (proved.epsilon, proved.delta) == (3.0, 1e-4)
    assert any("running statistics" in one for one in proved.covers)
    for word in ("seed", "hyperparameters", "frozen", "near-duplicates"):
        assert any(word in one for one in proved.leaves_open), word
    assert any("seed" in warning for warning in task.warnings)


def test_frozen_weights_are_warned_of() -> None:
    torch.manual_seed(0)
    model = own_nets.NETS["Net"]()
    model.stem.requires_grad_(False)
    task = make_task(model, **own_nets.PARTS, fresh=lambda: type(model)())
    unlearn(model, actor(), task)
    assert any("does not cover frozen weights" in warning for warning in task.warnings)
