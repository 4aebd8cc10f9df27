"""Methods beside the arithmetic of their authors' code, written anew, on the batches that they themselves took."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence

import pytest
import tiny
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepunlearn_cli import unlearn
from deepunlearn_cli.core.errors import RunFailed
from deepunlearn_cli.engine.pictures import Batch, Pictures
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.methods import METHODS, Sizes

Shown = tuple[Tensor, Tensor]  # pictures (B, C, H, W), labels (B,)


@pytest.fixture(autouse=True)
def tracked() -> None:
    """What tiny tasks train once is trained: its steps are none of a method's."""
    for kind in tiny.MODELS:
        tiny.tracked(kind, 0)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    """The batches that a model or a teacher was shown, in order."""
    batches: list[Batch] = []
    forward = Task.forward
    monkeypatch.setattr(Task, "forward", lambda self, m, b: (batches.append(b), forward(self, m, b))[1])
    return batches


@pytest.fixture
def stepped(monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    """The batches that steps were taken on, in order."""
    batches: list[Batch] = []
    step = Task.step

    def watched(
        self: Task, optimizer: torch.optim.Optimizer, loss: Callable[..., Tensor], batch: Batch
    ) -> None:
        batches.append(batch)
        step(self, optimizer, loss, batch)

    monkeypatch.setattr(Task, "step", watched)
    return batches


def shown(batches: Iterable[Batch]) -> list[Shown]:
    return [(batch.x, batch.y) for batch in batches]


def plain(kind: str = "cnn") -> nn.Module:
    """An original without anything random in it."""
    model = tiny.fresh(kind, 0)
    for module in model.modules():
        if hasattr(module, "drop_prob"):
            module.drop_prob = 0.0
    return model


def assert_same(made: nn.Module, theirs: nn.Module, original: nn.Module) -> None:
    """The weights differ by less than 1e-4 of the way that theirs went from the original; so do statistics."""
    for kept in (nn.Module.parameters, nn.Module.buffers):
        ours, reference, start = (flat(kept(model)) for model in (made, theirs, original))
        way = float((reference - start).norm())
        assert float((ours - reference).norm()) <= 1e-4 * way, way


def flat(values: Iterable[Tensor]) -> Tensor:
    return torch.cat([torch.zeros(1), *(value.detach().float().flatten() for value in values)])


class TestSSD:
    """`ssd.py` and the loaders of `forget_random_main.py` and `forget_full_class_main.py`.

    (if-loops/selective-synaptic-dampening, commit cdfdc0e.)
    """

    def importance(self, model: nn.Module, loader: Sequence[Shown]) -> list[Tensor]:
        """`ParameterPerturber.calc_importance`."""
        importances = [torch.zeros_like(p) for p in model.parameters()]
        for x, y in loader:
            model.zero_grad()
            nn.CrossEntropyLoss()(model(x), y).backward()
            for p, imp in zip(model.parameters(), importances, strict=True):
                assert p.grad is not None
                imp += p.grad.pow(2)
        return [imp / float(len(loader)) for imp in importances]

    def dampened(
        self, model: nn.Module, forget: Sequence[Shown], full: Sequence[Shown], alpha: float
    ) -> nn.Module:
        """`ParameterPerturber.modify_weight`."""
        model = copy.deepcopy(model).eval()
        importances = self.importance(model, full), self.importance(model, forget)
        with torch.no_grad():
            for p, oimp, fimp in zip(model.parameters(), *importances, strict=True):
                locations = torch.where(fimp > oimp * alpha)
                update = (oimp / fimp)[locations]
                update[update > 1] = 1
                p[locations] = p[locations].mul(update)
        return model

    def task(self, forget: int, retain: int = 240, labels: Tensor | None = None) -> Task:
        """The first pictures are retained, the last forgotten."""
        task, pixels = tiny.task("cnn"), tiny.pixels(retain + forget)
        if labels is not None:
            pixels.labels = labels
        parts = {"retain": range(retain), "forget": range(retain, retain + forget)}
        task.parts = {name: tiny.part(pixels, where, 0, name) for name, where in parts.items()}
        return task

    def every(self, seen: list[Batch], forget: int) -> list[Batch]:
        """Batches of the importance for all training data: those after the forget set's."""
        (last,) = (n for n in range(len(seen)) if sum(len(b.y) for b in seen[: n + 1]) == forget)
        return seen[last + 1 :]

    @pytest.mark.parametrize("alpha", [1.0, 2.0])
    @pytest.mark.parametrize("forget", [12, 61, 122, 200])
    def test_weights_are_theirs(self, seen: list[Batch], forget: int, alpha: float) -> None:
        original = plain()
        made = unlearn(original, METHODS.get("ssd").build({"alpha": alpha}), self.task(forget))
        every = self.every(seen, forget)
        theirs = self.dampened(original, shown(seen[: -len(every)]), shown(every), alpha)
        assert_same(made, theirs, original)

    @pytest.mark.parametrize("forget", [1, 61, 122, 200])
    def test_every_picture_counts_once_and_the_forgotten_last(self, seen: list[Batch], forget: int) -> None:
        ssd, task = METHODS.get("ssd").build({"alpha": 1.0}), self.task(forget)
        unlearn(plain(), ssd, task)
        every = torch.cat([batch.picked for batch in self.every(seen, forget)])
        assert sorted(every.tolist()) == list(range(240 + forget))
        assert every[240:].tolist() == list(range(240, 240 + forget))
        assert task.cost.forward == ssd.work(Sizes(240, forget, 0, tiny.CLASSES))

    def test_batches_are_whole_but_the_last(self, seen: list[Batch]) -> None:
        """As of a `DataLoader` without `drop_last`; a large forget set is cut equally, which theirs is not."""
        unlearn(plain(), METHODS.get("ssd").build({"alpha": 1.0}), self.task(136))
        assert [len(batch.y) for batch in seen] == [68, 68, 128, 128, 120]

    @pytest.mark.parametrize("given", ["mixed", "by class"])
    def test_retained_pictures_are_mixed(self, seen: list[Batch], given: str) -> None:
        """Whatever the order they come in: a folder's is by class."""
        labels = torch.arange(301) % 3 if given == "mixed" else torch.arange(301) * 3 // 301
        labels[240:] = torch.arange(61) % 3
        unlearn(plain(), METHODS.get("ssd").build({"alpha": 1.0}), self.task(61, labels=labels))
        for batch in self.every(seen, 61)[:-1]:
            assert batch.y.bincount(minlength=3).min() > 20

    def test_they_come_by_class_where_whole_classes_go(self, seen: list[Batch]) -> None:
        labels = torch.arange(301) % 2
        labels[240:] = 2
        unlearn(plain(), METHODS.get("ssd").build({"alpha": 1.0}), self.task(61, labels=labels))
        order = torch.cat([batch.y for batch in self.every(seen, 61)])
        assert order.tolist() == sorted(order.tolist())

    def test_to_select_nothing_is_a_failure_that_says_what_to_do(self) -> None:
        with pytest.raises(RunFailed, match="no weight matters 3 times more") as caught:
            unlearn(plain(), METHODS.get("ssd").build({"alpha": 3.0}), self.task(128, retain=128))
        assert "alpha" in caught.value.hint


class TestScrub:
    """`train_distill`, `adjust_learning_rate`, `DistillKL`, and the settings in `BadT_experiments.ipynb`.

    (meghdadk/SCRUB, commit 98ffb11.)
    """

    EPOCHS, MAX_STEPS, GAMMA, ALPHA, T, RATE = 3, 2, 0.99, 0.001, 4, 5e-4
    MILESTONES, FALL = (3, 5, 9), 0.1

    def kd(self, student: Tensor, teacher: Tensor) -> Tensor:
        """`DistillKL.forward`."""
        log, target = F.log_softmax(student / self.T, dim=1), F.softmax(teacher / self.T, dim=1)
        return F.kl_div(log, target, reduction="sum") * self.T**2 / len(student)

    def scrubbed(self, teacher: nn.Module, batches: Iterator[Shown], forget: int, retain: int) -> nn.Module:
        """The notebook's `scrub`, in as many steps an epoch."""
        student, teacher = copy.deepcopy(teacher).train(), copy.deepcopy(teacher).eval()
        optimizer = torch.optim.SGD(student.parameters(), lr=self.RATE, momentum=0.9, weight_decay=5e-4)
        for epoch in range(1, self.EPOCHS + 1):
            for group in optimizer.param_groups:
                group["lr"] = self.RATE * self.FALL ** sum(epoch > m for m in self.MILESTONES)
            split = ["maximize"] * forget * (epoch <= self.MAX_STEPS) + ["minimize"] * retain
            for kind in split:
                x, y = next(batches)
                logits = student(x)
                with torch.no_grad():
                    target = teacher(x)
                div = self.kd(logits, target)
                keep = self.GAMMA * F.cross_entropy(logits, y) + self.ALPHA * div
                loss = -div if kind == "maximize" else keep
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return student

    def test_weights_are_theirs(self, stepped: list[Batch]) -> None:
        original, task = plain(), tiny.task("cnn")
        task.parts["retain"] = tiny.part(tiny.pixels(400), range(300))
        made = unlearn(original, METHODS.get("scrub")(), task)
        theirs = self.scrubbed(original, iter(shown(stepped)), forget=1, retain=3)
        assert len(stepped) == self.MAX_STEPS + 3 * self.EPOCHS
        assert_same(made, theirs, original)
        assert [line["lr"] for line in task.log] == pytest.approx([self.RATE] * 3)


LAST = {"cnn": ("layer3", "fc"), "vit": ("blocks.1", "norm", "fc_norm", "head")}


class TestTails:
    """`cfk_unlearn`, `euk_unlearn`, `fk_fientune` and `train_vanilla`, settings of `MIA_experiments.ipynb`.

    (meghdadk/SCRUB, commit 98ffb11.) That notebook trains the last block and not the classifier, in train mode
    throughout; that the classifier learns, and that what is frozen keeps its statistics, is Goel et al.'s
    definition, and all that differs.
    """

    RATE, EPOCHS = 0.01, 10

    def tuned(self, model: nn.Module, batches: Iterable[Shown], last: Sequence[str]) -> nn.Module:
        """`fk_fientune`: SGD with nothing but a rate, whose milestones 10, 15 and 20 no epoch exceeds."""
        model = copy.deepcopy(model).eval()
        for param in model.parameters():
            param.requires_grad_(False)
        for part in map(model.get_submodule, last):
            part.train().requires_grad_(True)
        optimizer = torch.optim.SGD(model.parameters(), lr=self.RATE, weight_decay=0.0)
        for x, y in batches:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return model

    @pytest.mark.parametrize("kind", tiny.MODELS)
    def test_cfk_goes_their_way(self, kind: str, stepped: list[Batch]) -> None:
        original = plain(kind)
        made = unlearn(original, METHODS.get("cfk")(), self.task(kind))
        assert [len(batch.y) for batch in stepped] == [50, 50] * self.EPOCHS
        assert_same(made, self.tuned(original, shown(stepped), LAST[kind]), original)

    @pytest.mark.parametrize("kind", tiny.MODELS)
    def test_euk_goes_their_way_from_new_weights(self, kind: str, stepped: list[Batch]) -> None:
        original, task = plain(kind), self.task(kind)
        made = unlearn(original, METHODS.get("euk")(), task)
        renewed, fresh = copy.deepcopy(original), task.fresh("reset")
        for name in LAST[kind]:
            renewed.get_submodule(name).load_state_dict(fresh.get_submodule(name).state_dict())
        assert len(stepped) == 2 * self.EPOCHS
        assert_same(made, self.tuned(renewed, shown(stepped), LAST[kind]), renewed)

    def task(self, kind: str) -> Task:
        """Two batches of at most 64 pictures an epoch."""
        task = tiny.task(kind)
        task.parts["retain"] = tiny.part(tiny.pixels(100), range(100))
        return task


class TestFisher:
    """`hessian` and `get_mean_var` of `Forgetting.ipynb`.

    (AdityaGolatkar/SelectiveForgetting, commit 4c02825; the same in meghdadk/SCRUB's notebooks.)
    """

    ALPHA, GONE = 1e-6, 2

    def information(self, model: nn.Module, retain: Pictures) -> list[Tensor]:
        """`hessian`, of single samples."""
        total = [torch.zeros_like(p) for p in model.parameters()]
        for x, _ in shown(retain.batches(1, shuffle=False, augment=False)):
            output = model(x)
            prob = F.softmax(output, dim=-1).detach()
            for y in range(output.shape[1]):
                model.zero_grad()
                F.cross_entropy(output, torch.tensor([y])).backward(retain_graph=True)
                for grad2_acc, p in zip(total, model.parameters(), strict=True):
                    assert p.grad is not None
                    grad2_acc += prob[0, y] * p.grad.pow(2)
        return [grad2_acc / len(retain) for grad2_acc in total]

    def mean_var(self, p: Tensor, grad2_acc: Tensor, class_to_forget: int | None) -> tuple[Tensor, Tensor]:
        """`get_mean_var`, statement by statement."""
        var = (1.0 / (grad2_acc + 1e-8)).clamp(max=1e3)
        if p.size(0) == tiny.CLASSES:
            var = var.clamp(max=1e2)
        var = self.ALPHA * var
        if p.ndim > 1:
            var = var.mean(dim=1, keepdim=True).expand_as(p).clone()
        mu = p.detach().clone()
        if p.size(0) == tiny.CLASSES and class_to_forget is not None:
            mu[class_to_forget] = 0
            var[class_to_forget] = 0.0001
        if p.size(0) == tiny.CLASSES or p.ndim == 1:
            var *= 10
        return mu, var

    def noisy(self, original: nn.Module, task: Task, class_to_forget: int | None) -> nn.Module:
        model, noise = copy.deepcopy(original).eval(), task.stream("noise")
        known = self.information(model, task.retain)
        for p, grad2_acc in zip(model.parameters(), known, strict=True):
            mu, var = self.mean_var(p, grad2_acc, class_to_forget)
            p.data = mu + var.sqrt() * torch.randn(p.shape, generator=noise)
        return model

    def without(self, gone: int | None) -> Task:
        task = tiny.task("cnn")
        if gone is not None:
            task.parts["retain"] = task.retain.pick(torch.where(task.retain.labels != gone)[0])
        return task

    @pytest.mark.parametrize("gone", [None, GONE])
    def test_weights_are_theirs(self, gone: int | None) -> None:
        original = plain()
        made = unlearn(original, METHODS.get("ff").build({"alpha": self.ALPHA}), self.without(gone))
        assert_same(made, self.noisy(original, self.without(gone), gone), original)

    def test_the_row_of_a_class_that_is_gone_is_as_loud_as_theirs(self) -> None:
        ff, rows = METHODS.get("ff")(), torch.tensor([False, False, True])
        variance = ff.variance(torch.ones(3, 4), head=True, gone=rows)
        torch.testing.assert_close(variance[2], torch.full((4,), 1e-3))
        torch.testing.assert_close(variance[:2], torch.full((2, 4), 10 * ff.alpha))
