"""The exam of the method room: run over every resident, on a CNN with BatchNorm and on a ViT."""

from __future__ import annotations

import inspect
import time
from types import SimpleNamespace

import pytest
import tiny
import torch
from room_kit import residents

from deepunlearn_cli import unlearn
from deepunlearn_cli.core.errors import Failure, UsageFailure
from deepunlearn_cli.engine import device
from deepunlearn_cli.methods import METHODS, Method, Sizes

NAMES = METHODS.names()
STOCHASTIC = [name for name in NAMES if name != "do-nothing"]


def method(name: str, **changes: object) -> Method:
    """A method with two epochs at most, so that the exam is quick."""
    cls = METHODS.get(name)
    short = {field: 2 for field in cls.domains() if field.endswith("epochs")}
    return cls.build(short | changes)


def run(name: str, kind: str = "cnn", seed: int = 0, precision: str = "fp32") -> dict[str, torch.Tensor]:
    task = tiny.task(kind, METHODS.get(name).needs, seed, precision)
    made = unlearn(tiny.original(name, kind, seed), method(name), task, seed=seed)
    return tiny.weights(made)


def test_everyone_was_examined() -> None:
    paper = "ft srl ga fcs msg cfw prmq ct kde rni ff iu cfk euk scrub salun ngplus bt"
    assert residents(METHODS) == NAMES
    assert {*paper.split(), "do-nothing", "retrain"} <= set(NAMES)


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", tiny.MODELS)
@pytest.mark.parametrize("name", NAMES)
def test_unlearns(name: str, kind: str, precision: str) -> None:
    cls = METHODS.get(name)
    model = tiny.original(name, kind)
    before = tiny.weights(model)
    task = tiny.task(kind, cls.needs, precision=precision)
    start = time.perf_counter()
    made = unlearn(model, method(name), task)
    assert time.perf_counter() - start < 20, "a tiny task takes about a second"
    after = tiny.weights(made)
    assert tiny.same(before, tiny.weights(model)), "the input model was touched"
    assert before.keys() == after.keys()
    assert all(bool(torch.isfinite(value).all()) for value in after.values() if value.is_floating_point())
    assert tiny.same(before, after) != cls.changes_weights
    assert all(parameter.requires_grad for parameter in made.parameters())


@pytest.mark.parametrize("kind", ["cnn", pytest.param("vit", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", STOCHASTIC)
def test_same_seed_same_bits(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    state = torch.random.get_rng_state()
    first = run(name, kind)
    assert torch.equal(state, torch.random.get_rng_state()), "the global generator was used"
    torch.rand(3)
    assert not tiny.same(first, run(name, kind, seed=1))
    monkeypatch.setattr(device, "KERNELS", SimpleNamespace(fill_uninitialized_memory=False))
    assert device.deterministic.fill_uninitialized_memory, "torch fills new tensors with NaN"
    assert tiny.same(first, run(name, kind)), "somebody reads what nobody wrote"


@pytest.mark.parametrize("name", NAMES)
def test_reads_what_it_declares_and_nothing_else(name: str) -> None:
    cls = METHODS.get(name)
    for missing in cls.needs:
        fewer = tuple(part for part in cls.needs if part != missing)
        with pytest.raises(Failure, match=f"reads the {missing} set"):
            unlearn(tiny.original(name), method(name), tiny.task("cnn", fewer))


@pytest.mark.parametrize("name", NAMES)
def test_rejects_values_outside_its_ranges(name: str) -> None:
    cls = METHODS.get(name)
    for field, domain in cls.domains().items():
        with pytest.raises(UsageFailure, match=f"^{field}="):
            cls.build({field: domain.invalid()})
    with pytest.raises(UsageFailure, match="no_such_field"):
        cls.build({"no_such_field": 1})


@pytest.mark.parametrize("name", NAMES)
def test_says_what_it_is(name: str) -> None:
    cls = METHODS.get(name)
    assert cls.title
    assert cls.paper
    assert inspect.getdoc(cls) != inspect.getdoc(cls.__mro__[1])
    assert METHODS.public_name(name) == name
    assert all(METHODS.get(alias) is cls for alias in cls.aliases)
    assert all(domain.help for domain in cls.domains().values())


@pytest.mark.parametrize("name", NAMES)
def test_says_what_it_costs(name: str) -> None:
    """The declared work is the counted one (48 retain, 12 forget and 12 validation pictures, augmented)."""
    actor = method(name)
    task = tiny.task("cnn", actor.reads)
    unlearn(tiny.original(name), actor, task)
    off = 0.5 if METHODS.get(name).estimated else 0.05  # the pictures decide how much it is
    assert task.cost.work(60) == pytest.approx(actor.cost(Sizes(48, 12, 12, tiny.CLASSES)), rel=off)


# forward and backward samples of 2 epochs over 48 retain and 12 forget pictures
WORK = {
    "ft": (96, 96),
    "ga": (24, 24),
    "msg": (24 + 96, 24 + 96),
    "ngplus": (96 + 24, 96 + 24),
    "do-nothing": (0, 0),
    "retrain": (96, 96),
    "srl": (120, 120),
    "scrub": (2 * 2 * 60, 2 * 60),
    "ff": (48, 3 * 48),
    "ssd": (72, 72),
    "singlegradient": (12, 12),
    "amnesiac": (0, 0),
}


@pytest.mark.parametrize("name", WORK)
def test_counts_its_work(name: str) -> None:
    task = tiny.task("cnn", METHODS.get(name).needs)
    unlearn(tiny.original(name), method(name), task)
    assert (task.cost.forward, task.cost.backward) == WORK[name]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("do-nothing", "retrain")])
def test_states_kept_by_teachers_and_modes_do_not_leak(name: str) -> None:
    """The result is a plain trainable model: no hook, no frozen weight, nothing beside the state dict."""
    made = unlearn(tiny.original(name), method(name), tiny.task("cnn", METHODS.get(name).needs))
    assert all(not module._forward_hooks for module in made.modules())
    assert all(weight.requires_grad for weight in made.parameters())
    twin = tiny.fresh("cnn", 1)
    twin.load_state_dict(made.state_dict())
    shown = torch.randn(4, 3, tiny.SIZE, tiny.SIZE)
    assert torch.equal(twin.eval()(shown), made.eval()(shown))
