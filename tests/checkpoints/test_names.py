"""Names of weights, brought to those of a model."""

from __future__ import annotations

from collections import OrderedDict

import foreign_kit
import pytest
import torch
from torch import nn

from deepunlearn_cli.checkpoints.contents import chosen, class_names, state_dicts
from deepunlearn_cli.checkpoints.names import named, why_not
from deepunlearn_cli.core.errors import UsageFailure


def net() -> nn.Module:
    return foreign_kit.make_net()


class Held(nn.Module):
    """Keeps its network in `self.model`."""

    def __init__(self) -> None:
        super().__init__()
        self.model = net()


WRAPPED = {
    "as it is": "{}",
    "DataParallel": "module.{}",
    "compiled": "_orig_mod.{}",
    "Lightning": "model.{}",
    "compiled Lightning": "model._orig_mod.{}",
    "compiled in parallel": "_orig_mod.module.{}",
    "in parallel, compiled": "module._orig_mod.{}",
    "net": "net.{}",
    "backbone": "backbone.{}",
    "deep": "trainer.student.network.{}",
}


@pytest.mark.parametrize("form", WRAPPED.values(), ids=WRAPPED)
def test_prefixes_are_taken_off_as_often_as_it_takes(form: str) -> None:
    weights = net().state_dict()
    read = named({form.format(name): value for name, value in weights.items()}, net())
    assert read.fits
    assert all(read.weights[name] is value for name, value in weights.items())
    assert list(read.dropped) == []


@pytest.mark.parametrize("form", ["model.{}", "{}", "module.{}", "module.model.{}", "_orig_mod.model.{}"])
def test_a_model_that_holds_its_network_in_a_module_is_read_as_it_is_and_otherwise(form: str) -> None:
    weights = net().state_dict()
    read = named({form.format(name): value for name, value in weights.items()}, Held())
    assert read.fits
    assert all(read.weights[f"model.{name}"] is value for name, value in weights.items())


def test_a_part_that_was_compiled_is_read() -> None:
    weights = {name.replace("norm.", "norm._orig_mod."): value for name, value in net().state_dict().items()}
    assert named(weights, net()).fits


@pytest.mark.parametrize("prefix", ["", "module."])
def test_entries_that_are_no_part_of_the_model_are_left_out_and_named(prefix: str) -> None:
    weights = {f"{prefix}{name}": value for name, value in net().state_dict().items()}
    more = {"criterion.weight": torch.ones(4), "n_averaged": torch.tensor(3)}
    read = named({**weights, **more}, net())
    assert read.fits
    assert sorted(read.dropped) == ["criterion.weight", "n_averaged"]


def test_layers_that_the_model_lacks_are_no_such_entries() -> None:
    """The names of a ResNet18 are all names of a ResNet34: what is over shows that it is another network."""
    small = nn.Sequential(OrderedDict(layer1=nn.Sequential(nn.Linear(4, 4)), fc=nn.Linear(4, 4)))
    large = nn.Sequential(
        OrderedDict(layer1=nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), fc=nn.Linear(4, 4))
    )
    read = named(large.state_dict(), small)
    assert not read.fits
    assert "layer1.1.weight" in read.unexpected


def test_counters_may_be_lacking_and_tied_weights_come_once() -> None:
    old = {name: value for name, value in net().state_dict().items() if "num_batches" not in name}
    assert named(old, net()).fits
    tied = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    tied[1].weight = tied[0].weight
    once = {name: value for name, value in tied.state_dict().items() if name != "1.weight"}
    assert named(once, tied).fits
    assert not named({name: value for name, value in once.items() if name != "1.bias"}, tied).fits


def test_a_model_that_is_there_twice_is_asked_about() -> None:
    weights = net().state_dict()
    other = {name: value + 1 for name, value in weights.items()}
    both = {f"student.{n}": v for n, v in weights.items()} | {f"teacher.{n}": v for n, v in other.items()}
    with pytest.raises(UsageFailure, match="student and teacher") as failure:
        named(both, net())
    assert failure.value.hint == "--weights-key student or --weights-key teacher"


@pytest.mark.parametrize(
    ("name", "shape", "says"),
    [
        ("fc", (7, 128), "7 classes apart, the pictures have 4"),
        ("conv", (8, 3, 3, 3), "takes 3 channels, the pictures have 1"),
        ("fc", (4, 512), "pictures of another size"),
    ],
)
def test_a_misfit_says_what_it_is(name: str, shape: tuple[int, ...], says: str) -> None:
    weights = dict(net().state_dict()) | {f"{name}.weight": torch.zeros(shape)}
    read = named(weights, net())
    assert not read.fits
    assert says in why_not(read, 4, 8)[0]


def test_a_position_table_tells_the_size() -> None:
    table = nn.Module()
    table.pos_embed = nn.Parameter(torch.zeros(1, 5, 6))
    read = named({"pos_embed": torch.zeros(1, 17, 6)}, table)
    assert why_not(read, 4, 32)[1] == "give --image-size 64"


def test_another_network_is_called_so() -> None:
    read = named({"a.weight": torch.zeros(3)}, net())
    assert "no name in it" in why_not(read, 4, 8)[0]


def test_state_dicts_are_found_where_scripts_put_them(tmp_path) -> None:
    weights = dict(net().state_dict())
    averaged = {name: value + 1 for name, value in weights.items()}
    content = {
        "state_dict_ema": averaged,
        "epoch": 3,
        "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}},
        "ema": {"module": averaged},
        "state_dict": weights,
    }
    entries = state_dicts(content, tmp_path)
    assert list(entries) == ["state_dict", "state_dict_ema", "ema.module"]
    assert chosen(entries, "ema.module", tmp_path)["ema.module"] == averaged
    with pytest.raises(UsageFailure, match="no weights at 'emma'") as failure:
        chosen(entries, "emma", tmp_path)
    assert "state_dict_ema" in failure.value.hint


@pytest.mark.parametrize(
    "content",
    [
        {"classes": ["cat", "dog", "emu"]},
        {"class_to_idx": {"emu": 2, "cat": 0, "dog": 1}},
        {"idx_to_class": {1: "dog", 0: "cat", 2: "emu"}},
        {"idx_to_class": {"1": "dog", "0": "cat", "2": "emu"}},
        {"meta": {"class_names": ("cat", "dog", "emu")}},
    ],
)
def test_class_names_are_read_in_the_order_of_outputs(content: dict[str, object]) -> None:
    assert class_names(content) == ("cat", "dog", "emu")


@pytest.mark.parametrize("content", [[], {}, {"classes": 3}, {"class_to_idx": {"a": 0, "b": 5}}])
def test_what_is_no_list_of_classes_is_none(content: object) -> None:
    assert class_names(content) == ()
