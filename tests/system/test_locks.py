"""Folders of one's own: gone when their owner is done with them, whatever interrupts that."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deepunlearn_cli.system import locks


def test_a_folder_of_ones_own_goes_though_a_signal_comes_while_it_does(tmp_path: Path, monkeypatch) -> None:
    real, calls = shutil.rmtree, []

    def interrupted(folder: Path, **settings: bool) -> None:
        calls.append(folder)
        if len(calls) == 1:
            raise KeyboardInterrupt
        real(folder, **settings)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt), locks.own_folder(tmp_path, ".replay-") as folder:
        (folder / "run").touch()
    assert list(tmp_path.iterdir()) == []
