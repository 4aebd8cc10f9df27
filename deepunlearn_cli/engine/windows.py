"""TinyViT without padded windows: the same function, far less work on small pictures.

TinyViT fills windows of 7x7 or 14x14 tokens with zeros where the picture ends (at 32 pixels, 192 of 196
tokens in some stages) and does not mask them. All padding tokens of a window are one and the same vector, so
keys and values can be the real tokens and a single padding token, whose attention bias is the log of the sum
of exp(bias) over the padded positions: softmax over the window is exactly softmax over these. Queries of
padded positions are thrown away in the end and need not be computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import torch
from timm.models.tiny_vit import Attention, TinyVitBlock
from torch import Tensor, nn


class _Span(NamedTuple):
    """Where windows of one width lie along an axis: from `start` to `end`, `real` tokens each."""

    start: int
    end: int
    real: int


class UnpaddedBlock(TinyVitBlock):
    """timm's TinyVitBlock; an instance of that becomes one of this by its class alone, weights and all."""

    attn: Attention

    def forward(self, x: Tensor) -> Tensor:
        """The block's output (B, H, W, C)."""
        height, width = x.shape[1:3]
        if height % self.window_size == 0 and width % self.window_size == 0:
            return super().forward(x)  # type: ignore[no-untyped-call, no-any-return]
        x = x + self.drop_path1(self._attention(x))
        x = self.local_conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        x = x.flatten(1, 2)
        out: Tensor = x + self.drop_path2(self.mlp(x))
        return out.view(-1, height, width, self.dim)

    def _attention(self, x: Tensor) -> Tensor:
        """Window attention (B, H, W, C): layers that work token by token see each real token once."""
        attn = self.attn
        batch, height, width, channels = x.shape
        tokens = torch.cat([x.flatten(1, 2), x.new_zeros(batch, 1, channels)], dim=1)  # the last is padding
        mixed = attn.qkv(attn.norm(tokens)).unflatten(2, (attn.num_heads, -1))
        real, padding = mixed[:, :-1].unflatten(1, (height, width)), mixed[:, -1]
        rows = [
            torch.cat([self._region(real, padding, across, along) for along in self._spans(width)], dim=2)
            for across in self._spans(height)
        ]
        return attn.proj(torch.cat(rows, dim=1))  # type: ignore[no-any-return]

    def _spans(self, size: int) -> Iterator[_Span]:
        whole = size - size % self.window_size
        if whole:
            yield _Span(0, whole, self.window_size)
        if whole < size:
            yield _Span(whole, size, size - whole)

    def _region(self, real: Tensor, padding: Tensor, rows: _Span, columns: _Span) -> Tensor:
        """Attention within windows of one shape: (B, h, w, C).

        Args:
            real: queries, keys and values of real tokens (B, H, W, heads, q+k+v).
            padding: those of the padding token (B, heads, q+k+v).
        """
        attn, shape = self.attn, (rows.real, columns.real)
        windows = _split(real[:, rows.start : rows.end, columns.start : columns.end], shape)
        padded = rows.real * columns.real < self.window_size**2
        tokens = windows
        if padded:
            repeat = windows.shape[0] // padding.shape[0]
            once = padding[:, None, :, None].expand(-1, repeat, -1, -1, -1).flatten(0, 1)
            tokens = torch.cat([windows, once], dim=2)
        query = windows[..., : attn.key_dim] * attn.scale
        _, key, value = torch.split(tokens, [attn.key_dim, attn.key_dim, attn.val_dim], dim=3)
        chances = (query @ key.transpose(2, 3) + self._biases(shape)).softmax(dim=3)
        return _joined(chances.to(value.dtype) @ value, shape, rows, columns)

    def _biases(self, shape: tuple[int, int]) -> Tensor:
        """Bias (heads, n, n) among n real positions, with a last column for the padding if there is any."""
        table: Tensor = self.attn.attention_biases
        places: Tensor = self.attn.attention_bias_idxs  # type: ignore[assignment]  # a buffer
        order = _order(self.window_size, shape, places.device)
        count = shape[0] * shape[1]
        biases = table[:, places[order[:count]][:, order]]
        if count == len(order):
            return biases
        return torch.cat([biases[..., :count], biases[..., count:].logsumexp(dim=2, keepdim=True)], dim=2)


def unpad(model: nn.Module) -> nn.Module:
    """The same model with every TinyViT block of timm's computing without padding."""
    for module in model.modules():
        if type(module) is TinyVitBlock:
            module.__class__ = UnpaddedBlock
    return model


@cache
def _order(window: int, shape: tuple[int, int], device: torch.device) -> Tensor:
    """Positions of a window of `window` rows and columns, the real ones (in its first `shape`) first.

    Kept, since a mask is turned into positions on the host, which waits for the device.
    """
    with torch.inference_mode(False):  # else a model that is first used to predict could not be trained
        grid = torch.arange(window**2).view(window, -1)
        inside = torch.zeros_like(grid, dtype=torch.bool)
        inside[: shape[0], : shape[1]] = True
        return torch.cat([grid[inside], grid[~inside]]).to(device)


def _split(x: Tensor, shape: tuple[int, int]) -> Tensor:
    """(B, H, W, heads, D) into windows (B * windows, heads, n, D)."""
    batch, height, width, heads, depth = x.shape
    tiled = x.reshape(batch, height // shape[0], shape[0], width // shape[1], shape[1], heads, depth)
    return tiled.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, heads, shape[0] * shape[1], depth)


def _joined(x: Tensor, shape: tuple[int, int], rows: _Span, columns: _Span) -> Tensor:
    """Windows (B * windows, heads, n, D) back into (B, h, w, heads * D)."""
    down, across = (rows.end - rows.start) // shape[0], (columns.end - columns.start) // shape[1]
    tiled = x.reshape(-1, down, across, x.shape[1], *shape, x.shape[3])
    return tiled.permute(0, 1, 4, 2, 5, 3, 6).reshape(
        -1, down * shape[0], across * shape[1], x.shape[1] * x.shape[3]
    )
