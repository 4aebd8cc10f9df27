"""Faults planted into a sound method: for each, the question that is there for it fails."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from deepunlearn_cli.exam import knobs
from deepunlearn_cli.exam.answers import Answer
from deepunlearn_cli.exam.candidate import Candidate
from deepunlearn_cli.exam.paper import QUESTIONS, ask, examine
from deepunlearn_cli.methods import METHODS

SOUND = '''
from dataclasses import dataclass
from itertools import islice
import random
import time

import numpy as np
import torch
from torch.nn import functional as F

from deepunlearn_cli.core.fields import choice, flag, real, whole
from deepunlearn_cli.methods import Method


@dataclass(frozen=True)
class Mine(Method):
    """Shake the weights, then ascend on forget and descend on retain."""

    title = "Mine"
    paper = "a test"
    needs = ("retain", "forget")
    epochs: int = whole(5, 1, 100, help="passes over both sets")
    lr: float = real(1e-3, 1e-5, 1e-1, log=True, help="learning rate")
    momentum: float = real(0.9, 0.0, 0.999, help="SGD momentum")
    weight_decay: float = real(5e-4, 1e-5, 1e-1, log=True, zero=True, help="weight decay")
    batch_size: int = choice(128, (64, 128), help="pictures per step")
    noise: float = real(0.01, 0.0, 1.0, help="standard deviation of the noise")

    def unlearn(self, model, task):
        optimizer, noise = task.sgd(model, self), task.stream("noise")
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn(weight.shape, generator=noise).to(weight), alpha=self.noise)
        for _ in task.epochs(self.epochs, optimizer):
            for forget in task.forget.batches(self.batch_size):
                task.step(optimizer, lambda shown: -task.loss(model, shown), forget)
            for retain in task.retain.batches(self.batch_size):
                task.step(optimizer, lambda shown: task.loss(model, shown), retain)
        return model

    def work(self, n):
        return self.epochs * n.training
'''
DRAW = "torch.randn(weight.shape, generator=noise)"
DOWN = "task.step(optimizer, lambda shown: task.loss(model, shown), retain)"
UP = "-task.loss(model, shown)"
RETAIN = "for retain in task.retain.batches(self.batch_size):"
FORGET = "for forget in task.forget.batches(self.batch_size):"
START = "        optimizer, noise"
END = "        return model\n"
CLASS = "@dataclass(frozen=True)\n"
EPOCHS = "    epochs: int"
BY_HAND = """loss = {loss}
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()"""


def at_start(line: str) -> tuple[str, str]:
    return START, f"        {line}\n{START}"


def at_end(line: str) -> tuple[str, str]:
    return END, f"        {line}\n{END}"


def field(line: str) -> tuple[str, str]:
    return EPOCHS, f"    {line}\n{EPOCHS}"


# name: question, words of its reason, what is replaced by what
FAULTS: dict[str, tuple[object, ...]] = {
    "no docstring": ("defaults", "docstring", ('"""Shake the weights, then ascend', 'x = """')),
    "a field in no key": ("defaults", "extra", field("extra: int = 3")),
    "an unknown part": ("defaults", "'train'", ('"retain", "forget")', '"retain", "train")')),
    "no check of values": ("bad-values", "takes epochs=", field("def __post_init__(self): pass\n")),
    "weights unchanged": ("cnn", "did not change any weight", at_start("return model")),
    "NaN weights": ("cnn", "NaN", at_end("next(model.parameters()).data.fill_(float('nan'))")),
    "a crash": ("cnn", "KeyError: 'gone' (mine.py:", at_start("{}['gone']")),
    "a crash on a ViT": ("vit", "has no attribute 'conv1' (mine.py:", at_start("model.conv1")),
    "changed labels": ("input", "labels", at_start("task.forget.labels.fill_(0)")),
    "changed pictures": ("input", "pictures", at_start("task.retain.pixels.images.fill_(0)")),
    "changed frozen weights": (
        "frozen", "conv1.weight",
        at_end("[v.mul_(0.9) for v in model.state_dict().values() if v.is_floating_point()]"),
    ),
    "mode not restored": ("plain", "eval mode", at_end("model.eval()")),
    "weights left frozen": ("plain", "requires_grad", at_end("model.requires_grad_(False)")),
    "a hook left": ("plain", "hook", at_end("model.fc.register_forward_hook(lambda *given: None)") ),
    "gradients left off": ("plain", "set_grad_enabled", at_end("torch.set_grad_enabled(False)")),
    "state beside the state": ("plain", "otherwise", at_end("model.avgpool = torch.nn.AdaptiveMaxPool2d(1)")),
    "a clock": ("same-seed", "differ", (DRAW, f"(time.perf_counter_ns() % 997 / 997 + {DRAW})")),
    "a generator of the module": (
        "same-seed", "differ", (CLASS, f"SHARED = torch.Generator()\n\n\n{CLASS}"), ("=noise)", "=SHARED)"),
    ),
    "unwritten memory": ("same-seed", "nobody wrote", (DRAW, "torch.empty(weight.shape).isnan()")),
    "torch's generator": ("generators", "torch", (DRAW, "torch.randn(weight.shape)")),
    "numpy's generator": ("generators", "numpy.random", (DRAW, f"np.random.rand() * {DRAW}")),
    "Python's generator": ("generators", "of random", (DRAW, f"random.random() * {DRAW}")),
    "a seed of one's own": ("generators", "torch.Generator", ("generator=noise", "generator=torch.Generator()")),
    "another seed of one's own": ("generators", "default_rng", (DRAW, f"np.random.default_rng(0).random() * {DRAW}")),
    "a draw without effect": (
        "other-seed", "no effect",
        (SOUND[SOUND.index("            for weight in"):SOUND.index(END)],
         "            torch.rand(3, generator=noise)\n            model.fc.bias.add_(1)\n"),
    ),
    "a look past the task": ("through-task", "past task.forward", (UP, "-F.cross_entropy(model(shown.x), shown.y)")),
    "steps of one's own": (
        "through-task", "backward", (DOWN, BY_HAND.format(loss="task.loss(model, retain)")),
    ),
    "steps past the task": (
        "through-task", "past", (DOWN, BY_HAND.format(loss="F.cross_entropy(model(retain.x), retain.y)")),
    ),
    "cost declared wrong": ("cost", "declares", ("self.epochs * n.training", "self.epochs * n.retain")),
    "an undeclared read": ("data", "reads val", at_start("len(task.val)")),
    "a part declared and not read": ("data", "never reads", ('"retain", "forget")', '"retain", "forget", "val")')),
    "pictures of another part": (
        "data", "undeclared parts",
        at_start("next(task.forward(model, b) for b in task.retain._like(torch.arange(60, 72)).batches(12))"),
    ),
    "a zip that ends early": (
        "batches", "left out",
        (SOUND[SOUND.index("            " + FORGET):SOUND.index(END)], """
            for a, b in zip(task.retain.batches(self.batch_size), task.forget.batches(self.batch_size)):
                task.step(optimizer, lambda a, b: task.loss(model, a) - task.loss(model, b), a, b)
