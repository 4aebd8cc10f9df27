"""What a round has: a store of its own, a command or two, and what must hold after whatever happened to them."""

from __future__ import annotations

import atexit
import hashlib
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from cli_kit import Child, Said, small_npz

from deepunlearn_cli.store import Store

SECONDS = 120.0  # that a command of this size may take on a busy machine
LEFT_SECONDS = 5.0  # that what a killed process started may outlive it
PLAN = """datasets = ["npz:{data}"]
models = ["resnet-tiny"]
methods = ["ft", "ga", "do-nothing", "retrain"]
seeds = "0"
[training]
epochs = 4
"""


@cache
def base() -> tuple[Path, str]:
    """A folder with pictures, a plan and a store in which all of the plan is made; and its original's id."""
    home = Path(tempfile.mkdtemp(prefix="deepunlearn-torture-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    home.chmod(0o755)  # for the other user
    small_npz(home / "data.npz")
    (home / "plan.toml").write_text(PLAN.format(data=home / "data.npz"))
    first = Scene(home, random.Random(0), "")
    first.ok("bench", home / "plan.toml")
    (original,) = first.ok("runs", "--name", "original").lines
    first.ok("sweep", "--method", "ft", "--ckpt", original, "--trials", 1)
    first.ok("train", *training(home), "--out", home / "orig.pt")
    return home, original


def training(home: Path) -> tuple[str, ...]:
    return ("--dataset", f"npz:{home / 'data.npz'}", "--model", "resnet-tiny", "-p", "epochs=4")


@dataclass
class Scene:
    """A folder with a store, pictures and a plan.

    Attributes:
        original: id of the run that all others were made from.
        given_up: ids of runs that the round itself has damaged or had removed.
        history: what was done, for who reads that it went wrong.
    """

    home: Path
    rng: random.Random
    original: str
    given_up: set[str] = field(default_factory=set)
    history: list[str] = field(default_factory=list)

    @property
    def store(self) -> Path:
        return self.home / "store"

    @property
    def runs(self) -> list[Path]:
        """Folders of the runs that are there, in order."""
        return sorted(self.store.glob("runs/*/[0-9a-f]*"))

    def start(self, *words: object, at_first: Callable[[], None] | None = None) -> Child:
        """A command in a session of its own, which whatever it starts belongs to."""
        line = (*words, "--store", self.store)
        self.history.append("deepunlearn " + " ".join(map(str, line)))
        return Child(*line, cwd=self.home, work=partial(_enter, at_first))

    def __call__(self, *words: object, at_first: Callable[[], None] | None = None) -> Said:
        """A command undisturbed, whose end is looked at as every end is."""
        child = self.start(*words, at_first=at_first)
        said = child.wait(SECONDS)
        self.check_end(child, said)
        return said

    def ok(self, *words: object) -> Said:
        said = self(*words)
        assert said.code == 0, self.tell(said)
        return said

    def check_end(self, child: Child, said: Said, *, unwritten: bool = False) -> None:
        """No orphan, no traceback; an exit 1 only where something could not be written, in one line."""
        assert child.process.pid
        check_gone(child.process.pid, self.tell(said))
        check_said(said, self.tell(said), unwritten=unwritten)

    def tell(self, said: object = "") -> str:
        return "\n".join([*self.history, str(said)])

    def sealed(self) -> dict[str, str]:
        """Digests of the weights (of the recipe, where none were kept) of every sealed run by id."""
        whole = [run for run in self.runs if (run / "manifest.json").is_file()]
        return {run.name: _digest(run) for run in whole if run.name not in self.given_up}

    def check_kept(self, before: dict[str, str]) -> None:
        """Every run that was sealed is there, byte for byte, unless the round gave it up."""
        now = self.sealed()
        lost = [key for key, digest in before.items() if key not in self.given_up and now.get(key) != digest]
        assert not lost, self.tell(f"lost or changed: {lost}")

    def verify(self, code: int = 0) -> Said:
        said = self("verify")
        assert said.code == code, self.tell(said)
        return said


def scene(folder: Path, seed: str) -> Scene:
    """A copy of `base` in a folder, for one round."""
    place, original = base()
    shutil.copytree(place, folder, dirs_exist_ok=True)
    return Scene(folder, random.Random(seed), original)


def commands(at: Scene) -> dict[str, tuple[object, ...]]:
    """Commands that end with 0 where nothing disturbs them, however often they were disturbed before."""
    home, pick, original = base()[0], at.rng, at.original
    methods = ",".join(pick.sample(["ft", "ga", "ct", "scrub", "ng+"], 3))
    seed, out = pick.randrange(1, 20), at.home / f"out-{pick.randrange(99)}"
    short = ("-p", "epochs=1")
    return {
        "train": ("train", *training(home), "--seeds", f"{seed}-{seed + 1}", "--jobs", pick.choice([1, 2])),
        "train --out": ("train", *training(home), "--seeds", seed, "--out", f"{out}.pt", "--force"),
        "unlearn": ("unlearn", "--method", methods, "--ckpt", original, *short, "-p", f"lr={seed / 1000}", "--jobs", 2),
        "unlearn FILE": (
            "unlearn", "--method", "ft", "--ckpt", at.home / "orig.pt", *short, "--out", f"{out}.pt", "--force",
        ),
        "attack": ("attack", "umia", *_models(at), "--folds", pick.choice([5, 8])),
        "sweep": ("sweep", "--method", pick.choice(["ft", "ga"]), "--ckpt", original, "--trials", 2),
        "rank": ("rank", *pick.choice([(), ("--json",), ("--out", f"{out}.csv", "--force")])),
        "report": ("report", "--table", pick.choice([1, 2, "scores", "weights", "sweep"])),
        "runs": ("runs", *pick.choice([(), ("--json",), ("--where", "lr>0.01"), ("--last", 3)])),
        "show": ("show", original, *pick.choice([(), ("--json",)])),
        "verify": ("verify",),
        "export": ("export", "--out", out, "--force"),
        "prune": ("prune", "--leftovers", "--yes"),
        "bench": ("bench", at.home / "plan.toml", "--jobs", pick.choice([1, 2])),
    }  # fmt: skip


READING = ("rank", "report", "runs", "show", "verify")
MAKING = ("train", "train --out", "unlearn", "unlearn FILE", "attack", "sweep", "bench", "export", "prune")


def _models(at: Scene) -> list[str]:
    models = [run.name for run in at.runs if b'"unlearn"' in (run / "recipe.json").read_bytes()]
    whole = [name for name in models if list(at.store.glob(f"runs/*/{name}/weights.safetensors"))]
    return at.rng.sample(whole, 2)


def made_from(at: Scene, names: Iterable[str]) -> set[str]:
    """Ids of the other runs that were made from some, and from these."""
    store, found, new = Store(at.store), {*names}, {*names}
    while new:
        new = {key for keys in store.dependents(new).values() for key in keys} - found
        found |= new
    return found - {*names}


def _enter(at_first: Callable[[], None] | None) -> None:
    os.setsid()
    if at_first:
        at_first()


def _digest(run: Path) -> str:
    file = next(path for name in ("weights.safetensors", "recipe.json") if (path := run / name).exists())
    return hashlib.sha256(file.read_bytes()).hexdigest()


def check_said(said: Said, told: str, *, unwritten: bool = False) -> None:
    """What was said is for people, and what it ended with has a meaning."""
    assert "Traceback" not in said.err + said.out, told
    assert "please report it" not in said.err, told
    errors = [line for line in said.err.splitlines() if line.startswith("error:")]
    assert said.code != 1 or (unwritten and errors), told
    assert len(errors) <= 1, told


def check_gone(session: int, told: str) -> None:
    """Nobody is left of a session, soon after its leader's end."""
    end = time.monotonic() + LEFT_SECONDS
    while left := list(members(session)):
        assert time.monotonic() < end, f"{told}\norphans: {left}"
        time.sleep(0.05)


def members(session: int) -> Iterable[int]:
    """Processes of a session that are alive (Linux)."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            yield int(place.name)
