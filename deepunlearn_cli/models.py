"""Model names to networks, with heads and input channels fitted to the data.

May import: `core`, `engine`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure, unknown

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Shape:
    """What the data ask of a model: number of classes, input channels, picture size in pixels."""

    classes: int
    channels: int
    size: int


@dataclass(frozen=True)
class Architecture:
    """A built-in model: one line about it, and its constructor."""

    summary: str
    build: Callable[[Shape], nn.Module]


def _resnet18(shape: Shape) -> nn.Module:
    check_pair()
    from torchvision.models import resnet18

    return _fit_input(resnet18(num_classes=shape.classes), shape.channels)


def _resnet18_cifar(shape: Shape) -> nn.Module:
    from torch import nn

    model: Any = _resnet18(shape)
    model.conv1 = nn.Conv2d(shape.channels, 64, 3, stride=1, padding=1, bias=False)
    nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    model.maxpool = nn.Identity()
    return cast("nn.Module", model)


def _resnet_tiny(shape: Shape) -> nn.Module:
    """Three blocks of 16, 32 and 64 channels: 78,000 weights, for tests and `bench quick`."""
    from collections import OrderedDict

    from torch import nn

    from deepunlearn_cli.engine.residual import Residual

    layers: list[tuple[str, nn.Module]] = [
        ("conv1", nn.Conv2d(shape.channels, 16, 3, padding=1, bias=False)),
        ("bn1", nn.BatchNorm2d(16)),
        ("relu", nn.ReLU(inplace=True)),
        ("layer1", nn.Sequential(Residual(16, 16))),
        ("layer2", nn.Sequential(Residual(16, 32))),
        ("layer3", nn.Sequential(Residual(32, 64))),
        ("avgpool", nn.AdaptiveAvgPool2d(1)),
        ("flatten", nn.Flatten()),
        ("fc", nn.Linear(64, shape.classes)),
    ]
    return nn.Sequential(OrderedDict(layers))


def _tinyvit(shape: Shape) -> nn.Module:
    # 0.1 is the benchmark's stochastic depth (`munl/models/vit11m.py` of its code); timm's default is 0
    return _timm("tiny_vit_11m_224", shape, drop_path_rate=0.1)


MODELS = {
    "resnet18": Architecture("ResNet18 with the ImageNet stem, as in the paper (11.2 M weights)", _resnet18),
    "resnet18-cifar": Architecture("ResNet18 with a 3x3 stem for small pictures (11.2 M)", _resnet18_cifar),
    "resnet-tiny": Architecture("three residual blocks, for tests and `bench quick` (78 k)", _resnet_tiny),
    "tinyvit": Architecture("TinyViT-11M at the data's resolution, as in the paper (10.6 M)", _tinyvit),
}
PAIR_CURE = (
    "torch and torchvision are no pair (a CPU-only torch beside a torchvision from elsewhere, say): "
    "pip uninstall -y torch torchvision, then pip install torch torchvision together"
)
FORMS = {
    "timm:NAME": "any image classifier of timm",
    "torchvision:NAME": "any image classifier of torchvision",
    "package.module:factory": "your own: called with num_classes=K, returns a torch module",
}


def build(name: str, shape: Shape) -> nn.Module:
    """A newly initialised network (weights from torch's current generator) that was seen to give K logits.

    Raises:
        NotFound: no such model, with suggestions.
        UsageFailure: the model cannot be built for, or run on, pictures of this shape.
    """
    check_name(name)
    constructor = _constructor(name)
    try:
        model = constructor(shape)
        _try_out(model, shape)
    except (RuntimeError, ValueError, TypeError, AssertionError, AttributeError, ZeroDivisionError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageFailure(
            f"model {name!r} does not work on {shape.channels}x{shape.size}x{shape.size} pictures: {reason}",
            "try a larger --image-size or another model (`deepunlearn models`)",
        ) from error
    return model


def check_pair() -> None:
    """Refuse a torchvision that was built for another torch: it fails when it is imported.

    Raises:
        Failure: with the cure.
    """
    try:
        import torchvision  # noqa: F401
    except (RuntimeError, ImportError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise Failure(f"torchvision does not work with this torch: {reason}", PAIR_CURE) from None


def check_name(name: str) -> None:
    """Refuse, before anything is written, a model that does not exist.

    Raises:
        NotFound: no such model, with suggestions.
    """
    kind, _, rest = name.partition(":")
    if kind in ("timm", "torchvision"):
        check_pair()
    if kind == "timm":
        import timm

        _known("timm model", rest, timm.list_models())
    elif kind == "torchvision":
        from torchvision import models

        _known("torchvision model", rest, models.list_models(models))
    else:
        _constructor(name)


def _known(noun: str, name: str, names: list[str]) -> None:
    if name not in names:
        raise unknown(noun, name, names, "`deepunlearn models` shows the forms")


def is_code(name: str) -> bool:
    """Whether a model name makes Python import a module of the user's."""
    return ":" in name and name.split(":", 1)[0] not in ("timm", "torchvision")


def _constructor(name: str) -> Callable[[Shape], nn.Module]:
    if name in MODELS:
        return MODELS[name].build
    if name.startswith("timm:"):
        return lambda shape: _timm(name.removeprefix("timm:"), shape)
    if name.startswith("torchvision:"):
        return lambda shape: _torchvision(name.removeprefix("torchvision:"), shape)
    if re.fullmatch(r"[\w.]+:\w+", name):
        return _factory(name)
    raise unknown("model", name, [*MODELS, *FORMS], "`deepunlearn models` lists them all")


def _timm(name: str, shape: Shape, **options: Any) -> nn.Module:
    check_pair()
    import timm

    from deepunlearn_cli.engine.windows import unpad

    fitted = {"num_classes": shape.classes, "in_chans": shape.channels, **options}
    try:
        return unpad(timm.create_model(name, pretrained=False, img_size=shape.size, **fitted))
    except TypeError:  # convolutional families take any size and no such argument
        return unpad(timm.create_model(name, pretrained=False, **fitted))


def _torchvision(name: str, shape: Shape) -> nn.Module:
    check_pair()
    from torchvision import models

    return _fit_input(models.get_model(name, weights=None, num_classes=shape.classes), shape.channels)


def _factory(name: str) -> Callable[[Shape], nn.Module]:
    module_name, _, attribute = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        factory = getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise NotFound(f"model {name!r}: {error}", "the module must be importable from here") from None
    return lambda shape: _called(factory, name, shape)


def _called(factory: Callable[..., Any], name: str, shape: Shape) -> nn.Module:
    from torch import nn

    model = factory(num_classes=shape.classes)
    if not isinstance(model, nn.Module):
        raise UsageFailure(f"model {name!r} gave a {type(model).__name__}, not a torch module")
    return model


def _fit_input(model: nn.Module, channels: int) -> nn.Module:
    """Replace the first convolution if the pictures do not have its number of channels."""
    from torch import nn

    for path, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d):
            if layer.in_channels != channels:
                model.set_submodule(path, _with_inputs(layer, channels))
            return model
    return model


def _with_inputs(layer: nn.Conv2d, channels: int) -> nn.Conv2d:
    from torch import nn

    fitted = nn.Conv2d(
        channels,
        layer.out_channels,
        layer.kernel_size,  # type: ignore[arg-type]
        layer.stride,  # type: ignore[arg-type]
        layer.padding,  # type: ignore[arg-type]
        bias=layer.bias is not None,
    )
    nn.init.kaiming_normal_(fitted.weight, mode="fan_out", nonlinearity="relu")
    return fitted


def _try_out(model: nn.Module, shape: Shape) -> None:
    import torch

    with torch.inference_mode():
        logits = model.eval()(torch.zeros(2, shape.channels, shape.size, shape.size))
    model.train()
    if tuple(logits.shape) != (2, shape.classes):
        raise Failure(f"the model gives {tuple(logits.shape)} for 2 pictures, not (2, {shape.classes})")
