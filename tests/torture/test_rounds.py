"""Random commands under random disturbances: nothing that was sealed is lost, nothing ends in an accident.

`pytest -m torture` runs DEEPUNLEARN_TORTURE_ROUNDS rounds (200, some twenty minutes on two cores) of the seed
DEEPUNLEARN_TORTURE_SEED (0). Every round has its own store and its own numbers, so that one that failed is
had again alone: `DEEPUNLEARN_TORTURE_SEED=0 pytest -m torture 'tests/torture/test_rounds.py::test_round[17]'`.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import disturbances as happens
import pytest
from damage import beside, damage
from round_kit import Scene, scene

pytestmark = pytest.mark.torture
ROUNDS = int(os.environ.get("DEEPUNLEARN_TORTURE_ROUNDS", "200"))
EACH = 2  # disturbances of a round, one after the other
SEED = os.environ.get("DEEPUNLEARN_TORTURE_SEED", "0")
ALWAYS: list[Callable[[Scene], None]] = [
    happens.signals, happens.signals, happens.signals, happens.pruning, happens.worker, happens.start_up, happens.bad_input,
    happens.bad_input, happens.streams, damage, damage, damage, beside,
]  # fmt: skip


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that another user may look into, as pytest's own are not."""
    place = Path(tempfile.mkdtemp(prefix="deepunlearn-torture-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def possible(tmp_path_factory: pytest.TempPathFactory) -> list[Callable[[Scene], None]]:
    """What can be done here: other users and full disks take rights."""
    users = [happens.other_user] if happens.is_root() else []
    disks = [happens.full_disk] * 2 if happens.can_mount(tmp_path_factory.mktemp("disk") / "at") else []
    for name, there in (("no second user", users), ("no full disk", disks)):
        if not there:
            print(f"torture: {name}: this user may not")
    return [*ALWAYS, *users, *disks]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_round(number, folder, possible):
    happenings = random.Random(f"{SEED}-{number}-what").choices(possible, k=EACH)
    at = scene(folder, f"{SEED}-{number}")
    for happening in sorted(
        happenings, key=lambda one: one is beside
    ):  # what that leaves is nobody's to repair
        before = at.sealed()
        at.history.append(f"# seed {SEED}, round {number}: {happening.__name__}")
        happening(at)
        at.check_kept(before)
