"""The exam of the method room on networks as people write them: frozen, tied, oddly built, oddly spoken."""

from __future__ import annotations

import own_nets
import pytest
import torch
from torch import nn

from deepunlearn_cli import make_task, unlearn
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.engine.gradients import mean_gradients
from deepunlearn_cli.methods import METHODS, Method, for_any_original

NAMES = for_any_original()
PER_SAMPLE = ("ff", "iu")  # refuse what makes pictures of a batch depend on each other


def short(name: str, **changes: object) -> Method:
    cls = METHODS.get(name)
    return cls.build({field: 2 for field in cls.domains() if field.endswith("epochs")} | changes)


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    return own_nets.NETS[name]()


def run(name: str, model: nn.Module, **changes: object) -> nn.Module:
    task = make_task(model, **own_nets.PARTS, fresh=lambda: type(model)())
    return unlearn(model, short(name, **changes), task)


def trained(name: str) -> nn.Module:
    """A network after some steps, so that its statistics are not those of a new one."""
    model = network(name)
    return run("ft", model, epochs=3) if name != "Unsteady" else model


@pytest.mark.parametrize("name", NAMES)
def test_frozen_weights_stay_to_the_bit(name: str) -> None:
    model = trained("Net")
    model.stem.requires_grad_(False)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    made = run(name, model)
    after = made.state_dict()
    assert list(after) == list(before)
    assert [n for n, _ in made.named_parameters()] == [n for n, _ in model.named_parameters()]
    for key in before:
        if key.startswith("stem.") and key != "stem.1.num_batches_tracked":
            assert torch.equal(after[key], before[key]), key
    moved = [key for key in before if not torch.equal(after[key], before[key])]
    assert bool(moved) == METHODS.get(name).changes_weights
    flags = {key: weight.requires_grad for key, weight in made.named_parameters()}
    assert flags == {key: not key.startswith("stem.") for key in flags}
    assert all(not module._forward_pre_hooks for module in made.modules())


@pytest.mark.parametrize("name", NAMES)
def test_a_frozen_head_stays_to_the_bit_or_is_refused(name: str) -> None:
    model = trained("Net")
    model.out.requires_grad_(False)
    weight = model.out.weight.detach().clone()
    if name == "rni":  # it is all that RNI begins with
        with pytest.raises(UsageFailure, match="no classifier that learns"):
            run(name, model)
        return
    made = run(name, model)
    assert torch.equal(made.out.weight, weight)
    assert not made.out.weight.requires_grad


def test_a_model_without_a_weight_that_learns_is_refused() -> None:
    model = network("Net").requires_grad_(False)
    with pytest.raises(UsageFailure, match="frozen"):
        run("ft", model)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in own_nets.NETS if kind not in ("Double",)])
@pytest.mark.parametrize("name", NAMES)
def test_every_method_works_on_every_network_or_says_why_not(name: str, kind: str) -> None:
    model = network(kind)
    if kind == "Unsteady" and name in PER_SAMPLE:
        with pytest.raises(UsageFailure, match="running statistics"):
            run(name, model)
        return
    made = run(name, model)
    x = own_nets.PARTS["val"][0]
    assert type(made.eval()(x)) is type(model.eval()(x)), "it speaks as it did"
    assert all(torch.isfinite(weight).all() for weight in made.parameters())
    assert not any(module._forward_hooks for module in made.modules())


@pytest.mark.parametrize("name", NAMES)
def test_double_precision_models_work(name: str) -> None:
    model = network("Double")
    task = make_task(model, **own_nets.PARTS, fresh=lambda: own_nets.Net().double())
    made = unlearn(model, short(name), task)
    assert {weight.dtype for weight in made.parameters()} == {torch.float64}


