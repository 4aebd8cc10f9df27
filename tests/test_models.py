"""Model names to networks, fitted to the data."""

from __future__ import annotations

import json
import sys

import pytest
import tiny
import torch

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.models import (
    MODELS,
    Shape,
    build,
    check_code,
    check_name,
    code,
    is_code,
    normalisation,
    pinned,
)


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
        "def raises(num_classes): return {}['key']\n"
        "class Lazy(nn.Sequential):\n"
        "    def forward(self, x):\n"
        "        if self.training: raise OSError('only in use')\n"
        "        return super().forward(x)\n"
        "def lazy(num_classes): return Lazy(nn.Flatten(), nn.Linear(192, num_classes))\n"
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


@pytest.mark.parametrize("name", ["torchvision:googlenet", "torchvision:inception_v3"])
def test_auxiliary_heads_are_left_out(name: str) -> None:
    size = 96 if "inception" in name else 32
    model = build(name, Shape(3, 3, size)).train()
    assert model(torch.zeros(2, 3, size, size)).shape == (2, 3)
    assert not [key for key in model.state_dict() if key.lower().startswith("aux")]


@pytest.mark.parametrize("name", ["resnet-tiny", "timm:vit_tiny_patch16_224", "tinyvit"])
def test_pictures_need_not_be_square(name: str) -> None:
    model = build(name, Shape(3, 1, 32, 64)).train()
    assert model(torch.zeros(2, 1, 32, 64)).shape == (2, 3)


def test_a_model_that_breaks_in_training_alone_is_refused_when_it_is_built(module: str) -> None:
    with pytest.raises(UsageFailure, match="3x8x8 pictures: only in use"):
        build(f"{module}:lazy", Shape(3, 3, 8))


@pytest.mark.parametrize("name", ["broken_module:net", "my_nets:raises"])
def test_code_that_raises_anything_is_one_line(module: str, name: str, tmp_path) -> None:
    (tmp_path / "broken_module.py").write_text("1 / 0")
    with pytest.raises(UsageFailure, match=r"division|'key'"):
        build(name, Shape(3, 3, 8))


def test_source_that_a_factory_imports_is_part_of_its_code(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "__init__.py").write_text("")
    (tmp_path / "nets" / "blocks.py").write_text("WIDTH = 3\n")
    (tmp_path / "nets" / "net.py").write_text(
        "import torch\nfrom .blocks import WIDTH\ndef make(num_classes): ...\n"
    )
    before = code("nets.net:make")
    assert code("nets.net:make") == before
    (tmp_path / "nets" / "blocks.py").write_text("WIDTH = 4\n")
    assert code("nets.net:make") != before
    assert code("resnet18") == {}
    check_code("nets.net:make", {})
    with pytest.raises(UsageFailure, match="has changed"):
        check_code("nets.net:make", before)


def folder(tmp_path, architecture: str = "resnet10t"):
    cfg = {"num_classes": 7, "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "input_size": [3, 32, 32]}
    described = {"architecture": architecture, "num_classes": 7, "pretrained_cfg": cfg}
    tmp_path.mkdir(parents=True, exist_ok=True)
    (tmp_path / "config.json").write_text(json.dumps(described))
    return tmp_path


def test_a_folder_of_timms_names_a_model(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(folder(tmp_path / "mine").parent)
    name = pinned("timm:local-dir:mine")
    assert name == f"timm:local-dir:{tmp_path / 'mine'}"
    check_name(name)
    assert build(name, Shape(4, 3, 32)).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 4)
    assert normalisation(name) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    before = code(name)
    folder(tmp_path / "mine", "resnet14t")
    assert code(name) != before
    with pytest.raises(NotFound, match=r"config\.json"):
        check_name("timm:local-dir:nowhere")


def test_a_model_of_the_hub_works_from_its_cache_and_is_pinned(tmp_path, monkeypatch) -> None:
    from huggingface_hub import constants

    commit, place = "c" * 40, tmp_path / "models--them--net"
    folder(place / "snapshots" / commit)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    name = pinned("timm:hf-hub:them/net")
    assert name == f"timm:hf-hub:them/net@{commit}"
    assert pinned(name) == name
    check_name("timm:hf-hub:them/net")
    with pytest.raises(NotFound, match="not in the hub's cache") as failure:
        check_name("timm:hf-hub:them/other")
    assert failure.value.hint == "hf download them/other gets it"
