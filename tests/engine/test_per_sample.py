"""Per-sample gradients against one backward pass per sample."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tiny
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.engine import per_sample
from deepunlearn_cli.engine import terms as terms_module
from deepunlearn_cli.engine.per_sample import PerSample, inner_products
from deepunlearn_cli.engine.pictures import Batch, Pixels
from deepunlearn_cli.engine.terms import Factored, Term
from deepunlearn_cli.models import Shape, build

SAMPLES = 5


def grouped() -> nn.Module:
    """Grouped, strided, dilated and in-place layers, a frozen-looking bias-free one, a group norm."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, stride=2),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4, bias=False),
        nn.GroupNorm(2, 8),
        nn.Conv2d(8, 8, 3, padding="same", groups=8),
        nn.Conv2d(8, 4, 1),
        nn.Flatten(),
        nn.LayerNorm(64),
        nn.Linear(64, tiny.CLASSES),
    )


def attention() -> nn.Module:
    """torchvision's own ViT keeps its attention weights outside layers."""
    from torchvision.models import VisionTransformer

    return VisionTransformer(tiny.SIZE, 4, 1, 2, 8, 16, num_classes=tiny.CLASSES)


MODELS: dict[str, Callable[[], nn.Module]] = {
    **tiny.MODELS,
    "grouped": grouped,
    "attention": attention,
    "tinyvit": lambda: build("timm:tiny_vit_5m_224", Shape(tiny.CLASSES, 3, 32)),
}


def setting(kind: str) -> tuple[nn.Module, Batch]:
    torch.manual_seed(0)
    model, size = MODELS[kind](), 32 if kind == "tinyvit" else tiny.SIZE
    for buffer in model.buffers():  # running statistics that are not those of a new model
        if buffer.is_floating_point() and buffer.dim() == 1:
            buffer.add_(torch.rand_like(buffer) * 0.5)
    labels = torch.arange(SAMPLES) % tiny.CLASSES
    part = tiny.part(Pixels(torch.randn(SAMPLES, size, size, 3), labels, tiny.CPU), range(SAMPLES))
    return model, next(part.batches(SAMPLES, shuffle=False))


def terms(model: nn.Module, batch: Batch) -> tuple[dict[str, Term], dict[str, Tensor]]:
    """What is computed, and per-sample gradients (B, P) from a loop, by parameter name."""
    names = {weight: name for name, weight in model.named_parameters()}
    watcher = PerSample(model, tiny.task("cnn"))
    with watcher.watching():
        logits = watcher.forward(batch)
        cotangents = logits.softmax(1).detach() - F.one_hot(batch.y, tiny.CLASSES)
        found = {names[weight]: term for weight, term in watcher.terms(logits, cotangents[None])}
        rows = []
        for i in range(SAMPLES):
            loss = F.cross_entropy(model(batch.x[i : i + 1]), batch.y[i : i + 1])
            rows.append(torch.autograd.grad(loss, list(names)))
    return found, {
        name: torch.stack([row[i].flatten() for row in rows]) for i, name in enumerate(names.values())
    }


@pytest.mark.parametrize("kind", MODELS)
def test_squares_products_and_directions_are_those_of_single_backward_passes(kind: str) -> None:
    model, batch = setting(kind)
    found, loop = terms(model, batch)
    assert found.keys() == loop.keys()
    for name, gradients in loop.items():
        scale = float(gradients.abs().max()) + 1e-12
        direction = torch.randn(gradients.shape[1])
        close = {"rtol": 1e-4, "atol": 1e-5 * scale**2}
        torch.testing.assert_close(found[name].squares(), gradients.square().sum(0), **close, msg=name)
        gram = gradients @ gradients.T
        torch.testing.assert_close(found[name].gram(), gram, rtol=1e-4, atol=1e-4 * float(gram.abs().max()))
        along = gradients @ direction
        shaped = direction.view(dict(model.named_parameters())[name].shape)
        torch.testing.assert_close(
            found[name].along(shaped), along, rtol=1e-3, atol=1e-4 * float(along.abs().max()) + 1e-9
        )