"""),
    ),
    "a batch that is passed by": ("batches", "never shown", (DOWN, f"if retain.position[0] < 80:\n                    {DOWN}")),
    "a pass that is broken off": ("batches", "ended early", (RETAIN, "for retain in islice(task.retain.batches(self.batch_size), 1):")),
    "a rest that is left out": ("batches", "no gradient", (RETAIN, RETAIN.replace("retain.batches", "retain.first(128).batches"))),
    "a look in place of a step": ("batches", "no gradient", (DOWN, f"task.teach(model, retain) if retain.position[0] < 80 else {DOWN}")),
    "a single picture": ("single", "became nan", (UP, "-task.loss(model, shown) / (len(task.forget) - 1)")),
    "spread of a single picture": ("single", "NaN", at_end("next(model.parameters()).data.mul_(task.forget.labels.float().std())")),
    "half of the data": ("half", "mine.py:", at_start("assert len(task.forget) < len(task.retain)")),
    "a dead hyperparameter": ("hyperparameters", "noise", (", alpha=self.noise", ", alpha=0.01")),
    "a dead new hyperparameter": ("hyperparameters", "beta", field("beta: float = real(0.5, 0.0, 1.0, help='does nothing')")),
    "a false excuse": ("hyperparameters", "noise", field("inert = {'noise': 'who knows'}")),
}  # fmt: skip


def source(*changes: tuple[str, str]) -> str:
    """The sound method with some texts replaced."""
    text = SOUND
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def candidate(folder: Path, *changes: tuple[str, str]) -> Candidate:
    path = folder / "mine.py"
    path.write_text(source(*changes), "utf-8")
    return Candidate(METHODS.get(str(path)))


@cache
def answers_of_the_sound() -> dict[str, Answer]:
    """What the method says before and after a fault."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        return {answer.question: answer for answer in examine(candidate(Path(folder)))}


