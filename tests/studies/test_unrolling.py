"""Unrolling SGD: what its theory says must hold exactly (arXiv 2109.13398), on networks of a few weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.engine import hessian
from deepunlearn_cli.engine.device import streams
from deepunlearn_cli.engine.hessian import PRODUCTS, Sharpness
from deepunlearn_cli.engine.lockstep import Lockstep, unlearning_errors
from deepunlearn_cli.engine.objective import Objective, paper_gamma, sd_loss, spread
from deepunlearn_cli.engine.pictures import Pictures, Pixels
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.engine.track import Track
from deepunlearn_cli.engine.weights import distance
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.methods.retrain import Retrain

FEATURES, CLASSES, BATCH, LR = 4, 3, 8, 0.05


def quadratic(logits: Tensor, labels: Tensor) -> Tensor:
    """Half the squared distance from one-hot labels, mean over the batch."""
    return (logits - F.one_hot(labels, CLASSES)).square().sum(1).mean() / 2


def linear(logits: Tensor, labels: Tensor) -> Tensor:
    """Linear in the weights of a linear model: its Hessian is zero."""
    return -logits.gather(1, labels[:, None]).mean()


def flat() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(FEATURES, CLASSES, bias=False))


def mlp() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(FEATURES, 5), nn.Tanh(), nn.Linear(5, CLASSES))


def task_of(model: nn.Module, retain: int = 24, forget: int = BATCH) -> Task:
    """A task of random vectors as pictures of 2x2 pixels, in a fixed order."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(retain + forget, 2, 2, 1)).astype(np.float32)
    pixels = Pixels(images, rng.integers(0, CLASSES, retain + forget), tiny.CPU)
    stream = streams(0)
    parts = {
        name: Pictures(
            pixels,
            np.arange(start, end),
            order=stream(f"order/{name}"),
            moves=stream(f"augment/{name}"),
            fixed=True,
        )
        for name, start, end in (("retain", 0, retain), ("forget", retain, retain + forget))
    }
    return Task(parts, device=tiny.CPU, stream=stream, fresh=lambda _: model, classes=CLASSES)


def readings(
    build: Callable[[], nn.Module],
    objective: Objective,
    epochs: int = 2,
    points: int = 8,
    momentum: float = 0.0,
    **sizes: int,
) -> list[dict[str, float]]:
    plain = {"lr": LR, "momentum": momentum, "weight_decay": 0, "batch_size": BATCH, "schedule": "constant"}
    training = Retrain.build({"epochs": epochs, **plain})
    model = build()
    return list(Lockstep(model, task_of(model, **sizes), training, objective).run(points))


@pytest.mark.parametrize("build", [mlp, lambda: tiny_bn()])
def test_one_step_is_undone_exactly(build) -> None:
    first = readings(build, F.cross_entropy)[0]
    assert first["step"] == 1
    assert first["v_original"] > 1e-3
    assert first["v"] < 1e-6
    assert first["v_amnesiac"] < 1e-6
    assert first["e"] == first["e_power1"] == first["e_sqrt"] == 0


def tiny_bn() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4, CLASSES)
    )


def test_several_forget_batches_of_one_pass_are_undone_to_the_rounding_by_amnesiac() -> None:
    first = readings(mlp, F.cross_entropy, forget=3 * BATCH)[0]
    assert first["step"] == 3
    assert first["v_amnesiac"] < 1e-6 < first["v"]


def test_quadratic_losses_follow_their_closed_form() -> None:
    """Every step is w <- w (I - lr A) + lr C; M and M' are run by matrices in float64."""
    epochs, model = 3, flat()
    task = task_of(model)
    forget, retain = (
        [_moments(b.x, b.y) for b in task.parts[n].batches(BATCH)] for n in ("forget", "retain")
    )
    start = model[1].weight.detach().double().numpy()
    gradient = sum(start @ a - c for a, c in forget)
    original, retrained = start, start
    for _ in range(epochs):
        original = _run(original, [*forget, *retain])
        retrained = _run(retrained, retain)
    last = readings(flat, quadratic, epochs, points=1)[-1]
    assert last["v"] == pytest.approx(np.linalg.norm(original + LR * epochs * gradient - retrained), rel=1e-4)
    assert last["v_original"] == pytest.approx(np.linalg.norm(original - retrained), rel=1e-4)
    assert last["way"] == pytest.approx(np.linalg.norm(original - start), rel=1e-4)


