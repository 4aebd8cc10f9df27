"""Files that lie about themselves: every claim has a declared type, and nothing is unpacked on trust."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepunlearn_cli.checkpoints.file import read, write
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.data._entries import read_entries

WEIGHTS = {"a.weight": torch.arange(6.0).view(2, 3)}
RECIPE = Recipe("train", "original", data={"fingerprint": "0" * 64, "val_share": 0.1}).to_json()
FORGET = {"spec": "random:0.1", "indices": [1, 2], "pictures": ["a" * 64, "b" * 64]}
CLAIMS = {"recipe": RECIPE, "dataset": "digits", "image_size": 8, "forget": FORGET, "created": 5.0}
WRONG: dict[str, list[Any]] = {
    "dataset": [1, True, {"a": 1}, ["a"]],
    "image_size": [0, -1, "x", 2.5, math.nan, 10**30],
    "classes": ["x", [1], {"a": 1}],
    "created": ["x", None, math.nan, 1e300, -5],
    "forget": [1, "x", ["a"], {}, FORGET | {"indices": []}, FORGET | {"indices": [1]}],
    "recipe": [None, 1, "x", {}, RECIPE | {"data": {"fingerprint": "../../x"}}, RECIPE | {"forget": "x"}],
}
CASES = [(key, value) for key, values in WRONG.items() for value in values]
LATER = [{"split_seed": 2.5}, {"val_share": math.nan}, {"val_share": "x"}, {"mean": "x"}, {"canary": 3}]
CASES += [("recipe", RECIPE | {"data": data}) for data in LATER]


@pytest.mark.parametrize(("key", "value"), CASES)
def test_a_claim_of_another_type_names_file_and_key(tmp_path: Path, key: str, value: object) -> None:
    write(tmp_path / "good.pt", WEIGHTS, CLAIMS)
    assert read(tmp_path / "good.pt").claims["dataset"] == "digits"
    write(tmp_path / "bad.pt", WEIGHTS, CLAIMS | {key: value})
    with pytest.raises(UsageFailure, match=rf"bad\.pt: its description is not readable: {key}\b"):
        read(tmp_path / "bad.pt")


def test_claims_nested_without_end_are_refused(tmp_path: Path) -> None:
    for text in ("[" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000, '{"created": 1' + "0" * 5000 + "}"):
        plain = torch.nn.Linear(2, 2).state_dict()
        plain._metadata = {"deepunlearn": {"deepunlearn": text}}  # type: ignore[attr-defined]
        torch.save(plain, tmp_path / "deep.pt")
        with pytest.raises(UsageFailure, match=r"deep\.pt: its description"):
            read(tmp_path / "deep.pt")


@pytest.mark.parametrize(
    ("tensor", "says"),
    [
        (torch.eye(3).to_sparse(), "sparse"),
        (torch.empty(3, 3, device="meta"), "meta"),
        (torch.zeros(1).expand(10**9), "values made of 4 bytes"),
    ],
)
def test_tensors_without_plain_values_are_refused(tmp_path: Path, tensor: torch.Tensor, says: str) -> None:
    torch.save({"a.weight": tensor}, tmp_path / "odd.pt")
    with pytest.raises(UsageFailure, match=says):
        read(tmp_path / "odd.pt")


def test_an_archive_that_unpacks_to_far_more_is_refused_unread(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("archive/data/0", "w") as entry:
            for _ in range(80):
                entry.write(bytes(1 << 20))
        archive.writestr("archive/data.pkl", b"never read")
    with pytest.raises(UsageFailure, match="would unpack to 83886090"):
        read(tmp_path / "bomb.pt")


def header(shape: tuple[int, ...]) -> bytes:
    text = io.BytesIO()
    np.lib.format.write_array_header_1_0(text, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return text.getvalue()


def test_arrays_that_claim_more_than_they_hold_are_refused(tmp_path: Path) -> None:
    from deepunlearn_cli.data import check_spec, open_dataset

    (tmp_path / "big.npy").write_bytes(header((10**15,)))
    with pytest.raises(UsageFailure, match="claims 1000000000000000 bytes"):
        read_entries(tmp_path / "big.npy")
    with zipfile.ZipFile(tmp_path / "big.npz", "w") as archive:
        archive.writestr("x_train.npy", header((10**9, 1000, 1000)))
        archive.writestr("y_train.npy", header((10**9,)))
    check_spec(f"npz:{tmp_path / 'big.npz'}")
    with pytest.raises(UsageFailure, match="x_train cannot be read"):
        open_dataset(f"npz:{tmp_path / 'big.npz'}", tmp_path / "home")


def test_pictures_that_unpack_to_far_more_are_refused_unread(tmp_path: Path) -> None:
    from deepunlearn_cli.data import open_dataset

    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x_train.npy", "w") as entry:
            entry.write(header((80, 1024, 1024)))
            for _ in range(80):
                entry.write(bytes(1 << 20))
        archive.writestr("y_train.npy", b"never read")
    with pytest.raises(UsageFailure, match="nothing was unpacked"):
        open_dataset(f"npz:{tmp_path / 'bomb.npz'}", tmp_path / "home")