@pytest.mark.parametrize("name", ["rni", "euk", "kde"])
@pytest.mark.parametrize("kind", sorted(own_nets.HEADS.keys() - {"Double", "Unsteady"}))
def test_resets_reach_the_head_and_training_does(name: str, kind: str) -> None:
    """With a learning rate of next to nothing, what was reset is what a new network has there."""
    model, fresh = network(kind), type(network(kind))
    torch.manual_seed(7)
    new = fresh()
    task = make_task(model, **own_nets.PARTS, fresh=lambda: _copy(new, fresh))
    rates = {field: 1e-5 for field in METHODS.get(name).domains() if field.endswith("lr")}
    made = unlearn(model, short(name, **rates, momentum=0.0, weight_decay=0.0), task)
    for key in own_nets.HEADS[kind]:
        kept, drawn, got = (m.state_dict()[key] for m in (model, new, made))
        if not torch.equal(kept, drawn):
            assert (got - drawn).abs().max() < 0.1 * (kept - drawn).abs().max(), key


def _copy(model: nn.Module, kind: type[nn.Module]) -> nn.Module:
    twin = kind()
    twin.load_state_dict(model.state_dict())
    return twin


@pytest.mark.parametrize("kind", ["HeadFirst", "OwnParameter", "TwoHeads"])
def test_cfk_trains_the_head(kind: str) -> None:
    model = network(kind)
    made = run("cfk", model, lr=0.1)
    for key in own_nets.HEADS[kind]:
        assert not torch.equal(made.state_dict()[key], model.state_dict()[key]), key
    stem = "stem.0.weight"
    assert torch.equal(made.state_dict()[stem], model.state_dict()[stem])


def test_ff_draws_the_rows_of_a_gone_class_anew() -> None:
    model = network("OwnParameter")
    with torch.no_grad():
        model.weight.fill_(5.0)
    parts = dict(own_nets.PARTS)
    x, y = parts["retain"]
    parts["retain"] = x[y != 1], y[y != 1]
    made = unlearn(model, short("ff", alpha=1e-9), make_task(model, **parts))
    assert (made.weight[:, 1].abs() < 1).all()
    assert (made.weight[:, [0, 2]] > 4).all()


def test_tied_kernels_are_transposed_once() -> None:
    model = network("Tied")
    task = make_task(model, **own_nets.PARTS)
    made = unlearn(model, short("ct", lr=1e-5, momentum=0.0, weight_decay=0.0), task)
    turned = model.more.weight.transpose(-1, -2)
    torch.testing.assert_close(made.more.weight, turned, atol=1e-2, rtol=0)
    assert made.more.weight is made.body[0].weight
    assert 0 < float(task.facts["touched_share"]) < 1  # type: ignore[arg-type]


def test_influence_of_tied_weights_is_that_of_a_loop() -> None:
    """IU's step against a dense inverse over gradients of single pictures."""
    model = trained("Tied")
    task = make_task(model, **own_nets.PARTS, augment=False)
    method = METHODS.get("iu").build({"samples": 36})
    made = unlearn(model, method, task)
    twin = trained("Tied").eval()
    names = [n for n, _ in twin.named_parameters()]
    weights = list(twin.parameters())
    rows = []
    for x, y in zip(*own_nets.PARTS["retain"], strict=True):
        loss = nn.functional.cross_entropy(twin(x[None]), y[None])
        rows.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)]))
    g = torch.stack(rows).double()
    means = [
        torch.cat([v.flatten() for v in mean_gradients(twin, weights, part, task, 64)]).double()
        for part in (task.forget, task.retain)
    ]
    v = (means[0] - means[1]) * 12 / 48
    step = torch.linalg.solve(torch.eye(g.shape[1]).double() + g.T @ g / len(g), v)
    parts = step.split([w.numel() for w in weights])
    for name, old, part in zip(names, weights, parts, strict=True):
        got = made.state_dict()[name] - old.detach()
        torch.testing.assert_close(got, part.view_as(old).float(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_modes_come_back(training: bool) -> None:
    model = trained("Net").train(training)
    model.body.eval()
    made = run("ft", model)
    assert [m.training for m in made.modules()] == [m.training for m in model.modules()]
