"""Arrays from outside: whatever is wrong with a file is one kind of error, and nothing is unpacked for it."""

from __future__ import annotations

import io
import random
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from cli_kit import call

from deepunlearn_cli.core.npy import read_array, read_arrays


def npy(header: str) -> bytes:
    text = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def told(shape: str, kind: str) -> bytes:
    return npy(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}")


def saved(**arrays: object) -> bytes:
    made = io.BytesIO()
    np.savez_compressed(made, **arrays)
    return made.getvalue()


CLAIMS = {
    "10^15 bytes": told("(1000000000000000,)", "<f8"),
    "10^15 of nothing": told("(1000000000000000,)", "<U0"),
    "no shape": told("None", "<f8"),
    "less than none": told("(-3,)", "<f8"),
    "objects": told("(1,)", "|O"),
    "half a header": told("(1,)", "<f8")[:20],
    "an archive": saved(logits=np.zeros(3)),
    "nothing": b"",
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_is_no_array_is_refused(claim, tmp_path: Path):
    (tmp_path / "s.npy").write_bytes(CLAIMS[claim])
    np.save(tmp_path / "ok.npy", np.linspace(0, 1, 50))
    with pytest.raises(ValueError, match=r"\w"):
        read_array(tmp_path / "s.npy")
    said = call("attack", "umia", "--scores", tmp_path / "s.npy", "--against", tmp_path / "ok.npy")
    assert said.code == 2, said
    assert "s.npy cannot be read" in said.err


@pytest.mark.parametrize("seed", range(40))
def test_a_flipped_byte_is_a_value_error_or_none(seed, tmp_path: Path):
    rng = random.Random(seed)
    whole = saved(logits=np.arange(300.0), labels=np.arange(300))
    for content, read in ((whole, lambda file: read_arrays(file, ("logits", "labels"))),
                          (told("(4,)", "<f8") + bytes(32), read_array)):  # fmt: skip
        torn = bytearray(content)
        torn[rng.randrange(len(torn))] ^= 1 << rng.randrange(8)
        (tmp_path / "a").write_bytes(torn)
        with suppress(ValueError):
            read(tmp_path / "a")


@pytest.mark.parametrize("kind", ["hardest", "indices", "npz", "prove"])
def test_every_border_takes_them_so(kind, tmp_path: Path):
    (tmp_path / "f.npy").write_bytes(CLAIMS["10^15 of nothing"])
    (tmp_path / "f.npz").write_bytes(b"PK\x03\x04" + saved(x_train=np.zeros(9))[4:][::-1])
    train = ("train", "--model", "resnet-tiny", "--store", tmp_path / "store", "-p", "epochs=1")
    words = {
        "hardest": ("--dataset", "digits", "--forget", f"hardest:0.1:{tmp_path / 'f.npy'}"),
        "indices": ("--dataset", "digits", "--forget", f"indices:{tmp_path / 'f.npy'}"),
        "npz": ("--dataset", f"npz:{tmp_path / 'f.npz'}"),
        "prove": ("--dataset", f"npz:{tmp_path / 'f.npy'}"),
    }[kind]
    said = call(*train, *words)
    assert said.code == 2, said
    assert "unexpected" not in said.err
