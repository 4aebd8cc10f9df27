"""Settings of all tests: one thread, because tiny models only lose by more, and no user's environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ["OMP_NUM_THREADS"] = "1"
# The server that tests fork processes from loads the kits beforehand: Python 3.11 looks for them here alone.
places = (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))
os.environ["PYTHONPATH"] = os.pathsep.join(place for place in places if place)
for name in [name for name in os.environ if name.startswith("DEEPUNLEARN_")]:
    del os.environ[name]


@pytest.fixture(autouse=True)
def _one_thread(request: pytest.FixtureRequest) -> None:
    import sys

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
