"""Input channels fitted to the pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def fit_input(model: nn.Module, channels: int) -> nn.Module:
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
