"""Model names to networks, with heads and input channels fitted to the data.

May import: `core`, `engine`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure, unknown
from deepunlearn_cli.core.loading import module_of
from deepunlearn_cli.core.source import import_from_here
from deepunlearn_cli.models import _code, _timm
from deepunlearn_cli.models._inputs import fit_input

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Shape:
    """What the data ask of a model: classes, input channels, height and width (None: as high) in pixels."""

    classes: int
    channels: int
    size: int
    width: int | None = None

    @property
    def pixels(self) -> tuple[int, int]:
        """Height and width."""
        return self.size, self.width or self.size


@dataclass(frozen=True)
class Architecture:
    """A built-in model: one line about it, and its constructor."""

    summary: str
    build: Callable[[Shape], nn.Module]


def _resnet18(shape: Shape) -> nn.Module:
    check_pair()
    from torchvision.models import resnet18

    return fit_input(resnet18(num_classes=shape.classes), shape.channels)


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
    return _of_timm("tiny_vit_11m_224", shape, drop_path_rate=0.1)


MODELS = {
    "resnet18": Architecture("ResNet18 with the ImageNet stem, as in the paper (11.2 M weights)", _resnet18),
    "resnet18-cifar": Architecture("ResNet18 with a 3x3 stem for small pictures (11.2 M)", _resnet18_cifar),
    "resnet-tiny": Architecture("three residual blocks, for tests and `bench quick` (78 k)", _resnet_tiny),
    "tinyvit": Architecture("TinyViT-11M at the data's resolution, as in the paper (10.6 M)", _tinyvit),
}
AUXILIARY = ("googlenet", "inception_v3")  # of torchvision: with heads of their own for training
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
    except UsageFailure as failure:
        raise UsageFailure(
            f"model {name!r}: {failure.message}", f"{failure.hint} (--image-size, --channels 3)"
        ) from failure
    except Failure:
        raise  # it knows better than the network
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        size = "x".join(map(str, (shape.channels, *shape.pixels)))
        raise UsageFailure(
            f"model {name!r} cannot be built for {size} pictures: {reason}",
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
        _timm.check(rest)
    elif kind == "torchvision":
        from torchvision import models

        _known("torchvision model", rest, models.list_models(models))
    else:
        _constructor(name)


def _known(noun: str, name: str, names: list[str]) -> None:
    if name not in names:
        raise unknown(noun, name, names, "`deepunlearn models` shows the forms")


def pinned(name: str) -> str:
    """A name that stands for the same model for good: with the revision of a model of the hub, say."""
    kind, _, rest = name.partition(":")
    return f"timm:{_timm.pinned(rest)}" if kind == "timm" else name


def code(name: str) -> dict[str, str]:
    """What a recipe says of code that is not this package's: a hash of the factory's source, or nothing.

    Raises:
        NotFound: no such module.
    """
    kind, _, rest = name.partition(":")
    if not is_code(name):
        known = _timm.code(rest) if kind == "timm" else None
        return {"code": known} if known else {}
    import_from_here()
    source = _code.source_hash(kind)
    return {"code": source} if source else {}


def check_code(name: str, data: Mapping[str, Any]) -> None:
    """Refuse to make a run with other code than its recipe names; one from before there were hashes passes.

    Raises:
        UsageFailure: the factory's source has changed.
    """
    if "code" in data and code(name).get("code") != data["code"]:
        raise UsageFailure(
            f"the code of model {name} has changed since this was asked for",
            "undo the change, or train again with the code as it is now",
        )


def normalisation(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation that a timm model's weights were published for.

    Raises:
        UsageFailure: it is no model of timm's, or one that does not say.
    """
    kind, _, rest = name.partition(":")
    known = _timm.normalisation(rest) if kind == "timm" else None
    if known is None:
        raise UsageFailure(f"model {name} has no pretrained_cfg of timm's", "--mean imagenet, or the numbers")
    return known


def is_code(name: str) -> bool:
    """Whether a model name makes Python import a module of the user's."""
    return ":" in name and name.split(":", 1)[0] not in ("timm", "torchvision")


def _constructor(name: str) -> Callable[[Shape], nn.Module]:
    if name in MODELS:
        return MODELS[name].build
    if name.startswith("timm:"):
        return lambda shape: _of_timm(name.removeprefix("timm:"), shape)
    if name.startswith("torchvision:"):
        return lambda shape: _torchvision(name.removeprefix("torchvision:"), shape)
    if re.fullmatch(r"[\w.]+:\w+", name):
        return _factory(name)
    raise unknown("model", name, [*MODELS, *FORMS], "`deepunlearn models` lists them all")


def _of_timm(name: str, shape: Shape, **options: Any) -> nn.Module:
    check_pair()
    fitted = {"num_classes": shape.classes, "in_chans": shape.channels, **options}
    return _timm.create(name, shape.pixels, fitted)


def _torchvision(name: str, shape: Shape) -> nn.Module:
    check_pair()
    from torchvision import models

    # the heads that GoogLeNet and Inception train beside their own would stay as they were drawn
    more: dict[str, Any] = {"aux_logits": False, "init_weights": True} if name in AUXILIARY else {}
    more |= {"image_size": shape.size} if name.startswith("vit_") else {}
    return fit_input(models.get_model(name, weights=None, num_classes=shape.classes, **more), shape.channels)


def _factory(name: str) -> Callable[[Shape], nn.Module]:
    module_name, _, attribute = name.partition(":")
    import_from_here()
    module = module_of(module_name, f"model {name!r}")
    if not hasattr(module, attribute):
        raise NotFound(f"model {name!r}: module {module_name} has no {attribute}", "name a function of it")
    factory = getattr(module, attribute)
    return lambda shape: _called(factory, name, shape)


def _called(factory: Callable[..., Any], name: str, shape: Shape) -> nn.Module:
    from torch import nn

    model = factory(num_classes=shape.classes)
    if not isinstance(model, nn.Module):
        raise UsageFailure(
            f"model {name!r} gave a {type(model).__name__}, not a torch module",
            "name a function that returns the network itself",
        )
    return model.float()


def _try_out(model: nn.Module, shape: Shape) -> None:
    """Show it two pictures, in use and in training; from then on it gives logits and nothing else."""
    import torch

    from deepunlearn_cli.engine import logits

    logits.settle(model, torch.zeros(2, shape.channels, *shape.pixels), shape.classes)