@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind != "tinyvit"])
def test_squares_of_several_losses_are_summed(kind: str) -> None:
    model, batch = setting(kind)
    names = {weight: name for name, weight in model.named_parameters()}
    watcher = PerSample(model, tiny.task("cnn"))
    with watcher.watching():
        logits = watcher.forward(batch)
        cotangents = torch.randn(4, SAMPLES, tiny.CLASSES)
        together = {weight: term.squares() for weight, term in watcher.terms(logits, cotangents)}
        for weight, name in names.items():
            single = [dict(watcher.terms(logits, one[None]))[weight].squares() for one in cotangents]
            total = torch.stack(single).sum(0)
            torch.testing.assert_close(
                together[weight], total, rtol=1e-4, atol=1e-5 * float(total.abs().max()), msg=name
            )


@pytest.mark.parametrize(("positions", "inputs", "outputs"), [(1, 9, 7), (4, 9, 7), (6, 2, 3), (30, 2, 3)])
@pytest.mark.parametrize("losses", [1, 5])
def test_both_ways_to_sums_and_products_agree(
    positions: int, inputs: int, outputs: int, losses: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    factored = Factored(
        torch.randn(8, 2, positions, inputs, generator=generator),
        torch.randn(losses, 8, 2, positions, outputs, generator=generator),
    )
    for limit in ("ROOM", "CACHED"):  # so that both ways work in several pieces
        monkeypatch.setattr(terms_module, limit, 200)
    monkeypatch.setattr(terms_module, "BLOCK", 3)
    torch.testing.assert_close(factored.squares(), factored.written().squares())
    torch.testing.assert_close(factored.gram(), factored.written().gram(), rtol=1e-4, atol=1e-4)
    whole = factored.blank(8)
    for part in (slice(3), slice(3, 8)):
        whole.put(part.start or 0, Factored(factored.inputs[part], factored.errors[:, part]))
    torch.testing.assert_close(whole.gram(), factored.gram())
    torch.testing.assert_close(factored.smaller().gram(), factored.gram(), rtol=1e-4, atol=1e-4)


def test_a_layer_that_is_used_twice_is_refused() -> None:
    layer = nn.Linear(3 * 64, 3 * 64)
    model = nn.Sequential(nn.Flatten(), layer, layer, nn.Linear(3 * 64, tiny.CLASSES))
    with pytest.raises(UsageFailure, match="each layer once"):
        terms(model, setting("cnn")[1])


@pytest.mark.parametrize("kind", ["attention", "vit"])
def test_inner_products_weight_by_weight_are_those_of_all_at_once(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights outside layers may be all that is left for a pass (a TinyViT's bias tables)."""
    task, model = tiny.task(), MODELS[kind]()
    along = {weight: torch.ones_like(weight) for weight in model.parameters()}
    whole = inner_products(model, task.forget, along, task)
    monkeypatch.setattr(per_sample, "KEPT", 1)
    for found, expected in zip(inner_products(model, task.forget, along, task), whole, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("positions", [1, 4, 16, 64])
def test_sums_on_a_card_are_those_of_a_cpu(positions: int) -> None:
    generator = torch.Generator().manual_seed(positions)
    inputs = torch.randn(40, 2, positions, 9, generator=generator)
    errors = torch.randn(3, 40, 2, positions, 7, generator=generator)
    near, far = Factored(inputs, errors), Factored(inputs.cuda(), errors.cuda())
    torch.testing.assert_close(far.squares().cpu(), near.squares(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(far.gram().cpu(), near.gram(), rtol=1e-4, atol=1e-3)
    along = torch.randn(14, 9, generator=generator)
    torch.testing.assert_close(far.along(along.cuda()).cpu(), near.along(along), rtol=1e-4, atol=1e-3)
