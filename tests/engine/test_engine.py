"""Pictures, tasks and prediction."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepunlearn_cli.core.errors import Failure, RunFailed, UsageFailure
from deepunlearn_cli.engine.cost import Cost
from deepunlearn_cli.engine.device import KERNELS, pick_device, repeatable, streams
from deepunlearn_cli.engine.fit import as_in_use
from deepunlearn_cli.engine.pictures import Batch, Pictures, Pixels
from deepunlearn_cli.engine.predict import changed, check_finite, outputs_of, predict
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.methods import METHODS


def hyper(**changes: object) -> object:
    return METHODS.get("ft").build({"epochs": 2, "batch_size": 64} | changes)


def test_normalisation_is_the_textbooks_and_channels_last() -> None:
    shown = tiny.pixels()
    x = shown.gather(torch.arange(5))
    expected = (shown.images[:5].permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25
    assert torch.allclose(x, expected, atol=1e-6)
    assert x.is_contiguous(memory_format=torch.channels_last)


def test_float_tensors_are_taken_as_they_are() -> None:
    images = torch.rand(6, 8, 8, 1)
    shown = Pixels(images, torch.zeros(6), tiny.CPU)
    assert torch.equal(shown.gather(torch.arange(6)), images.permute(0, 3, 1, 2))


def test_a_read_only_memory_map_is_used_in_place_and_in_silence(tmp_path) -> None:
    np.save(tmp_path / "images.npy", np.zeros((4, 8, 8, 3), np.uint8))
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown = Pixels(images, np.zeros(4), tiny.CPU)
    assert shown.images.data_ptr() == images.__array_interface__["data"][0]


def candidates(picture: torch.Tensor, pad: int) -> list[torch.Tensor]:
    """Every crop of a (H, W, C) picture in a black border, and its mirror image."""
    size = picture.shape[0]
    padded = F.pad(picture, (0, 0, pad, pad, pad, pad))
    crops = [padded[y : y + size, x : x + size] for y in range(2 * pad + 1) for x in range(2 * pad + 1)]
    return [*crops, *(crop.flip(1) for crop in crops)]


def test_augmentation_shifts_within_black_borders_and_mirrors() -> None:
    shown = Pixels(tiny.pixels().images, torch.zeros(72), tiny.CPU, flip=True, pad=2)
    moves = shown.draw_moves(72, streams(0)("m"))
    assert moves is not None
    moved = (shown.gather(torch.arange(72), moves) * 255).round().permute(0, 2, 3, 1)
    seen = set()
    for picture, after in zip(shown.images, moved, strict=True):
        matches = [n for n, one in enumerate(candidates(picture, 2)) if torch.equal(one.float(), after)]
        assert matches, "not a shifted or mirrored copy"
        seen.add(matches[0])
    assert len(seen) > 20
    assert 0.3 < moves[:, 2].float().mean() < 0.7
    assert torch.equal(moves, shown.draw_moves(72, streams(0)("m")))


def test_without_flip_and_pad_nothing_moves() -> None:
    assert tiny.pixels(flip=False, pad=0).draw_moves(5, streams(0)("m")) is None


def test_order_changes_by_epoch_and_repeats_by_seed() -> None:
    def orders(seed: int) -> list[list[int]]:
        part = tiny.part(tiny.pixels(), range(48), seed)
        return [torch.cat([b.position for b in part.batches(16)]).tolist() for _ in range(2)]

    assert orders(0)[0] != orders(0)[1]
    assert orders(0) == orders(0)
    assert orders(0) != orders(1)


def test_parts_add_up_and_can_be_sampled() -> None:
    task = tiny.task()
    assert task.train.indices.tolist() == list(range(60))
    some = task.retain.sample(12, task.stream("subset"))
    assert len(set(some.indices.tolist())) == 12


def test_work_is_counted_teachers_included() -> None:
    task, model = tiny.task(), tiny.fresh("cnn", 0)
    teacher = task.teacher(model)
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())
    optimizer = task.sgd(model, hyper())
    batch = next(task.retain.batches(16))
    logits = task.teach(teacher, batch)
    assert not logits.requires_grad
    task.step(optimizer, partial(task.loss, model), batch)
    assert (task.cost.forward, task.cost.backward) == (32, 16)


@pytest.mark.parametrize("kind", tiny.MODELS)
def test_the_terms_of_a_loss_give_the_gradients_of_their_sum_one_at_a_time(kind: str) -> None:
    freed: list[bool] = []

    def terms(task: Task, model: nn.Module, retain: Batch, forget: Batch) -> Iterator[Tensor]:
        first = task.loss(model, retain)
        yield 0.3 * first
        with pytest.raises(RuntimeError, match="already been freed"):
            first.backward()
        freed.append(True)
        yield -0.7 * task.loss(model, forget)

    def together(task: Task, model: nn.Module, retain: Batch, forget: Batch) -> Tensor:
        return 0.3 * task.loss(model, retain) - 0.7 * task.loss(model, forget)

    def stepped(*, whole: bool) -> tuple[dict[str, Tensor], Cost]:
        task, model = tiny.task(kind), tiny.fresh(kind, 0)
        with repeatable(0, tiny.CPU):
            loss = together if whole else terms
            batches = next(task.retain.batches(16)), next(task.forget.batches(6))
            task.step(task.sgd(model, hyper()), partial(loss, task, model), *batches)
        return tiny.weights(model), task.cost

    (one, cost), (apart, cost_apart) = stepped(whole=True), stepped(whole=False)
    assert freed == [True]
    assert tiny.same(one, apart)
    assert (cost.forward, cost.backward) == (cost_apart.forward, cost_apart.backward) == (22, 22)


def test_epochs_set_the_rate_and_log_the_loss() -> None:
    task, model = tiny.task(), tiny.fresh("cnn", 0)
    optimizer = task.sgd(model, hyper(lr=0.1))
    rates = []
    for _ in task.epochs(3, optimizer, lambda epoch, epochs: 1 - epoch / epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        for batch in task.retain.batches(64):
            task.step(optimizer, partial(task.loss, model), batch)
    assert rates == pytest.approx([0.1, 0.2 / 3, 0.1 / 3])
    assert [entry["epoch"] for entry in task.log] == [1, 2, 3]
    assert all(np.isfinite(entry["loss"]) for entry in task.log)


def test_a_loss_that_is_not_finite_ends_the_run() -> None:
    task, model = tiny.task(), tiny.fresh("cnn", 0)
    optimizer = task.sgd(model, hyper())
    with pytest.raises(RunFailed, match="epoch 1"):
        for _ in task.epochs(2, optimizer):
            batch = next(task.retain.batches(16))
            task.step(optimizer, lambda shown: task.loss(model, shown) * float("nan"), batch)


def test_pairs_start_the_forget_set_over_in_a_new_order() -> None:
    pairs = list(tiny.task().pairs(6))
    assert len(pairs) == 8
    first, second = (torch.cat([pairs[n][1].position, pairs[n + 1][1].position]) for n in (0, 2))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(12))
    assert first.tolist() != second.tolist()


def test_what_was_not_declared_cannot_be_read() -> None:
    with pytest.raises(Failure, match="val"):
        tiny.task(needs=("retain",)).val  # noqa: B018


@pytest.mark.parametrize("kind", tiny.MODELS)
def test_gradients_as_in_use_are_those_of_evaluation(kind: str) -> None:
    model = tiny.fresh(kind, 0).train()
    before = tiny.weights(model)
    batch = next(tiny.task(kind).retain.batches(16))
    with as_in_use(model):
        loss = F.cross_entropy(model(batch.x), batch.y)
        gradients = torch.autograd.grad(loss, list(model.parameters()))
    assert tiny.same(before, tiny.weights(model)), "running statistics moved"
    assert model.training
    expected = torch.autograd.grad(F.cross_entropy(model.eval()(batch.x), batch.y), list(model.parameters()))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(gradients, expected, strict=True))


def test_attention_biases_have_gradients_as_in_use_more_than_once() -> None:
    from timm.models.tiny_vit import TinyVit

    model = TinyVit(
        num_classes=3, embed_dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1),
        window_sizes=(4, 4, 4, 4),
    )  # fmt: skip
    predict(model, tiny.part(Pixels(torch.rand(4, 32, 32, 3), torch.zeros(4), tiny.CPU), range(4)))
    with as_in_use(model):
        for _ in range(2):
            model.zero_grad()
            model(torch.rand(2, 3, 32, 32)).sum().backward()
    biases = [p.grad for name, p in model.named_parameters() if "attention_biases" in name]
    assert biases
    assert all(bias is not None for bias in biases)


def test_prediction_is_one_plain_pass() -> None:
    task, model = tiny.task(), tiny.fresh("cnn", 0)
    outputs = outputs_of(model, {"retain": task.retain, "empty": tiny.part(tiny.pixels(), range(0))})
    assert list(outputs) == ["retain"]
    x = task.retain.pixels.gather(task.retain.indices)
    with torch.no_grad():
        expected = model.eval()(x).numpy()
    assert np.allclose(outputs["retain"]["logits"], expected, atol=1e-5)
    assert outputs["retain"]["index"].tolist() == list(range(48))
    assert outputs["retain"]["labels"].tolist() == [n % 3 for n in range(48)]


def test_guards() -> None:
    model = tiny.fresh("cnn", 0)
    before = tiny.weights(model)
    assert not changed(before, model)
    with torch.no_grad():
        model.fc.bias[0] += 1
    assert changed(before, model)
    with torch.no_grad():
        model.fc.bias[0] = float("inf")
    with pytest.raises(RunFailed, match=r"fc\.bias"):
        check_finite(model)


def test_layers_that_draw_are_repeatable_and_leave_the_global_generator_alone() -> None:
    layer = nn.Dropout()
    state = torch.random.get_rng_state()
    drawn = []
    for seed in (0, 0, 1):
        with repeatable(seed, tiny.CPU):
            assert torch.are_deterministic_algorithms_enabled()
            assert not KERNELS.fill_uninitialized_memory
            drawn.append(layer(torch.ones(50)))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(state, torch.random.get_rng_state())
    assert not torch.are_deterministic_algorithms_enabled()
    assert KERNELS.fill_uninitialized_memory


def test_unknown_devices_are_refused() -> None:
    for name in ("cuda:99", "tpu", "mps:7"):
        with pytest.raises(UsageFailure, match=name):
            pick_device(name)
    assert pick_device("cpu") == tiny.CPU


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_the_same_batches_on_cuda() -> None:
    shown = tiny.pixels()
    there = Pixels(
        shown.images, shown.labels, torch.device("cuda"), mean=(0.5,) * 3, std=(0.25,) * 3, flip=True, pad=1
    )
    stream = streams(0)
    far = Pictures(there, np.arange(48), order=stream("order/retain"), moves=stream("augment/retain"))
    for near, other in zip(tiny.part(shown, range(48)).batches(16), far.batches(16), strict=True):
        assert torch.allclose(near.x, other.x.cpu(), atol=1e-6)
        assert torch.equal(near.position, other.position.cpu())


def test_runs_beside_are_noticed_even_those_that_came_and_went(tmp_path, monkeypatch) -> None:
    from deepunlearn_cli.engine import cost
    from deepunlearn_cli.system import locks

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def beside() -> Path:
        (folder,) = tmp_path.iterdir()  # made by the first to come
        return folder / "12345-1"

    with cost._presence() as others:
        assert others() == 0
        with locks.hold(beside()):
            assert others() == 1
        assert others() == 1, "it is gone, but it was there"
    with cost._presence() as others:
        with locks.hold(beside()):
            pass
        assert others() == 1, "nobody looked while it was there"
