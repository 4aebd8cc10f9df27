"""TinyViT without padded windows is timm's TinyViT."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from timm.models.tiny_vit import TinyVitBlock
from torch import nn

from deepunlearn_cli.engine.fit import as_in_use
from deepunlearn_cli.engine.windows import UnpaddedBlock, unpad
from deepunlearn_cli.models import Shape, build


def moved(model: nn.Module) -> nn.Module:
    """Biases and scales that are not those of a new model, so that padding tokens are not zero."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 1 or "attention_biases" in name:
                weight.add_(0.2 * torch.randn_like(weight))
    return model


def answers(model: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Output and gradients of all weights."""
    model.zero_grad()
    out = model(x)
    (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)).sum().backward()
    return out.detach(), {name: weight.grad for name, weight in model.named_parameters()}


def agree(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float, least: float = 1e-9) -> None:
    """Equal to a tolerance relative to the largest number (gradients that vanish: to `least`)."""
    scale = max(float(theirs.abs().max()), least)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize(
    ("window", "height", "width"), [(7, 4, 4), (7, 1, 1), (14, 2, 2), (7, 8, 8), (7, 9, 3)]
)
def test_a_block_is_the_same_function_with_the_same_gradients(window: int, height: int, width: int) -> None:
    theirs = moved(TinyVitBlock(32, 2, window)).double()
    ours = unpad(copy.deepcopy(theirs))
    assert type(ours) is UnpaddedBlock
    x = torch.randn(3, height, width, 32).double()
    (a, of_a), (b, of_b) = answers(ours, x), answers(theirs, x)
    agree(a, b, 1e-12)
    least = 1e-3 * max(float(gradient.abs().max()) for gradient in of_b.values())
    for name, gradient in of_b.items():
        agree(of_a[name], gradient, 1e-10, least)


@pytest.mark.parametrize("size", [28, 32, 64, pytest.param(224, marks=pytest.mark.slow)])
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_a_whole_tinyvit_agrees(size: int, mode: str) -> None:
    theirs = moved(timm.create_model("tiny_vit_5m_224", num_classes=5))
    ours = unpad(copy.deepcopy(theirs))
    x = torch.randn(2, 3, size, size)
    if mode == "train":  # BatchNorm over few values magnifies rounding: compared in double precision
        theirs, ours, x = theirs.double(), ours.double(), x.double()
        (a, of_a), (b, of_b) = answers(ours, x), answers(theirs, x)
        tolerance = 1e-6
    else:
        with as_in_use(theirs), as_in_use(ours):
            (a, of_a), (b, of_b) = answers(ours, x), answers(theirs, x)
        tolerance = 1e-5
    agree(a, b, tolerance)
    least = 1e-3 * max(float(gradient.abs().max()) for gradient in of_b.values())
    for name, gradient in of_b.items():
        agree(of_a[name], gradient, tolerance, least)


def test_bf16_agrees_as_far_as_bf16_goes() -> None:
    theirs = moved(timm.create_model("tiny_vit_5m_224", num_classes=5)).eval()
    ours, x = unpad(copy.deepcopy(theirs)), torch.randn(4, 3, 32, 32)
    with torch.inference_mode():
        exact = theirs(x)
        with torch.autocast("cpu", torch.bfloat16):
            error = (theirs(x) - exact).abs().max()
            assert (ours(x) - exact).abs().max() < 2 * error + 0.01


def test_weights_go_both_ways_and_eval_never_keeps_old_biases() -> None:
    ours = build("timm:tiny_vit_5m_224", Shape(5, 3, 32))
    assert any(type(module) is UnpaddedBlock for module in copy.deepcopy(ours).modules())
    theirs = timm.create_model("tiny_vit_5m_224", num_classes=5)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        before = ours.eval()(x)
    with torch.no_grad():
        for name, weight in ours.named_parameters():
            if "attention_biases" in name:
                weight.add_(torch.randn_like(weight))
    with torch.inference_mode():
        assert not torch.equal(before, ours(x))
