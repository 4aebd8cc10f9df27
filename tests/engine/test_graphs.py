"""Steps as graphs: what is recorded when, what a replay reads, and what it counts."""

from __future__ import annotations

from functools import partial

import pytest
import tiny
import torch
from recorder import OnPaper, rates_as_tensors, recorded
from torch import Tensor, nn

from deepunlearn_cli.engine.graphs import KINDS, WARM
from deepunlearn_cli.engine.identity import identity
from deepunlearn_cli.engine.optimizers import forget_momentum
from deepunlearn_cli.engine.pictures import Batch
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.methods import METHODS

HYPER = METHODS.get("ft").build({"lr": 0.05})


class Scene:
    """A task, a model and an optimiser, with or without a recorder."""

    def __init__(self, *, paper: bool = True) -> None:
        self.task: Task = tiny.task("cnn", ("retain", "forget"))
        self.paper: OnPaper | None = recorded(self.task) if paper else None
        self.model = tiny.fresh("cnn", 0).train()
        self.optimizer = self.task.sgd(self.model, HYPER)

    def counts(self) -> tuple[float, float, float]:
        graphs = self.task.graphs
        assert graphs
        return graphs.counts["eager"], graphs.counts["recorded"], graphs.counts["replayed"]

    def steps(self, count: int, size: int = 16) -> None:
        """Steps on retain batches, the learning rate falling."""
        loss = partial(self.task.loss, self.model)
        for _, batch in zip(range(count), self.task.retain.endless(size), strict=False):
            self.task.step(self.optimizer, loss, batch)


@pytest.fixture(autouse=True)
def tensors(monkeypatch):
    rates_as_tensors(monkeypatch)


def test_a_few_steps_run_then_one_is_recorded_and_all_are_replayed():
    scene = Scene()
    scene.steps(WARM)
    assert scene.counts() == (WARM, 0, 0)
    scene.steps(5)
    assert scene.counts() == (WARM, 1, 5)


def test_replays_are_the_steps_to_the_bit_work_losses_and_all():
    plain, replayed = Scene(paper=False), Scene()
    for scene in (plain, replayed):
        for epoch in scene.task.epochs(3, scene.optimizer, lambda epoch, epochs: 1 - epoch / epochs):
            scene.steps(4 + epoch)
    assert replayed.counts() == (WARM, 1, 4 + 5 + 6 - WARM)
    assert tiny.same(tiny.weights(plain.model), tiny.weights(replayed.model))
    assert plain.task.cost.counted() == replayed.task.cost.counted() == (15 * 16, 15 * 16)
    assert plain.task.log == replayed.task.log


def test_batches_of_another_size_are_recorded_apart():
    scene = Scene()
    scene.steps(3 * 2 * WARM, size=32)  # 48 pictures: 24 and 24; then 16 a batch
    assert scene.counts()[1] == 1
    scene.steps(WARM + 1, size=16)
    assert scene.counts()[1] == 2


def test_all_that_is_given_reaches_a_replay_numbers_too():
    results = []
    for paper in (False, True):
        scene = Scene(paper=paper)

        def loss(shown: Batch, labels: Tensor, share: float, scene: Scene = scene) -> Tensor:
            return share * scene.task.loss(scene.model, shown, labels)

        for number, batch in zip(range(WARM + 4), scene.task.retain.endless(16), strict=False):
            labels = (batch.y + number) % tiny.CLASSES
            scene.task.step(scene.optimizer, loss, batch, labels, 1 / (number + 1))
        results.append(tiny.weights(scene.model))
    assert tiny.same(*results)


def test_what_bends_gradients_is_part_of_the_step():
    results = []
    for paper in (False, True):
        scene = Scene(paper=paper)
        strength = torch.zeros(())

        def bend(model: nn.Module = scene.model, strength: Tensor = strength) -> None:
            for weight in model.parameters():
                weight.grad.add_(weight.detach() * strength)

        for number, batch in zip(range(WARM + 4), scene.task.retain.endless(16), strict=False):
            strength.fill_(number)
            scene.task.step(scene.optimizer, partial(scene.task.loss, scene.model), batch, bend=bend)
        results.append(tiny.weights(scene.model))
    assert tiny.same(*results)