QUICK = 8  # of the planted faults; the others are slow ones
EVERY_FOURTH = list(FAULTS)[:: max(1, len(FAULTS) // QUICK)]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in EVERY_FOURTH else pytest.mark.slow) for name in FAULTS]
)
def test_the_faults_question_fails_and_the_repaired_method_passes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knobs, "RUNS", 3)  # of a dead one: as many fail as would
    question, words, *changes = FAULTS[name]
    answer = ask(str(question), candidate(tmp_path, *changes))  # type: ignore[arg-type]
    assert (answer.outcome, str(words) in answer.reason) == ("failed", True), answer
    assert "\n" not in answer.reason
    assert answers_of_the_sound()[str(question)].outcome == "passed"


def test_every_question_has_a_fault_and_the_sound_method_passes_all() -> None:
    assert {question for question, *_ in FAULTS.values()} == set(QUESTIONS)
    assert len(FAULTS) > 40
    for answer in answers_of_the_sound().values():
        assert answer.outcome == "passed", answer


def test_a_crash_is_told_once_and_what_needs_the_run_does_not_apply(tmp_path: Path) -> None:
    answers = list(examine(candidate(tmp_path, at_start("{}['gone']"))))
    failed = {answer.question for answer in answers if answer.outcome == "failed"}
    assert failed == {"cnn", "vit"}


def test_what_modules_do_when_they_are_imported_is_not_the_methods_doing(tmp_path: Path) -> None:
    (tmp_path / "drawing.py").write_text("import random\nRANDOM = random.Random()\n", "utf-8")
    importing = at_start(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import drawing; sys.path.pop(0)"
    )
    assert ask("generators", candidate(tmp_path, importing)).outcome == "passed"
    drawing = at_start("random.Random()")
    assert ask("generators", candidate(tmp_path, drawing)).outcome == "failed"


def test_a_method_may_refuse_a_vit_and_says_so(tmp_path: Path) -> None:
    refusing = at_start("if not hasattr(model, 'conv1'): raise task.refuse('no convolution')")
    answer = ask("vit", candidate(tmp_path, refusing))
    assert (answer.outcome, answer.reason) == ("not applicable", "it refuses: no convolution")
    plain = at_start("if not hasattr(model, 'conv1'): raise ValueError('no convolution')")
    assert ask("vit", candidate(tmp_path, plain)).outcome == "failed"


def test_what_is_declared_is_excused_with_its_reason(tmp_path: Path) -> None:
    dead = (", alpha=self.noise", ", alpha=0.01")
    answer = ask(
        "hyperparameters", candidate(tmp_path, dead, field("inert = {'noise': 'kept for old plans'}"))
    )
    assert (answer.outcome, answer.reason) == ("passed", "5 do; noise does not: kept for old plans")
    first = (RETAIN, "for retain in islice(task.retain.batches(self.batch_size), 1):")
    answer = ask("batches", candidate(tmp_path, first, field("partly = {'retain': 'one batch is enough'}")))
    assert (answer.outcome, answer.reason) == ("passed", "retain in part: one batch is enough")


@pytest.mark.parametrize("name", ["extra", "late", "kind", "scale"])
def test_hyperparameters_that_act_beside_others_are_found_alive(name: str, tmp_path: Path) -> None:
    """A weight of what a flag turns on, a share of epochs of which there must be several, a tied pair."""
    more = """strong: bool = flag(False, help="whether there is more noise")
    extra: float = real(0.5, 0.0, 1e4, help="how much more (strong)")
    late: float = real(0.3, 0.0, 1.0, help="share of the epochs without forgetting")
    kind: str = choice("plain", ("plain", "scaled"), help="of the loss")
    scale: float = real(0.0, 0.0, 1e4, help="of the loss (scaled)")

    def __post_init__(self):
        super().__post_init__()
        if (self.kind == "scaled") != (self.scale > 0):
            from deepunlearn_cli.core.errors import UsageFailure
            raise UsageFailure("kind and scale go together")
"""
    changes = [
        field(more),
        ("alpha=self.noise", "alpha=self.noise * (1 + self.extra * self.strong)"),
        ("for _ in", "for epoch in"),
        (FORGET, f"{FORGET}\n                if epoch >= self.epochs - int(self.late * self.epochs): continue"),
        ("lambda shown: task.loss(model, shown), retain", "lambda shown: task.loss(model, shown) * (self.scale or 1), retain"),
    ]  # fmt: skip
    assert knobs._lives(candidate(tmp_path, *changes), name)
