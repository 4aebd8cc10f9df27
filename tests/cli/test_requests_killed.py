"""Ten requests under kill -9, between and within them: the same commands complete and give the same bits."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import cli_kit
import numpy as np
import pytest

from deepunlearn_cli.store.ledger import Ledger

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")

WITHIN = 1.5  # seconds: about what a command takes


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_a_byte(append: int, share: float) -> None:
    """Have this process die at some byte of a line of the ledger."""
    from deepunlearn_cli.store import ledger

    count = iter(range(append, -1, -1))

    def write(descriptor: int, content: bytes, at: int, known=ledger._all) -> None:
        if next(count) == 0:
            os.pwrite(descriptor, content[: int(share * (len(content) + 1))], at)
            die()
        known(descriptor, content, at)

    ledger._all = write


def before_the_head(append: int) -> None:
    """Have this process die between a line of the ledger and its head."""
    from deepunlearn_cli.store.ledger import Ledger

    count = iter(range(append, -1, -1))

    def keep(self, entry, known=Ledger._keep_head) -> None:
        if next(count) == 0:
            die()
        known(self, entry)

    Ledger._keep_head = keep


def request(place: cli_kit.Bench, number: int, ckpt: object) -> tuple[object, ...]:
    """The command of a request: a few pictures of its own."""
    listed = place.home / f"request-{number}.txt"
    (kept,) = (place.home / "drawn").glob("*.npz")
    indices = np.load(kept)["indices"][2 * number : 2 * number + 2]
    listed.write_text("".join(f"{one}\n" for one in indices.tolist()), "utf-8")
    out = place.home / f"clean-{number}.pt"
    return (
        "unlearn", "--method", "ga", "-p", "epochs=1", "--ckpt", ckpt, "--forget", f"indices:{listed}",
        "--out", out, "--request", f"R-{number}", "--store", place.store, "-q",
    )  # fmt: skip


def told(place: cli_kit.Bench) -> list[tuple[object, ...]]:
    """What the ledger says, less the clock's part."""
    entries = Ledger(place.store).entries()
    return [
        (one.number, one.request, one.event, one.details.get("runs"), one.details.get("weights"))
        for one in entries
    ]


def killed(place: cli_kit.Bench, words: Sequence[object], moment: random.Random) -> None:
    """Start the command and kill it: at some time, at a byte of the ledger, before a head."""
    how: Callable[[], None] | None = moment.choice(
        [
            None,
            partial(at_a_byte, moment.randrange(2), moment.random()),
            partial(before_the_head, moment.randrange(2)),
        ]
    )
    child = cli_kit.Child(*words, cwd=place.home, work=how)
    if how is None:
        time.sleep(moment.uniform(0.0, WITHIN))
        with suppress(ProcessLookupError):  # it was sooner
            child.send(signal.SIGKILL)
    assert child.wait().code in (-signal.SIGKILL, 0)  # where the ledger says it already, nothing is written


def ten(folder: Path, count: int, *, chained: bool, kills: int) -> list[tuple[object, ...]]:
    place, moment = cli_kit.bench(folder), random.Random(20261127)
    ckpt: object = place.orig
    shutil.copytree(place.store / "data" / "forget", place.home / "drawn")
    for number in range(count):
        words = request(place, number, ckpt)
        for _ in range(moment.randint(0, kills)):
            killed(place, words, moment)
            assert Ledger(place.store).read().problems == []
        done = cli_kit.Child(*words, cwd=place.home).wait()
        assert done.code == 0, done
        ckpt = place.home / f"clean-{number}.pt" if chained else place.orig
    assert place("verify").code == 0
    assert [row["state"] for row in place.ok("requests", "--json").json] == ["unlearned"] * count
    return told(place)


def test_a_request_killed_in_its_ledger_completes_and_gives_the_same_bits(tmp_path):
    calm, stormy = cli_kit.bench(tmp_path / "calm"), cli_kit.bench(tmp_path / "stormy")
    for place in (calm, stormy):
        shutil.copytree(place.store / "data" / "forget", place.home / "drawn")
    cli_kit.ok(*request(calm, 0, calm.orig))
    words = request(stormy, 0, stormy.orig)
    for how, lines in ((partial(before_the_head, 0), 1), (partial(at_a_byte, 0, 0.7), 1)):
        assert cli_kit.Child(*words, cwd=stormy.home, work=how).wait().code == -signal.SIGKILL
        assert len(Ledger(stormy.store).entries()) == lines
        assert stormy("verify").code == 0
    assert "leftovers" in stormy("verify").err  # the lock
    cli_kit.ok(*words)
    assert told(stormy) == told(calm)
    assert stormy.ok("requests", "--json").json[0]["state"] == "unlearned"


@pytest.mark.slow
def test_three_requests_under_kill_give_the_same_bits(tmp_path):
    calm = ten(tmp_path / "calm", 3, chained=False, kills=0)
    assert ten(tmp_path / "stormy", 3, chained=False, kills=3) == calm
    assert len(calm) == 6


@pytest.mark.slow
def test_ten_requests_in_a_row_under_kill_give_the_same_bits(tmp_path):
    calm = ten(tmp_path / "calm", 10, chained=True, kills=0)
    assert ten(tmp_path / "stormy", 10, chained=True, kills=3) == calm
    assert len(calm) == 20
    assert len({weights for *_, weights in calm}) == 11  # none of a request that came, one of each model