@pytest.mark.parametrize("change", ["weights", "mode", "state", "rate", "momentum"])
def test_what_a_step_works_on_has_changed_and_it_is_recorded_anew(change):
    scene = Scene()
    scene.steps(WARM + 1)
    if change == "weights":
        scene.model.conv1.requires_grad_(False)
    elif change == "mode":
        scene.model.bn1.eval()
    elif change == "state":
        scene.optimizer.state.clear()
    elif change == "rate":
        scene.optimizer.param_groups[0]["lr"] = 0.01  # a number: a graph would keep it
    else:
        scene.optimizer.param_groups[0]["momentum"] = 0.5
    scene.steps(WARM)
    assert scene.counts() == (2 * WARM, 1, 1)
    scene.steps(1)
    assert scene.counts() == (2 * WARM, 2, 2)


def test_momentum_is_forgotten_in_place_and_nothing_is_recorded_anew():
    results = []
    for forget in (lambda optimizer: optimizer.state.clear(), forget_momentum):
        scene = Scene(paper=forget is forget_momentum)
        scene.steps(WARM + 2)
        forget(scene.optimizer)
        scene.steps(4)
        results.append(tiny.weights(scene.model))
    assert scene.counts() == (WARM, 1, 6)
    assert tiny.same(*results)


@pytest.mark.parametrize("how", ["fails", "waits"])
def test_what_cannot_be_recorded_goes_on_step_by_step_and_says_so_once(how):
    scene, plain = Scene(), Scene(paper=False)
    assert scene.paper
    if how == "fails":
        scene.paper.broken = RuntimeError("operation not permitted\nwhen stream is capturing")
    else:
        scene.paper.waits.append("called a synchronizing CUDA operation")
    for one in (scene, plain):
        one.steps(WARM + 3, size=16)
        one.steps(WARM + 3, size=8)
    assert scene.counts() == (2 * (WARM + 3), 0, 0)
    assert len(scene.task.warnings) == 1
    assert "CUDA graph" in scene.task.warnings[0]
    assert tiny.same(tiny.weights(scene.model), tiny.weights(plain.model))
    assert scene.task.cost.counted() == plain.task.cost.counted()


class TestIdentity:
    """When two functions are the same step."""

    def test_the_same_lambda_over_the_same_things_whenever_it_was_made(self):
        scene = Scene()
        for batch in scene.task.retain.batches(6):  # 8 batches
            scene.task.step(scene.optimizer, lambda shown: scene.task.loss(scene.model, shown), batch)
        assert scene.counts() == (WARM, 1, 8 - WARM)

    def test_a_number_that_is_closed_over_is_told_from_another(self):
        def scaled(share: float) -> object:
            return lambda value: share * value

        assert identity(scaled(0.5)) == identity(scaled(0.5)) != identity(scaled(0.25))
        assert identity(scaled(1)) != identity(scaled(1.0)), "the arithmetic differs"
        assert identity(partial(max, 1)) == identity(partial(max, 1)) != identity(partial(max, 2))

    def test_a_tensor_is_itself_and_no_other(self):
        one, other = torch.ones(2), torch.ones(2)
        assert identity(partial(torch.add, one)) == identity(partial(torch.add, one))
        assert identity(partial(torch.add, one)) != identity(partial(torch.add, other))

    def test_methods_of_one_object_are_the_same_each_time_they_are_looked_up(self):
        task, other = tiny.task(), tiny.task()
        assert identity(task.loss) == identity(task.loss) != identity(other.loss)

    def test_a_function_that_closes_over_itself_has_one(self):
        def again(number: int) -> int:
            return again(number - 1) if number else 0

        assert identity(again) == identity(again)

    def test_only_so_many_are_remembered(self):
        scene = Scene()
        for number, batch in zip(range(KINDS + 9), scene.task.retain.endless(16), strict=False):
            share = float(number)
            scene.task.step(
                scene.optimizer, lambda shown, s=share: s * scene.task.loss(scene.model, shown), batch
            )
        assert scene.task.graphs
        assert len(scene.task.graphs._kinds) == KINDS
        assert scene.counts() == (KINDS + 9, 0, 0)
