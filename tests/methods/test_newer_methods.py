"""SFRon, AMUN, MUNBa, DELETE and NatMU: the arithmetic of their authors' code, written anew, on the same batches.

Sources: github.com/K1nght/Unified-Unlearning-w-Remain-Geometry (`Classification/unlearn/sfron.py`),
github.com/Ali-E/AMUN (`pgdl2_modified.py`, `adversarial_unlearn.py`), github.com/JingWu321/MUNBa
(`Classification/unlearn/MUNBa.py`), github.com/shaaaaron/DELETE (`method/delete.py`), github.com/ZhengbaoHe/NatMU
(`sample-wise/natmu.py`, `sample-wise/utils/generate_patch_data.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import ClassVar, NamedTuple

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepunlearn_cli import unlearn
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.engine.pictures import Batch, Pictures, Pixels
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.methods.munba import nash
from deepunlearn_cli.methods.natmu import drawn, others, waves

BATCH = 12
SGD = {"lr": 0.02, "momentum": 0.9, "weight_decay": 5e-3}


class Seen(NamedTuple):
    """What a model was shown."""

    x: Tensor
    y: Tensor
    training: bool


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Seen]:
    """All batches of a run, in order, each of at most 12 pictures; labels as the loss took them."""
    shown: list[Seen] = []
    tiny.tracked("cnn", 0)  # which a tiny task has made at its first use
    batches, count = Pictures.batches, Pictures.count
    forward, loss = Task.forward, Task.loss

    def watched(self: Task, model: nn.Module, batch: Batch) -> Tensor:
        shown.append(Seen(batch.x.detach().clone(), batch.y.clone(), model.training))
        return forward(self, model, batch)

    def labelled(self: Task, model: nn.Module, batch: Batch, labels: Tensor | None = None) -> Tensor:
        found = loss(self, model, batch, labels)
        if labels is not None:
            shown[-1] = shown[-1]._replace(y=labels.clone())
        return found

    monkeypatch.setattr(Pictures, "batches", lambda self, size, **how: batches(self, min(size, BATCH), **how))
    monkeypatch.setattr(Pictures, "count", lambda self, size: count(self, min(size, BATCH)))
    monkeypatch.setattr(Task, "forward", watched)
    monkeypatch.setattr(Task, "loss", labelled)
    return shown


def run(name: str, **params: object) -> nn.Module:
    """What a method makes of a fresh model."""
    return unlearn(tiny.fresh("cnn", 0), METHODS.get(name).build(params), tiny.task("cnn"), seed=1)


def sgd(model: nn.Module, **changes: float) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), **(SGD | changes))


def same(made: nn.Module, reference: nn.Module) -> None:
    for name, value in reference.state_dict().items():
        torch.testing.assert_close(made.state_dict()[name], value, rtol=1e-4, atol=1e-5, msg=name)


class TestSfron:
    """Its mask, its weighted ascent, and the two in turns."""

    PARAMS: ClassVar = SGD | {"epochs": 2, "forget_every": 3, "strength": 25.0}

    def reference(self, shown: list[Seen], steps: int) -> nn.Module:
        model = tiny.fresh("cnn", 0).eval()
        queue = iter(shown)
        forget, retain = self.fisher(model, queue, 1), self.fisher(model, queue, 4)
        mask = {n: (forget[n] + 1e-15) / (retain[n] + 1e-15) >= 1 for n in forget}
        optimizer = sgd(model)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        for step in range(steps):
            model.train()
            if step % 3 == 0:
                alpha = 25.0 * (1 + math.cos(math.pi * step / steps)) / 2
                optimizer.zero_grad()
                (-alpha * self.adaptive(model, next(queue))).backward()
                for name, weight in model.named_parameters():
                    weight.grad *= mask[name]
                nn.utils.clip_grad_norm_(model.parameters(), max_norm=7.0)
                optimizer.step()
            one = next(queue)
            optimizer.zero_grad()
            F.cross_entropy(model(one.x), one.y).backward()
            optimizer.step()
            cosine.step()
        assert next(queue, None) is None
        return model

    @staticmethod
    def fisher(model: nn.Module, queue: Iterator[Seen], count: int) -> dict[str, Tensor]:
        total = {name: torch.zeros_like(weight) for name, weight in model.named_parameters()}
        for _ in range(count):
            one = next(queue)
            assert not one.training
            model.zero_grad()
            F.cross_entropy(model(one.x), one.y).backward()
            for name, weight in model.named_parameters():
                total[name] += weight.grad**2 / count
        return total

    @staticmethod
    def adaptive(model: nn.Module, one: Seen) -> Tensor:
        losses = F.cross_entropy(model(one.x), one.y, reduction="none")
        share = 1 / (losses.detach() ** 0.5 + 1e-15)
        return (share / share.sum() * losses * len(losses)).mean()

    def test_it_is_the_authors(self, seen: list[Seen]) -> None:
        made = run("sfron", **self.PARAMS)
        assert len(seen) == 1 + 4 + 3 + 8
        same(made, self.reference(seen, 8))

    def test_ascents_touch_what_the_mask_lets_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bent: list[list[Tensor]] = []
        step = Task.step

        def watched(
            self: Task,
            optimizer: torch.optim.Optimizer,
            *given: object,
            bend: Callable[[], None] | None = None,
        ) -> None:
            step(self, optimizer, *given, bend=bend)  # type: ignore[arg-type]
            if bend:
                bent.append([weight.grad.clone() for weight in optimizer.param_groups[0]["params"]])

        monkeypatch.setattr(Task, "step", watched)
        method, task, model = (
            METHODS.get("sfron").build({"threshold": 3.0}),
            tiny.task("cnn"),
            tiny.fresh("cnn", 0),
        )
        masks = [mask.bool() for mask in method.masks(model, tiny.task("cnn")).values()]
        assert 0 < sum(int(mask.sum()) for mask in masks) < sum(mask.numel() for mask in masks)
        method.unlearn(model.train(), task)
        for gradients in bent:
            assert all(not gradient[~mask].any() for gradient, mask in zip(gradients, masks, strict=True))
            assert sum(float(gradient.square().sum()) for gradient in gradients) ** 0.5 <= 7.0 * (1 + 1e-5)
        assert len(bent) == 1

    def test_a_larger_threshold_masks_more(self) -> None:
        model = tiny.fresh("cnn", 0)
        sizes = [
            sum(
                float(mask.sum())
                for mask in METHODS.get("sfron")
                .build({"threshold": at})
                .masks(model, tiny.task("cnn"))
                .values()
            )
            for at in (0.1, 1.0, 10.0)
        ]
        assert sizes[0] > sizes[1] > sizes[2]

    def test_a_loss_of_nothing_does_not_take_all_the_weight(self) -> None:
        """With the authors' 1 / (0 + 1e-15) the gradient of all others would vanish."""

        class Sure(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.bias = nn.Parameter(torch.zeros(tiny.CLASSES))

            def forward(self, x: Tensor) -> Tensor:
                first = torch.zeros(len(x), 1)
                first[0] = 100.0
                return F.one_hot(torch.zeros(len(x), dtype=torch.long), tiny.CLASSES) * first + self.bias

        task, model = tiny.task("cnn"), Sure()
        batch = next(task.forget.batches(12, shuffle=False))
        assert int(batch.y[0]) == 0
        method = METHODS.get("sfron")()
        method.ascent(model, task, batch, 1.0).backward()
        assert model.bias.grad is not None
        assert model.bias.grad.norm() > 1e-6

    def test_1495_steps_on_the_split_of_the_benchmark(self) -> None:
        assert METHODS.get("sfron")().epochs * math.ceil(38_250 / 128) == 1_495


class TestMunba:
    """The bargain."""

    @staticmethod
    def weights(g1: Tensor, g2: Tensor, g3: Tensor) -> tuple[Tensor, Tensor]:
        """As released, 1e-8 and all."""
        first = torch.sqrt((g1 * g3 - g2 * torch.sqrt(g1 * g3)) / (g1 * g1 * g3 - g1 * g2 * g2 + 1e-8))
        return first, (1 - g1 * first * first) / (g2 * first + 1e-8)

    def reference(self, shown: list[Seen], epochs: int) -> nn.Module:
        model, queue = tiny.fresh("cnn", 0).train(), iter(shown)
        optimizer, weights = sgd(model), list(model.parameters())
        for _ in range(epochs):
            for step in range(4):
                optimizer.zero_grad()
                kept = next(queue)
                loss = F.cross_entropy(model(kept.x), kept.y)
                if step == 0:
                    lost = next(queue)
                    other = F.cross_entropy(model(lost.x), lost.y)
                    loss = self.bargain(loss, other, weights)
                loss.backward()
                if step == 0:
                    nn.utils.clip_grad_norm_(weights, 1.0)
                optimizer.step()
        assert next(queue, None) is None
        return model

    def bargain(self, retain: Tensor, forget: Tensor, weights: list[Tensor]) -> Tensor:
        grads = [
            torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights, retain_graph=True)])
            for loss in (retain, forget)
        ]
        g1, g2, g3 = grads[0] @ grads[0], grads[0] @ grads[1], grads[1] @ grads[1]
        a, b = self.weights(g1, g2, g3)
        assert min(a, b) > 0
        return a.detach() * retain + b.detach() * forget

    def test_it_is_the_authors(self, seen: list[Seen]) -> None:
        made = run("munba", **SGD, epochs=3)
        assert len(seen) == 3 * (4 + 1)
        same(made, self.reference(seen, 3))

    @pytest.mark.parametrize("seed", range(5))
    def test_its_weights_solve_the_bargain(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        matrix = torch.randn(50, 2, generator=generator) * 10 ** torch.randn(2, generator=generator)
        gram = matrix.T @ matrix
        found = torch.stack(nash(gram[0, 0], gram[0, 1], gram[1, 1]))
        torch.testing.assert_close(gram @ found, 1 / found, rtol=1e-4, atol=0)
        torch.testing.assert_close((matrix @ found).norm(), torch.tensor(2.0).sqrt())

    @pytest.mark.parametrize(
        ("products", "expected"),
        [
            ((4.0, 0.0, 9.0), (1 / 2, 1 / 3)),  # orthogonal: the released form divides by its 1e-8
            ((4.0, 6.0, 9.0), (1 / 8**0.5, 1 / 18**0.5)),  # parallel: 0 / 0 there
            ((1e-10, 0.0, 1e-10), (1e5, 1e5)),  # small: the 1e-8 would take over
            ((4.0, -6.0, 9.0), (1.0, 0.1)),  # opposed: nothing to bargain for
            ((0.0, 0.0, 9.0), (1.0, 0.1)),
            ((4.0, 0.0, 0.0), (1.0, 0.1)),
            ((4.0, -6.001, 9.0), (1.0, 0.1)),  # a negative radicand, by rounding
        ],
    )
    def test_where_the_released_form_has_no_answer(
        self, products: tuple[float, ...], expected: tuple[float, ...]
    ) -> None:
        found = nash(*(torch.tensor(product) for product in products))
        assert [float(weight) for weight in found] == pytest.approx(expected, rel=1e-4)

    def test_every_batch_is_used_where_there_is_more_to_forget(self, seen: list[Seen]) -> None:
        task = tiny.task("cnn")
        task.parts["retain"], task.parts["forget"] = task.forget, task.retain
        unlearn(tiny.fresh("cnn", 0), METHODS.get("munba").build({"epochs": 1}), task)
        assert len(seen) == 2 * 4

    def test_labels_are_of_all_classes_and_drawn_anew(self, seen: list[Seen]) -> None:
        run("munba", **SGD, epochs=4)
        drawn = torch.stack([one.y for one in seen[1::5]])
        assert set(drawn.flatten().tolist()) == set(range(tiny.CLASSES))
        assert len({tuple(row.tolist()) for row in drawn}) == 4


class TestDelete:
    """Distillation without the true class."""

    def test_it_is_the_authors(self, seen: list[Seen]) -> None:
        made = run("delete", **SGD, epochs=4)
        reference, teacher = tiny.fresh("cnn", 0).train(), tiny.fresh("cnn", 0).eval()
        optimizer, criterion = sgd(reference), nn.KLDivLoss(reduction="batchmean")
        assert [one.training for one in seen] == [False, True] * 4
        for looked, one in zip(seen[::2], seen[1::2], strict=True):
            assert torch.equal(looked.x, one.x)
            with torch.no_grad():
                target = teacher(one.x)
            target[torch.arange(len(one.y)), one.y] = -1e10
            optimizer.zero_grad()
            criterion(F.log_softmax(reference(one.x), dim=1), F.softmax(target, dim=1)).backward()
            optimizer.step()
        same(made, reference)

    @pytest.mark.parametrize("frozen", [True, False])
    def test_frozen_norm_keeps_statistics(self, frozen: bool) -> None:
        made, before = run("delete", frozen_norm=frozen), tiny.fresh("cnn", 0)
        assert torch.equal(made.bn1.running_mean, before.bn1.running_mean) == frozen
        assert made.bn1.training

    def test_says_so_where_no_class_is_removed(self) -> None:
        task, whole = tiny.task("cnn"), tiny.task("cnn")
        whole.parts["forget"] = whole.forget.of_classes(torch.tensor([2]))
        for one in (task, whole):
            unlearn(tiny.fresh("cnn", 0), METHODS.get("delete").build({"epochs": 1}), one)
        assert "whole classes" in task.warnings[0]
        assert not whole.warnings

    def test_a_class_goes_and_the_others_stay(self) -> None:
        gone = 1
        hyper, task = METHODS.get("ft").build({"epochs": 30, "batch_size": 64}), tiny.task("cnn")
        original = unlearn(tiny.fresh("cnn", 0), hyper, task).eval()
        task.parts["forget"] = task.train.of_classes(torch.tensor([gone]))
        hyper = METHODS.get("delete").build({"epochs": 60, "lr": 1e-3, "frozen_norm": True})
        made = unlearn(original, hyper, task)
        (batch,) = tiny.task("cnn").val.batches(64, shuffle=False, augment=False)
        assert torch.equal(original(batch.x).argmax(1), batch.y)
        answers, left = made(batch.x).argmax(1), batch.y != gone
        assert not (answers == gone).any()
        assert torch.equal(answers[left], batch.y[left])


class Alone(NamedTuple):
    """What the authors' search finds for one picture."""

    row: Tensor
    label: int
    radius: float


def pgd_l2(model: nn.Module, x: Tensor, y: Tensor, eps: float, steps: int) -> Alone:
    """The search of `pgdl2_modified.py` for a batch of one (1, C, H, W) in 0..1."""
    now, alpha = x.clone(), eps / 10
    while True:
        for _ in range(steps):
            now = now.detach().requires_grad_()
            logits = model((now - 0.5) / 0.25)
            if int(logits.argmax(1)) != int(y):
                return Alone(now.detach(), int(logits.argmax(1)), eps)
            (gradient,) = torch.autograd.grad(F.cross_entropy(logits, y), now)
            gradient = gradient / (gradient.norm() + 1e-10)
            off = now.detach() + alpha * gradient - x
            now = (x + off * torch.minimum(eps / off.norm(), torch.tensor(1.0))).clamp(0, 1)
        if int(model((now - 0.5) / 0.25).argmax(1)) == int(y):
            eps, alpha = eps * 2, eps * 2 / 10


class TestAmun:
    """Adversarial examples, and training with them."""

    HOW: ClassVar = {"steps": 10, "radius": 0.2}

    @staticmethod
    def inputs(rows: Tensor) -> Tensor:
        """Network input of pictures (n, H, W, C) in 0..255."""
        return ((rows / 255 - 0.5) / 0.25).permute(0, 3, 1, 2)

    @pytest.fixture
    def original(self) -> nn.Module:
        hyper = METHODS.get("ft").build({"epochs": 3, "batch_size": 64})
        return unlearn(tiny.fresh("cnn", 0), hyper, tiny.task("cnn")).eval()

    def test_the_search_is_the_authors(self, original: nn.Module) -> None:
        task = tiny.task("cnn")
        found = METHODS.get("amun").build(self.HOW).attack(original, task)
        clean = next(task.forget.batches(12, shuffle=False, augment=False)).rows / 255
        for number, (row, label) in enumerate(zip(clean, task.forget.labels, strict=True)):
            alone = pgd_l2(original, row.permute(2, 0, 1)[None], label[None], 0.2, 10)
            mine = found.rows[number].permute(2, 0, 1)[None] / 255
            torch.testing.assert_close(mine, alone.row, rtol=0, atol=1e-4)
            assert (int(found.labels[number]), float(found.radius[number])) == (
                alone.label,
                pytest.approx(alone.radius),
            )

    def test_examples_lie_in_their_balls_and_fool_the_original(self, original: nn.Module) -> None:
        task = tiny.task("cnn")
        found = METHODS.get("amun").build(self.HOW).attack(original, task)
        clean = next(task.forget.batches(12, shuffle=False, augment=False)).rows
        off = (found.rows - clean).flatten(1).norm(dim=1) / 255
        assert found.fooled.all()
        assert (off <= found.radius * (1 + 1e-5)).all()
        assert 0 <= found.rows.min() <= found.rows.max() <= 255
        assert torch.equal(original(self.inputs(found.rows)).argmax(1), found.labels)
        assert not (found.labels == task.forget.labels).any()
        right = original(self.inputs(clean.float())).argmax(1) == task.forget.labels
        assert int(right.sum()) > 0
        assert torch.equal(off > 0, right), "what is wrong already stays as it is"

    def test_a_model_that_looks_at_nothing_ends_the_search(self) -> None:
        class Blind(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.bias = nn.Parameter(torch.tensor([2.0, 1.0, 0.0]))

            def forward(self, x: Tensor) -> Tensor:
                return self.bias.expand(len(x), -1)

        task = tiny.task("cnn")
        found = METHODS.get("amun").build({"steps": 1}).attack(Blind(), task)
        there = task.forget.labels == 0
        assert torch.equal(found.fooled, ~there)
        assert torch.equal(found.labels, there.long()), "the likeliest wrong class"
        assert f"{int(there.sum())} of 12" in task.warnings[0]

    def test_pictures_of_floats_have_a_range_of_their_own(self, original: nn.Module) -> None:
        plain = tiny.pixels()
        scaled = Pixels(
            plain.images.float() / 255 * 6 - 3, plain.labels, tiny.CPU, mean=(0.0,) * 3, std=(1.5,) * 3
        )
        task, same_ = tiny.task("cnn"), tiny.task("cnn")
        task.parts["forget"] = tiny.part(scaled, tiny.PARTS["forget"], augment=False)
        method = METHODS.get("amun").build(self.HOW)
        found, usual = method.attack(original, task), method.attack(original, same_)
        assert found.rows.min() >= task.forget.pixels.images[48:60].min()
        assert found.rows.max() <= task.forget.pixels.images[48:60].max()
        assert torch.equal(found.labels, usual.labels)

    def test_training_is_the_authors(self, seen: list[Seen], monkeypatch: pytest.MonkeyPatch) -> None:
        made = run("amun", **SGD, **self.HOW, epochs=3, decay_every=2)
        steps = [one for one in seen if one.training]
        model = tiny.fresh("cnn", 0).train()
        optimizer = sgd(model)
        fall = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1)
        assert len(steps) == 3 * 6
        for number, one in enumerate(steps, 1):
            optimizer.zero_grad()
            F.cross_entropy(model(one.x), one.y).backward()
            optimizer.step()
            if number % 6 == 0:
                fall.step()
        same(made, model)

    def test_an_epoch_is_all_pictures_moved_and_the_examples_as_they_are(self, seen: list[Seen]) -> None:
        task, model = tiny.task("cnn"), tiny.fresh("cnn", 0)
        method = METHODS.get("amun").build(self.HOW | {"epochs": 1})
        found = method.attack(model, tiny.task("cnn"))
        seen.clear()
        unlearn(model, method, task)
        x, y = (torch.cat([getattr(one, name) for one in seen if one.training]) for name in ("x", "y"))
        assert len(x) == 48 + 12 + 12
        for row, label in zip(self.inputs(found.rows), found.labels, strict=True):
            at = (x - row).abs().flatten(1).amax(1) < 1e-5
            assert label in y[at]
        clean = self.inputs(next(task.forget.batches(12, shuffle=False, augment=False)).rows.float())
        moved = sum(bool(((x - row).abs().flatten(1).amax(1) < 1e-5).any()) for row in clean)
        assert moved < 12, "the others are augmented"


class TestNatmu:
    """Hybrids."""

    @staticmethod
    def masks(delta: float, size: int = 32) -> np.ndarray:
        """The loop of `generate_mask_cifar`, for one channel."""
        mask = np.zeros((4, size, size), dtype=np.float32)
        b = size // 2
        for i in range(2):
            for j in range(b):
                up, down = j / b, (b - 1) / b - j / b
                first, second = (up, down) if i % 2 == 0 else (down, up)
                mask[0, i * b + j, :] = mask[1, :, i * b + j] = first
                mask[2, i * b + j, :] = mask[3, :, i * b + j] = second
        return np.clip(mask + delta, 0, 1)

    @pytest.mark.parametrize(("size", "delta"), [(32, -0.19), (64, 0.045), (8, 0.3), (32, -0.5)])
    def test_masks_are_the_authors(self, size: int, delta: float) -> None:
        found = waves(size, size, delta)[..., 0].numpy()
        np.testing.assert_allclose(found, self.masks(delta, size), atol=1e-6)

    @pytest.mark.parametrize(("height", "width"), [(7, 8), (28, 9), (1, 2), (224, 224)])
    def test_masks_of_any_size_are_shares(self, height: int, width: int) -> None:
        found = waves(height, width, -0.19)
        assert found.shape == (4, height, width, 1)
        assert 0 <= found.min() <= found.max() <= 1

    def hybrids(self, task: Task, method: object, classes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rows and labels of the hybrids, and the places of their retained pictures by the same draw."""
        part = method.blended(task, classes)  # type: ignore[attr-defined]
        (batch,) = part.batches(1000, shuffle=False, augment=False)
        again = drawn(classes.flatten(), task.retain.labels, tiny.task("cnn").stream("partners"))
        return batch.rows[48:], batch.y[48:], again

    def test_hybrids_are_the_authors(self) -> None:
        task, method = tiny.task("cnn"), METHODS.get("natmu").build({"shift": 0.1})
        rng = torch.Generator().manual_seed(0)
        classes = (task.forget.labels[:, None] + torch.randint(1, 3, (12, 4), generator=rng)) % 3
        rows, labels, places = self.hybrids(task, method, classes)
        images = task.retain.pixels.images.numpy()
        mask = np.tile(self.masks(0.1, tiny.SIZE), (12, 1, 1))[..., None]
        forget = np.repeat(images[48:60], 4, axis=0).astype(np.float32)
        retain = images[:48][places.numpy()].astype(np.float32)
        patched = np.clip(retain * (1 - mask) + forget * mask, 0, 255).astype(np.uint8)
        assert np.abs(rows.numpy() - patched).max() <= 1, "a rounding of the same number"
        assert (rows.numpy() != patched).mean() < 0.01
        assert torch.equal(rows, rows.floor())
        assert torch.equal(labels, task.retain.labels[places])
        assert torch.equal(labels, classes.flatten())

    def test_a_retained_picture_serves_once_while_its_class_lasts(self) -> None:
        labels = torch.arange(48) % 3
        wanted = torch.tensor([0] * 16 + [1] * 40 + [2] * 3)[torch.randperm(59)]
        places = drawn(wanted, labels, torch.Generator().manual_seed(1))
        assert torch.equal(labels[places], wanted)
        uses = torch.bincount(places, minlength=48)
        assert (uses[labels == 0] == 1).all()
        assert set(uses[labels == 1].tolist()) == {2, 3}
        assert int(uses[labels == 2].max()) == 1

    def test_classes_are_the_likeliest_wrong_ones_that_are_left(self) -> None:
        class Fixed(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.logits = nn.Parameter(torch.tensor([0.0, 5.0, 1.0, 4.0, 3.0, 2.0]))

            def forward(self, x: Tensor) -> Tensor:
                return self.logits.expand(len(x), -1)

        task = tiny.task("cnn")
        task.classes = 6
        for part, labels in ((task.retain, torch.arange(48) % 6), (task.forget, torch.arange(12) % 6)):
            part.labels = labels
        by_authors = Fixed().logits.softmax(0)
        for label, found in zip(task.forget.labels.tolist(), others(Fixed(), task), strict=True):
            mask = torch.ones(6)
            mask[label] = 0
            assert torch.equal(found, torch.topk(by_authors * mask, k=4)[1])
        task.retain.labels = task.retain.labels % 3  # classes 3 to 5 are gone
        found = others(Fixed(), task)
        assert found[0].tolist() == [1, 2, 1, 2]
        assert found[3].tolist() == [1, 2, 0, 1]

    def test_refuses_where_no_other_class_is_left(self) -> None:
        task = tiny.task("cnn")
        task.parts["retain"] = task.retain.of_classes(torch.tensor([1]))
        with pytest.raises(UsageFailure, match="natmu"):
            unlearn(tiny.fresh("cnn", 0), "natmu", task)

    def test_training_is_the_authors(self, seen: list[Seen]) -> None:
        made = run("natmu", epochs=2, lr=2e-3)
        steps = [one for one in seen if one.training]
        model = tiny.fresh("cnn", 0).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=2e-3)
        total = 2 * 8
        assert len(steps) == total
        fall = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lr_lambda=lambda x: math.cos(x / total * math.pi) / 2 + 0.5
        )  # of x + 1 in their code, whose last step has a rate of 0
        for one in steps:
            optimizer.zero_grad()
            F.cross_entropy(model(one.x), one.y).backward()
            optimizer.step()
            fall.step()
        same(made, model)
