"""What must be true of single methods, by their own papers and by Deep Unlearn (arXiv 2410.01276)."""

from __future__ import annotations

import pytest
import tiny
import torch
from torch import nn
from torch.nn import functional as F

from deepunlearn_cli import unlearn
from deepunlearn_cli.core.errors import RunFailed, UsageFailure
from deepunlearn_cli.engine.device import streams
from deepunlearn_cli.engine.fit import cosine, triangle
from deepunlearn_cli.engine.labels import wrong_labels
from deepunlearn_cli.engine.pictures import Pictures
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.methods.ct import square_kernels, transpose
from deepunlearn_cli.methods.msg import DAMPING


def mean_loss(model: nn.Module, part: Pictures) -> float:
    with torch.no_grad():
        batches = list(part.batches(64, shuffle=False, augment=False))
        return float(sum(F.cross_entropy(model.eval()(b.x), b.y) * len(b.y) for b in batches)) / len(part)


def test_ct_twice_is_identity_and_leaves_other_kernels() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, (3, 1)), nn.Linear(4, 2))
    before = tiny.weights(model)
    (kernel,) = square_kernels(model)
    transpose(kernel)
    after = tiny.weights(model)
    assert torch.equal(after["0.weight"], before["0.weight"].transpose(-1, -2))
    assert all(torch.equal(after[name], before[name]) for name in before if name != "0.weight")
    transpose(kernel)
    assert tiny.same(before, tiny.weights(model))


FLAT = nn.Sequential(nn.Flatten(), nn.Linear(3 * tiny.SIZE**2, tiny.CLASSES))
BARE = nn.Sequential(nn.BatchNorm2d(3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize(("name", "model"), [("ct", FLAT), ("msg", BARE)])
def test_a_method_without_its_layers_refuses(name: str, model: nn.Module) -> None:
    with pytest.raises(UsageFailure, match=name):
        unlearn(model, name, tiny.task("cnn"))


def test_ct_says_what_share_it_touched() -> None:
    task, model = tiny.task("cnn"), tiny.fresh("cnn", 0)
    unlearn(model, "ct", task)
    kernels = sum(
        m.weight.numel() for m in model.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)
    )
    assert task.facts["touched_share"] == kernels / sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_msg_chooses_exactly_the_smallest(scope: str) -> None:
    scores = [torch.rand(10, 3), torch.rand(7) * 5]
    masks = METHODS.get("msg").build({"scope": scope, "init_rate": 0.3}).choose(scores)
    if scope == "layer":
        assert [int(mask.sum()) for mask in masks] == [9, 2]
        for score, mask in zip(scores, masks, strict=True):
            assert score[mask].max() < score[~mask].min()
    else:
        assert sum(int(mask.sum()) for mask in masks) == round(0.3 * 37)
        flat, chosen = torch.cat([s.flatten() for s in scores]), torch.cat([m.flatten() for m in masks])
        assert flat[chosen].max() < flat[~chosen].min()


def test_msg_keeps_the_others_and_damps_decay_too() -> None:
    """Without gradients (a model that ignores its input), only weight decay moves weights: 0.1 of it for kept ones."""

    class Blind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, tiny.CLASSES)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 0.0 * self.head(self.conv(x).mean((2, 3)))

    torch.manual_seed(0)
    model = Blind()
    hyper = {
        "epochs": 1,
        "batch_size": 64,
        "lr": 0.1,
        "weight_decay": 0.01,
        "momentum": 0.0,
        "init_rate": 0.3,
    }
    made = unlearn(model, METHODS.get("msg").build(hyper), tiny.task("cnn"))
    ratio = made.conv.weight / model.conv.weight
    kept = torch.isclose(ratio, torch.tensor(1 - 0.1 * 0.01 * DAMPING))
    assert int((~kept).sum()) == round(0.3 * model.conv.weight.numel())
    assert torch.allclose(made.head.bias, model.head.bias * (1 - 0.1 * 0.01))


def test_msg_resets_linear_weights_where_convolutions_hold_few() -> None:
    model = tiny.fresh("vit", 0)
    made = unlearn(model, METHODS.get("msg").build({"epochs": 1, "lr": 1e-5}), tiny.task("vit"))
    before, after = model.blocks[0].mlp.fc1.weight, made.blocks[0].mlp.fc1.weight
    moved = (before - after).abs() > 1e-3
    assert 0.2 < moved.float().mean() < 0.3 + 0.01


@pytest.mark.parametrize(
    ("epochs", "factors"),
    [
        (1, [1]),
        (2, [1, 0.5]),
        (3, [0.5, 1, 0.5]),
        (4, [0.5, 1, 2 / 3, 1 / 3]),
        (5, [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3]),
    ],
)
def test_triangle_is_the_benchmarks(epochs: int, factors: list[float]) -> None:
    assert [triangle(epoch, epochs) for epoch in range(epochs)] == pytest.approx(factors)


def test_cosine_is_the_benchmarks() -> None:
    assert [cosine(epoch, 4) for epoch in range(4)] == pytest.approx([1, 0.853553, 0.5, 0.146447], abs=1e-6)


def test_wrong_labels_are_uniform_over_the_others_and_redrawn() -> None:
    labels = torch.arange(5).repeat(2000)
    generator = streams(0)("labels")
    first, second = (wrong_labels(labels, 5, generator) for _ in range(2))
    assert not (first == labels).any()
    assert not torch.equal(first, second)
    counts = torch.bincount((first - labels) % 5, minlength=5)
    assert counts[0] == 0
    assert (counts[1:] / len(labels)).allclose(torch.tensor(0.25), atol=0.02)


def test_ga_raises_the_forget_loss_and_may_diverge_in_the_open() -> None:
    task, model = tiny.task("cnn"), tiny.fresh("cnn", 0)
    hyper = {"epochs": 3, "lr": 0.01}
    made = unlearn(model, METHODS.get("ga").build(hyper), task)
    assert mean_loss(made, tiny.task("cnn").forget) > mean_loss(model, tiny.task("cnn").forget)
    with pytest.raises(RunFailed, match="epoch"):
        unlearn(
            model, METHODS.get("ga").build({"epochs": 500, "lr": 0.1, "weight_decay": 0.0}), tiny.task("cnn")
        )


def test_ngplus_with_alpha_1_is_plain_descent_on_retain() -> None:
    model = tiny.fresh("vit", 0)  # no BatchNorm: the forget batch leaves no other trace
    hyper = {"epochs": 2, "lr": 0.01, "batch_size": 64}
    made = unlearn(model, METHODS.get("ngplus").build(hyper | {"alpha": 1.0}), tiny.task("vit"), seed=7)
    assert mean_loss(made, tiny.task("vit").retain) < mean_loss(model, tiny.task("vit").retain)


def test_retrain_is_how_an_original_is_trained_and_ignores_its_weights() -> None:
    hyper = METHODS.get("retrain").build({"epochs": 1, "batch_size": 64})
    first = unlearn(tiny.fresh("cnn", 0), hyper, tiny.task("cnn"))
    other = unlearn(tiny.fresh("cnn", 99), hyper, tiny.task("cnn"))
    assert tiny.same(tiny.weights(first), tiny.weights(other))
