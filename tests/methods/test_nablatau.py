"""nabla-tau (Trippa et al. 2024, arXiv 2403.14339): what its paper's scenarios and its traps ask for."""

from __future__ import annotations

import math

import pytest
import tiny
import torch

from deepunlearn_cli import unlearn
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.engine import predict
from deepunlearn_cli.engine.pictures import Pictures
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.methods import METHODS, Sizes

NABLA = METHODS.get("nablatau")
CIFAR_TRAINING = 50_000  # the authors' split: all of them, and validation is half of the test pictures


def sizes(share: float) -> Sizes:
    forget = round(CIFAR_TRAINING * share)
    return Sizes(CIFAR_TRAINING - forget, forget, 5_000, 10)


@pytest.mark.parametrize(
    ("share", "rounds", "alpha"), [(0.03, 95, 0.05), (0.15, 16, 0.25), (0.30, 6, 0.5), (0.1, 26, 1 / 6)]
)
def test_the_paper_s_scenarios(share, rounds, alpha):
    """3, 15 and 30 % at random, and a class of CIFAR-10 (10 %): budget and weight of the ascent."""
    nabla, n = NABLA(), sizes(share)
    assert nabla.rounds(n) == rounds
    assert nabla.alpha(0, rounds, n.forget / n.training) == pytest.approx(alpha)
    assert nabla.alpha(rounds - 1, rounds, share) == pytest.approx(alpha / rounds)


@pytest.mark.parametrize("share", [0.03, 0.15, 0.3, 0.5])
def test_the_budget_is_six_epochs_of_batches_whatever_the_size(share):
    """int() leaves up to one round of batches unused."""
    n = sizes(share)
    forget, retain = math.ceil(n.forget / 256), math.ceil(n.retain / 256)
    steps = NABLA().rounds(n) * forget
    assert 6 * retain - 2 * forget < 2 * steps <= 6 * retain


@pytest.mark.parametrize(("retain", "forget"), [(100, 900), (100, 1_000), (64, 64 * 40)])
def test_more_to_forget_than_to_retain_is_one_round(retain, forget):
    """The authors' code divides by zero where forget batches outnumber retain batches."""
    assert NABLA.build({"batch_size": 64}).rounds(Sizes(retain, forget, 50, 10)) >= 1


def test_more_to_forget_than_to_retain_runs():
    task = tiny.task("cnn")
    task.parts["retain"], task.parts["forget"] = task.forget, task.retain  # 12 to retain, 48 to forget
    after = tiny.weights(unlearn(tiny.fresh("cnn", 0), NABLA(), task))
    assert all(value.isfinite().all() for value in after.values())
    assert task.log[0]["alpha"] == 1.0  # 5/3 of 80 %, clamped


def test_forget_batches_and_the_validation_loss_see_plain_pictures(monkeypatch: pytest.MonkeyPatch):
    """Trap 2: augmented forget pictures have a higher loss and switch the ascent off."""
    seen: set[tuple[int, bool | None]] = set()
    batches = Pictures.batches

    def watched(self, size, *, shuffle=True, augment=None):
        seen.add((len(self), self.augment if augment is None else augment))
        return batches(self, size, shuffle=shuffle, augment=augment)

    monkeypatch.setattr(Pictures, "batches", watched)
    task = tiny.task("cnn")
    assert all(part.moving for part in task.parts.values())
    unlearn(tiny.fresh("cnn", 0), NABLA(), task)
    assert seen == {(48, False), (12, False)}


def test_the_validation_loss_is_looked_up_every_five_passes(monkeypatch: pytest.MonkeyPatch):
    looked = []

    def counted(model, part, task):
        looked.append(len(task.log))
        return torch.tensor(10.0)

    monkeypatch.setattr(predict, "mean_loss", counted)
    task = tiny.task("cnn")
    unlearn(tiny.fresh("cnn", 0), NABLA.build({"epochs": 24, "batch_size": 64}), task)
    assert len(task.log) == 12
    assert looked == [0, 5, 10]


def test_the_log_says_how_often_the_ascent_acted(monkeypatch: pytest.MonkeyPatch):
    bounds = iter([1e3, -1.0])
    monkeypatch.setattr(predict, "mean_loss", lambda model, part, task: torch.tensor(next(bounds)))
    task = tiny.task("cnn")
    unlearn(tiny.fresh("cnn", 0), NABLA.build({"epochs": 20, "lr": 1e-5}), task)
    assert [entry["ascent_active"] for entry in task.log] == [1.0] * 5 + [0.0] * 5
    assert [entry["val_loss"] for entry in task.log] == [1e3] * 5 + [-1.0] * 5
    assert [entry["alpha"] for entry in task.log][:2] == pytest.approx([1 / 3, 0.3])
    assert task.facts["ascent_active_share"] == 0.5
    assert not task.warnings


def test_an_ascent_that_never_acts_is_warned_of():
    """Trap 1: an original that was trained on the validation pictures too."""
    task = tiny.task("cnn")
    model = tiny.fresh("cnn", 0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    shown = next(task.val.batches(100, shuffle=False, augment=False))
    for _ in range(30):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model.train()(shown.x), shown.y).backward()
        optimizer.step()
    task.parts["forget"] = tiny.part(tiny.pixels(), range(12), name="forget")
    unlearn(model, NABLA.build({"lr": 1e-5}), task)
    shares = [entry["ascent_active"] for entry in task.log]
    assert shares == [0.0] * len(shares)
    assert "never acted" in task.warnings[0]


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_norm_says_in_which_mode_the_network_trains(frozen, monkeypatch: pytest.MonkeyPatch):
    modes = set()
    forward = Task.forward

    def watched(self, network, batch):
        if torch.is_grad_enabled():
            modes.add(network.training)
        return forward(self, network, batch)

    monkeypatch.setattr(Task, "forward", watched)
    unlearn(tiny.fresh("cnn", 0), NABLA.build({"frozen_norm": frozen}), tiny.task("cnn"))
    assert modes == {not frozen}


def test_without_validation_pictures_it_is_refused():
    task = tiny.task("cnn")
    task.parts["val"] = tiny.part(tiny.pixels(), range(0), name="val")
    with pytest.raises(UsageFailure, match="val set, which holds no picture") as failure:
        unlearn(tiny.fresh("cnn", 0), NABLA(), task)
    assert "--val-share" in failure.value.hint
