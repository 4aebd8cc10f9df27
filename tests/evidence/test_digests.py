"""Digests of models: the same in every file, another for whatever else, and none that two models share."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from deepunlearn_cli.evidence import digests
from deepunlearn_cli.store.manifest import sha256_of

WEIGHTS = {
    "b.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "a.bias": torch.tensor([1.5, -2.0], dtype=torch.float64),
    "steps": torch.tensor(7),
    "none": torch.zeros(0, 3),
    "half": torch.tensor([1.0, 2.0], dtype=torch.bfloat16),
}


def test_anybody_can_compute_it():
    digest = hashlib.sha256()
    names = {
        torch.float32: "float32",
        torch.float64: "float64",
        torch.int64: "int64",
        torch.bfloat16: "bfloat16",
    }
    for name in sorted(WEIGHTS):
        value = WEIGHTS[name]
        head = json.dumps([name, names[value.dtype], list(value.shape)], separators=(",", ":"))
        digest.update(f"{head}\n".encode() + bytes(value.reshape(-1).view(torch.uint8).tolist()))
    assert digests.of_tensors(WEIGHTS) == digest.hexdigest()


def test_neither_order_nor_file_nor_layout_changes_it(tmp_path):
    known = digests.of_tensors(WEIGHTS)
    assert digests.of_tensors(dict(reversed(WEIGHTS.items()))) == known
    save_file(WEIGHTS, tmp_path / "a.safetensors")
    torch.save(WEIGHTS, tmp_path / "a.pt")
    assert digests.of_tensors(load_file(tmp_path / "a.safetensors")) == known
    assert digests.of_tensors(torch.load(tmp_path / "a.pt")) == known
    assert sha256_of(tmp_path / "a.pt") != sha256_of(tmp_path / "a.safetensors")
    picture = torch.randn(2, 3, 4, 5)
    spread = picture.to(memory_format=torch.channels_last)
    assert digests.of_tensors({"w": picture}) == digests.of_tensors({"w": spread})


@pytest.mark.parametrize(
    "change",
    [
        {"steps": torch.tensor(8)},
        {"steps": torch.tensor([7])},
        {"steps": torch.tensor(7, dtype=torch.int32)},
        {"b.weight": WEIGHTS["b.weight"].reshape(3, 2)},
        {"b.weight": WEIGHTS["b.weight"].nextafter(torch.tensor(9.0))},
        {"more": torch.tensor(0)},
    ],
)
def test_every_change_shows(change):
    assert digests.of_tensors(WEIGHTS | change) != digests.of_tensors(WEIGHTS)


def test_no_name_passes_for_the_end_of_another_tensor():
    two = {
        "x": torch.frombuffer(bytearray(b"ABCDE"), dtype=torch.uint8),
        "y": torch.tensor([90], dtype=torch.uint8),
    }
    one = {'x","uint8",[5]]\nABCDE["y': torch.tensor([90], dtype=torch.uint8)}
    assert digests.of_tensors(one) != digests.of_tensors(two)
