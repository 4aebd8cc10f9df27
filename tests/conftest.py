"""Settings of all tests: one thread each, for all cores are at work, and no user's environment."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

os.environ["OMP_NUM_THREADS"] = "1"
for name in [
    name
    for name in os.environ
    if name.startswith("DEEPUNLEARN_") and not name.startswith("DEEPUNLEARN_TORTURE")
]:
    del os.environ[name]

# A shell starts what runs in its background deaf to Ctrl-C, `nohup` to hang-ups, and whatever that starts inherits
# it: tests that send one would wait for ever. A handler that does nothing is not inherited, and keeps pytest deaf.
signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)


def pytest_configure() -> None:
    """The server that tests fork processes from loads the kits beforehand: Python 3.11 looks for them here alone."""
    places = (__file__.rpartition(os.sep)[0], os.environ.get("PYTHONPATH"))
    os.environ["PYTHONPATH"] = os.pathsep.join(place for place in places if place)


LONG_FIRST = (
    "test_docs_run.py",
    "test_cluster.py",
)  # few tests that take long: begun last, one worker would wait


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files whose tests take longest come first, then those with the most tests: workers end together."""
    sizes = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path.name not in LONG_FIRST, -sizes[item.path]))


@pytest.fixture(autouse=True)
def _tables_fit() -> Iterator[None]:
    """Every table that a command of a test prints fits every terminal."""
    yield
    if kit := sys.modules.get("fitting_kit"):
        faults, kit.found[:] = kit.found[:], []
        assert not faults, faults[:9]


@pytest.fixture(autouse=True)
def _one_thread(request: pytest.FixtureRequest) -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