def _moments(x: Tensor, y: Tensor) -> tuple[np.ndarray, np.ndarray]:
    flattened = x.flatten(1).double().numpy()
    return flattened.T @ flattened / len(y), F.one_hot(y, CLASSES).double().numpy().T @ flattened / len(y)


def _run(w: np.ndarray, batches: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    for a, c in batches:
        w = w - LR * (w @ a - c)
    return w


def test_a_loss_linear_in_the_weights_is_unlearned_exactly_at_every_step() -> None:
    for reading in readings(flat, linear, epochs=3):
        assert reading["v"] < 1e-6
        assert reading["v_amnesiac"] < 1e-6
        assert reading["v_original"] > 1e-2
        assert reading["eigenvalue"] == reading["e"] == 0


def test_with_one_pass_both_methods_are_the_same() -> None:
    last = readings(mlp, F.cross_entropy, epochs=1)[-1]
    assert last["v"] == pytest.approx(last["v_amnesiac"], rel=1e-5)
    assert last["v"] > 1e-5, "what later steps made of the forgotten one stays"
    later = readings(mlp, F.cross_entropy, epochs=2)[-1]
    assert later["v"] != pytest.approx(later["v_amnesiac"], rel=1e-3)


def test_unlearning_error_scales_as_documented() -> None:
    one, two = (unlearning_errors(rate, 3.0, [2.0, -8.0], 11) for rate in (0.1, 0.2))
    assert one["e"] == pytest.approx(0.1**2 * 3 * 5 * 10 / 2)
    assert one["e_now"] == pytest.approx(0.1**2 * 3 * 8 * 5)
    assert one["e_sqrt_power1_now"] == pytest.approx(0.1 * 3 * 8**0.5 * 5)
    assert two["e"] == pytest.approx(4 * one["e"])
    assert two["e_power1"] == pytest.approx(2 * one["e_power1"])
    assert len(one) == 8
    assert set(unlearning_errors(0.1, 3.0, [2.0], 1).values()) == {0.0}


@pytest.mark.parametrize("objective", [F.cross_entropy, sd_loss(0.5)])
@pytest.mark.parametrize("room", [4e9, 0])
def test_power_iteration_finds_the_top_eigenvalue(objective, room, monkeypatch) -> None:
    monkeypatch.setattr(hessian, "ROOM", room)
    monkeypatch.setattr(hessian, "CHUNK", 10)
    model, found = mlp(), []
    task = task_of(model)
    sharpness = Sharpness(task.train, objective, task.stream("hessian"))
    before = [weight.clone() for weight in model.parameters()]
    for _ in range(3):  # each goes on where the last one ended
        found.append(sharpness.eigenvalue(model))
        assert sharpness.products <= PRODUCTS
    (batch,) = task.train.batches(100, shuffle=False)
    names = [name for name, _ in model.named_parameters()]
    sizes = [weight.numel() for weight in model.parameters()]

    def loss(vector: Tensor) -> Tensor:
        pieces = zip(names, torch.split(vector, sizes), model.parameters(), strict=True)
        weights = {name: piece.view_as(weight) for name, piece, weight in pieces}
        return objective(torch.func.functional_call(model, weights, (batch.x,)), batch.y)

    whole = torch.cat([weight.detach().flatten() for weight in model.parameters()])
    values = torch.linalg.eigvalsh(torch.autograd.functional.hessian(loss, whole))
    assert found[-1] == pytest.approx(float(values[values.abs().argmax()]), rel=0.01)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(weight.grad is None for weight in model.parameters())


def test_distance_is_one() -> None:
    a, b = ([torch.full((2, 2), value), torch.full((1,), value)] for value in (1.0, 3.0))
    assert distance(a, b) == distance(b, a) == pytest.approx(20**0.5)
    assert distance(a, a) == 0.0


def test_distance_of_two_architectures_is_refused() -> None:
    with pytest.raises(UsageFailure, match="differ in"):
        distance([torch.zeros(2)], [torch.zeros(3)])


def test_sd_penalty_is_the_papers_and_the_codes() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(7, 10), torch.arange(7)
    by_hand = ((logits - logits.mean(1, keepdim=True)) ** 2).sum(1).div(10).sqrt().mean()
    assert torch.allclose(spread(logits), by_hand)
    assert torch.allclose(sd_loss(0.3)(logits, labels), F.cross_entropy(logits, labels) + 0.3 * by_hand)
    assert paper_gamma(5, 10) == pytest.approx(0.527, abs=5e-4)
    assert paper_gamma(250, 100) == pytest.approx(2.51, abs=5e-3)
    assert paper_gamma(50, 2) == pytest.approx(35.36, abs=5e-3)
    code = 5 * logits.std(1).sum() / (7 * 10)
    repo = Retrain.build({"loss": "sd", "gamma": 5, "gamma_form": "repo"}).objective(10)
    assert torch.allclose(repo(logits, labels), F.cross_entropy(logits, labels) + code)


def test_sd_penalty_of_equal_logits_has_no_nan_in_its_gradient() -> None:
    logits = torch.zeros(3, 4, requires_grad=True)
    sd_loss(1.0)(logits, torch.arange(3)).backward()
    assert bool(torch.isfinite(logits.grad).all())


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"loss": "sd", "gamma": -1}, "gamma=-1"),
        ({"gamma": 1}, "does nothing with loss=ce"),
        ({"loss": "sd"}, "plain cross-entropy"),
        ({"loss": "sd", "gamma": 1, "gamma_form": "code"}, "gamma_form=code"),
        ({"schedule": "steps"}, "schedule=steps"),
    ],
)
def test_objectives_that_make_no_sense(params, says) -> None:
    with pytest.raises(UsageFailure, match=says):
        Retrain.build(params)


