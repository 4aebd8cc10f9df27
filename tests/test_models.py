"""Model names to networks, fitted to the data."""

from __future__ import annotations

import sys

import pytest
import tiny
import torch

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.models import MODELS, Shape, build, check_name, is_code


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


SIZES = [
    ("resnet18", Shape(10, 3, 32), 11_181_642),
    ("resnet18", Shape(100, 3, 32), 11_227_812),
    ("resnet18-cifar", Shape(10, 3, 32), 11_173_962),
    ("resnet-tiny", Shape(10, 1, 8), 77_754),
    ("tinyvit", Shape(10, 3, 32), 10_552_462),
]


def test_every_built_in_model_has_its_size_on_record() -> None:
    assert {name for name, _, _ in SIZES} == set(MODELS)


@pytest.mark.parametrize(("name", "shape", "weights"), SIZES)
def test_built_in_models_have_the_papers_sizes(name: str, shape: Shape, weights: int) -> None:
    assert count(build(name, shape)) == weights


def test_every_built_in_model_takes_grey_pictures() -> None:
    for name in MODELS:
        model = build(name, Shape(7, 1, 32)).eval()
        assert model(torch.zeros(2, 1, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize("name", ["timm:resnet10t", "timm:vit_tiny_patch16_224", "torchvision:mobilenet_v2"])
def test_foreign_families_are_fitted(name: str) -> None:
    check_name(name)
    assert build(name, Shape(4, 1, 32)).eval()(torch.zeros(1, 1, 32, 32)).shape == (1, 4)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("resnet19", "resnet18"), ("timm:resnet10x", "resnet10t"), ("torchvision:mobilenet_v9", "mobilenet_v2")],
)
def test_unknown_names_get_suggestions(name: str, nearest: str) -> None:
    with pytest.raises(NotFound) as failure:
        check_name(name)
    assert nearest in failure.value.hint


def test_too_small_pictures_are_told() -> None:
    with pytest.raises(UsageFailure, match="1x8x8"):
        build("torchvision:vgg11", Shape(10, 1, 8))


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "my_nets.py").write_text(
        "from torch import nn\n"
        "def good(num_classes): return nn.Sequential(nn.Flatten(), nn.Linear(192, num_classes))\n"
        "def wrong(num_classes): return nn.Sequential(nn.Flatten(), nn.Linear(192, num_classes + 1))\n"
        "def none(num_classes): return 3\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield "my_nets"
    sys.modules.pop("my_nets", None)


def test_your_own_factory(module: str) -> None:
    assert count(build(f"{module}:good", Shape(3, 3, 8))) == 193 * 3
    assert is_code(f"{module}:good")
    assert not is_code("timm:resnet10t")


@pytest.mark.parametrize(("name", "says"), [("wrong", r"\(2, 4\)"), ("none", "int")])
def test_a_factory_that_does_not_fit_is_told(module: str, name: str, says: str) -> None:
    with pytest.raises(Exception, match=says):
        build(f"{module}:{name}", Shape(3, 3, 8))


@pytest.mark.parametrize("name", ["my_nets:absent", "no_such_module:factory"])
def test_a_missing_factory_is_not_found(module: str, name: str) -> None:
    with pytest.raises(NotFound, match=name):
        check_name(name)


def test_initial_weights_come_from_the_stream_alone() -> None:
    torch.manual_seed(1)
    first = tiny.weights(tiny.fresh("cnn", 5))
    torch.manual_seed(2)
    assert tiny.same(first, tiny.weights(tiny.fresh("cnn", 5)))
    assert not tiny.same(first, tiny.weights(tiny.fresh("cnn", 6)))
    assert not tiny.same(first, tiny.weights(tiny.fresh("cnn", 5, "teacher")))
