"""Heads, stages and order found by watching a network work."""

from __future__ import annotations

import own_nets
import pytest
import torch

from deepunlearn_cli.engine import logits
from deepunlearn_cli.engine.layers import class_axes, head, stages, stem, tail
from deepunlearn_cli.engine.layout import trace

SHAPE = (3, 10, 8)


def seen(name: str):
    torch.manual_seed(0)
    model = own_nets.NETS[name]()
    logits.settle(model, logits.blank(model, SHAPE))
    return model, trace(model, SHAPE)


def test_every_network_is_examined() -> None:
    assert own_nets.NETS.keys() == own_nets.HEADS.keys()


@pytest.mark.parametrize("name", own_nets.NETS)
def test_the_head_is_what_makes_the_logits(name: str) -> None:
    model, layout = seen(name)
    assert set(layout.head) == own_nets.HEADS[name]
    assert len(head(model, layout)) == len(layout.head)
    inside = {w for module in tail(model, 1, layout) for w in module.parameters(recurse=False)}
    assert not inside & set(stem(model, layout)), "the stem is no part of the tail"


def test_classes_are_counted_along_the_right_axis() -> None:
    model, layout = seen("OwnParameter")
    assert class_axes(model, layout) == {model.weight: 1, model.bias: 0}
    model, layout = seen("HeadFirst")
    assert class_axes(model, layout) == {model.out.weight: 0, model.out.bias: 0}


def test_order_is_that_of_work() -> None:
    model, layout = seen("HeadFirst")
    assert [model.get_submodule(place) for place in layout.stages] == [model.stem, model.body]
    assert stem(model, layout)[0] is model.stem[0].weight
    assert set(tail(model, 1, layout)) == {model.body, *model.body, model.out}
    assert stages(model, layout)[-1] is model.body


def test_what_no_loss_reaches_is_known() -> None:
    model, layout = seen("SilentStem")
    every = {name for name, _ in model.named_parameters()}
    assert every - layout.reached == {name for name in every if name.startswith("stem.")}
    model, layout = seen("Auxiliary")
    assert {"aux.weight", "aux.bias"} == {n for n, _ in model.named_parameters()} - layout.reached


def test_a_look_leaves_no_trace() -> None:
    model, _ = seen("Net")
    model.stem.requires_grad_(False)
    model.body.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    trace(model, SHAPE)
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(weight.requires_grad for weight in model.stem.parameters())
    assert (model.training, model.body[1].training) == (True, False)
    assert all(not module._forward_pre_hooks for module in model.modules())
