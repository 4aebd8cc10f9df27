"""Gradients of single samples without a backward pass for each.

In eval mode samples do not meet, so one backward pass over a batch gives every sample's error at the output
of every layer. What sample n adds to a linear or convolution weight is sum over positions l of
outer(errors[n, l], inputs[n, l]); sums of squares and inner products follow from the factors, and the
gradients themselves (45 MB a sample for a ResNet18) are never written down where that costs more.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _BatchNorm

from deepunlearn_cli.engine.fit import as_in_use
from deepunlearn_cli.engine.pictures import Batch, Pictures
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.engine.terms import Factored, Term, Written

KEPT, KEPT_ON_CARD = 2**26, 2**30  # numbers kept at a time while inner products are made
MATRICES, SCALES = (nn.Conv2d, nn.Linear), (nn.BatchNorm2d, nn.LayerNorm)


@dataclass
class _Visit:
    """A layer that a batch went through: what went in and what came out."""

    layer: nn.Module
    inputs: Tensor
    output: Tensor


class PerSample:
    """Per-sample gradients of a model in eval mode; use it within `watching`."""

    def __init__(self, model: nn.Module, task: Task) -> None:
        self.model, self.task = model, task
        self._visits: list[_Visit] = []
        self._x, self._open = torch.empty(0), False

    @contextmanager
    def watching(self) -> Iterator[Self]:
        """The model is in eval mode and its layers are watched."""
        self._check_apart()
        tied = _tied(self.model)
        watched = [
            layer
            for layer in self.model.modules()
            if type(layer) in MATRICES + _scales() and _plain(layer) and not tied & set(layer.parameters())
        ]
        hooks = [layer.register_forward_hook(self._visit) for layer in watched]
        try:
            with as_in_use(self.model):
                yield self
        finally:
            for hook in hooks:
                hook.remove()
            self._visits = []

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, K) of a batch, to be followed by `terms`."""
        self._visits, self._x, self._open = [], batch.x, True
        logits = self.task.forward(self.model, batch)
        self._open = False
        return logits

    def terms(
        self, logits: Tensor, cotangents: Tensor, wanted: Set[Tensor] | None = None
    ) -> Iterator[tuple[Tensor, Term]]:
        """Each (wanted) weight with what the samples of the batch add to the gradients of C losses.

        Args:
            logits: what `forward` gave.
            cotangents: (C, B, K), the gradient of each loss of each sample with respect to its logits.
        """
        wanted = set(self.model.parameters()) if wanted is None else wanted
        self._check_single_use()
        visits = [visit for visit in self._visits if wanted & set(visit.layer.parameters())]
        outputs = [visit.output for visit in visits]
        errors = [self.task.errors(logits, cotangent, outputs) for cotangent in cotangents if outputs]
        for visit, *of_losses in zip(visits, *errors, strict=True):
            terms = _terms(visit, _wide(torch.stack(of_losses)), len(logits))
            yield from ((weight, term) for weight, term in terms if weight in wanted)
        seen = {weight for visit in self._visits for weight in visit.layer.parameters()}
        yield from self._others(wanted - seen, cotangents)

    def _check_apart(self) -> None:
        """Refuse what makes the pictures of a batch depend on each other, even in eval mode."""
        for layer in self.model.modules():
            if isinstance(layer, _BatchNorm) and layer.running_mean is None:
                raise self.task.refuse("per-sample gradients need BatchNorm with running statistics")
        places = [layer for _, layer in self.model.named_modules(remove_duplicate=False) if layer._parameters]
        if len(set(places)) < len(places):  # torch.func would leave its own tensors in them
            raise self.task.refuse("per-sample gradients need a model that uses each layer once")

    def _check_single_use(self) -> None:
        if len({visit.layer for visit in self._visits}) < len(self._visits):
            raise self.task.refuse("per-sample gradients need a model that uses each layer once")

    def _visit(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if not self._open or not output.requires_grad:
            return output
        self._visits.append(_Visit(layer, inputs[0].detach(), output))
        return output.clone()  # what follows may work in place

    def _others(self, wanted: Set[Tensor], cotangents: Tensor) -> Iterator[tuple[Tensor, Term]]:
        """Weights outside watched layers (tokens, embeddings, bias tables), by torch.func."""
        names: dict[str, Tensor] = {
            name: weight for name, weight in self.model.named_parameters() if weight in wanted
        }
        if not names:
            return
        losses, size, _ = cotangents.shape
        self.task.count(forward=size, backward=losses * size)
        with warnings.catch_warnings():  # a slow batching rule is slow for a few small weights only
            warnings.filterwarnings("ignore", message="There is a performance drop")
            gradients = vmap(self._pull(names), (0, 1))(self._x, cotangents)
        for name, weight in names.items():
            yield weight, Written(gradients[name].transpose(0, 1).flatten(2))

    def _pull(self, names: dict[str, Tensor]) -> Callable[[Tensor, Tensor], dict[str, Tensor]]:
        state = {**dict(self.model.named_parameters()), **dict(self.model.named_buffers())}
        fixed = {name: value.detach() for name, value in state.items() if name not in names}

        def one(x: Tensor, cotangents: Tensor) -> dict[str, Tensor]:
            def logits(weights: dict[str, Tensor]) -> Tensor:
                out: Tensor = functional_call(self.model, {**weights, **fixed}, (x[None],))
                return out[0].float()

            with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no batching rule
                pull = vjp(logits, {name: weight.detach() for name, weight in names.items()})[1]
                gradients: dict[str, Tensor] = vmap(pull)(cotangents)[0]
            return gradients

        return one


def chunk(device: torch.device) -> int:
    """Samples whose gradients are taken together: few, for a CPU's cache; many, for few CUDA launches."""
    return 256 if device.type == "cuda" else 32


def inner_products(
    model: nn.Module, part: Pictures, along: Mapping[Tensor, Tensor], task: Task
) -> tuple[Tensor, Tensor]:
    """Of the loss gradients g_n of a part's n samples: g_n . g_m (n, n) and g_n . direction (n,), float64.

    Weight by weight: where the factors of all weights do not fit in memory together, the part is passed
    over several times.

    Args:
        along: for each weight of the model, a direction of its shape.
    """
    products = torch.zeros(len(part), len(part), dtype=torch.float64, device=task.device)
    slopes = torch.zeros(len(part), dtype=torch.float64, device=task.device)
    left: set[Tensor] = set(along)
    while left:
        kept = _collect(model, part, left, task)
        left -= kept.keys()
        for weight in kept:
            products += kept[weight].gram()
            slopes += kept[weight].along(along[weight])
        kept.clear()  # before the next are collected
    return products, slopes


def _collect(model: nn.Module, part: Pictures, left: Set[Tensor], task: Task) -> dict[Tensor, Term]:
    """The terms of all samples, batch by batch, for as many weights as fit in memory, at least one."""
    kept: dict[Tensor, Term] = {}
    start, room = 0, KEPT_ON_CARD if task.device.type == "cuda" else KEPT
    with PerSample(model, task).watching() as samples:
        for batch in part.batches(chunk(task.device), shuffle=False, augment=False):
            for weight, term in _slopes(samples, batch, kept.keys() if start else left):
                needed = len(part) * term.width
                if not start and (needed <= room or not kept):
                    kept[weight], room = term.blank(len(part)), room - needed
                if weight in kept:
                    kept[weight].put(start, term)  # type: ignore[arg-type]
            start += len(batch.y)
    return kept


def _slopes(samples: PerSample, batch: Batch, wanted: Set[Tensor]) -> Iterator[tuple[Tensor, Term]]:
    """The loss gradients of a batch's samples by weight, in the form that takes less memory."""
    logits = samples.forward(batch)
    surprise = logits.detach().softmax(1) - F.one_hot(batch.y, logits.shape[1])
    for weight, term in samples.terms(logits, surprise[None], wanted):
        if weight in wanted:
            yield weight, term.smaller()


def _tied(model: nn.Module) -> set[Tensor]:
    """Weights that several layers share: what a picture adds to them is no sum over layers squared."""
    uses = Counter(w for layer in model.modules() for w in layer._parameters.values() if w is not None)
    return {weight for weight, count in uses.items() if count > 1}


def _scales() -> tuple[type[nn.Module], ...]:
    """Normalisations whose arithmetic is known; timm's are only met where it is loaded."""
    timms = sys.modules.get("timm.layers.norm")
    return (*SCALES, timms.LayerNorm) if timms else SCALES


def _plain(layer: nn.Module) -> bool:
    """Whether a convolution pads as `unfold` does."""
    return not isinstance(layer, nn.Conv2d) or (
        layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    )


def _terms(visit: _Visit, errors: Tensor, size: int) -> Iterator[tuple[Tensor, Term]]:
    """What a visit adds to the weights of its layer; errors (C, *output shape)."""
    layer, inputs = visit.layer, _wide(visit.inputs)
    if type(layer) in _scales():
        yield from _scale_terms(layer, inputs, errors, size)
        return
    factored = _factored(layer, inputs, errors, size)
    assert isinstance(layer.weight, Tensor)
    yield layer.weight, factored
    if isinstance(layer.bias, Tensor):
        yield layer.bias, Written(factored.errors.sum(3).flatten(2))


def _factored(layer: nn.Module, inputs: Tensor, errors: Tensor, size: int) -> Factored:
    if not isinstance(layer, nn.Conv2d):
        return Factored(_flat(inputs[None], size)[0, :, None], _flat(errors, size)[:, :, None])
    columns = F.unfold(inputs, layer.kernel_size, layer.dilation, layer.padding, layer.stride)  # type: ignore[arg-type]
    by_group = (size, layer.groups, -1, columns.shape[2])
    columns, errors = columns.view(by_group), errors.reshape(len(errors), *by_group)
    return Factored(columns.transpose(2, 3).contiguous(), errors.transpose(3, 4).contiguous())


def _scale_terms(
    layer: nn.Module, inputs: Tensor, errors: Tensor, size: int
) -> Iterator[tuple[Tensor, Written]]:
    """Scale and shift of a normalisation: sums over positions of error * normalised input, and of error."""
    if isinstance(layer, nn.BatchNorm2d):
        normal = F.batch_norm(inputs, layer.running_mean, layer.running_var, eps=layer.eps)
        normal, errors = normal.movedim(1, -1), errors.movedim(2, -1)
    else:
        assert isinstance(layer, nn.LayerNorm)
        normal = F.layer_norm(inputs, layer.normalized_shape, eps=layer.eps)
    if isinstance(layer.weight, Tensor):
        yield layer.weight, Written(_flat(normal * errors, size).sum(2))
    if isinstance(layer.bias, Tensor):
        yield layer.bias, Written(_flat(errors, size).sum(2))


def _wide(values: Tensor) -> Tensor:
    """In 32 bits at least."""
    return values if values.dtype == torch.float64 else values.float()


def _flat(values: Tensor, size: int) -> Tensor:
    """(C, B * anything, ..., X) as (C, B, positions, X): a picture's windows and tokens lie together."""
    return values.reshape(len(values), size, -1, values.shape[-1])