def test_a_track_holds_a_number_for_each_weight() -> None:
    made, track = tiny.tracked("cnn", 0)
    assert track.updates is not None
    assert set(track.updates) == {name for name, _ in made.named_parameters()}
    assert all(float(value.abs().max()) > 0 for value in track.updates.values())


def test_a_track_must_be_there_and_fit() -> None:
    task = tiny.task("cnn")
    task.track = None
    with pytest.raises(UsageFailure, match="no track"):
        METHODS.get("amnesiac")().unlearn(tiny.fresh("cnn", 0), task)
    with pytest.raises(UsageFailure, match="another model"):
        METHODS.get("amnesiac")().unlearn(mlp(), tiny.task("cnn"))
    task.track = Track(mlp(), 0.1, 8, F.cross_entropy)
    with pytest.raises(UsageFailure, match="no updates"):
        METHODS.get("amnesiac")().unlearn(mlp(), task)


def test_pictures_of_mixed_batches_count_one_in_a_batch() -> None:
    """12 forget pictures in batches of 16: a mean over 12 weighs 12/16."""
    task, start = tiny.task("vit", ("forget",)), tiny.fresh("vit", 0).eval()
    own = Track(start, 0.1, 16, F.cross_entropy).gradient(task)
    mixed = Track(start, 0.1, 16, F.cross_entropy, mixed=16.0).gradient(tiny.task("vit", ("forget",)))
    assert all(torch.allclose(12 / 16 * a, b, atol=1e-6) for a, b in zip(own, mixed, strict=True))


def test_what_momentum_adds_is_in_the_applied_updates() -> None:
    """Amnesiac takes back what was applied; lr times the gradients, which the authors' code keeps, is less."""
    (first, *_) = readings(mlp, F.cross_entropy, forget=2 * BATCH, momentum=0.9)
    assert first["v_amnesiac"] < 1e-6
    assert first["v"] > 1e-3
