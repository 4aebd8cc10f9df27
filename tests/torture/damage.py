"""A store whose files somebody or something has changed: told by `verify`, refused by readers, cured by `prune`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from round_kit import MAKING, READING, Scene, commands, made_from

Harm = Callable[[Scene, Path], None]


def damage(at: Scene) -> None:
    """One run damaged: nothing ends in an accident, `verify` says 7, and 0 once the run is gone."""
    run = at.rng.choice(at.runs)
    harm = at.rng.choice(HARMS)
    harm(at, run)
    gone = not run.is_dir() or not any(run.iterdir())
    at.given_up.add(run.name)
    at.history.append(f"# {harm.__name__.strip('_')} in {run.name}")
    words = commands(at)[at.rng.choice([*READING, *MAKING])] if _weighable(at) else ("runs",)
    if words[0] != "prune":
        said = at(*words)
        assert said.code in (0, 2, 3, 6, 7), at.tell(said)
    if not (gone and (run / "manifest.json").is_file()):  # made again
        at.verify(7)
        _prune(at, run.name, made_from(at, [run.name]))
    at.verify(0)
    at.ok("runs")
    at.ok("bench", at.home / "plan.toml")


def beside(at: Scene) -> None:
    """Garbage in what stands beside the runs, none of which they need: nothing is lost."""
    of_store = [path for path in at.store.rglob("*") if path.is_file() and "runs" not in path.parts[-4:]]
    derived = [
        path for path in of_store if path.name == "index.sqlite" or path.parent.name in {"studies", "asked"}
    ]
    file = at.rng.choice(derived)
    _garble(at, file)
    at.history.append(f"# garbage in {file.relative_to(at.store)}")
    for name in at.rng.sample(["runs", "rank", "report", "show"], 2):
        said = at(*commands(at)[name])
        assert said.code in (0, 2, 3, 6, 7), at.tell(said)  # 3: of the only search there was nothing is left
    said = at(*commands(at)["sweep"])
    assert said.code in (0, 2, 6, 7), at.tell(said)


def _weighable(at: Scene) -> bool:
    """Whether commands that name runs can still be made up."""
    try:
        commands(at)
    except (OSError, ValueError):
        return False
    return True


def _prune(at: Scene, name: str, others: set[str]) -> None:
    """Remove a damaged run; those made from it, if it has any, go first."""
    said = at("prune", name, "--yes")
    if said.code != 0:
        assert said.code == 2, at.tell(said)
        at.given_up |= others
        at.ok("prune", name, *sorted(others), "--yes")
    assert name not in {run.name for run in at.runs}, at.tell(said)


def _flip(at: Scene, run: Path) -> None:
    file = at.rng.choice([path for path in sorted(run.iterdir()) if path.stat().st_size])
    content = bytearray(file.read_bytes())
    content[at.rng.randrange(len(content))] ^= 1 << at.rng.randrange(8)
    file.write_bytes(content)


def _truncate(at: Scene, run: Path) -> None:
    file = at.rng.choice([path for path in sorted(run.iterdir()) if path.stat().st_size])
    file.write_bytes(file.read_bytes()[: at.rng.randrange(file.stat().st_size)])


def _empty(at: Scene, run: Path) -> None:
    for file in run.iterdir():
        file.unlink()


def _remove_folder(at: Scene, run: Path) -> None:
    shutil.rmtree(run)


def _remove_file(at: Scene, run: Path) -> None:
    at.rng.choice(sorted(run.iterdir())).unlink()


def _replace_file(at: Scene, run: Path) -> None:
    _garble(at, at.rng.choice(sorted(run.iterdir())))


def _garble(at: Scene, file: Path) -> None:
    texts = [b"", b"\xff\xfe\x00", b"[" * 50_000, b"null", b"{}", b'{"schema": 1e400}', at.rng.randbytes(999)]
    now = file.read_bytes()
    file.write_bytes(
        at.rng.choice([text for text in [*texts, json.dumps([now.hex()[:99]]).encode()] if text != now])
    )


HARMS: list[Harm] = [_flip, _flip, _truncate, _empty, _remove_folder, _remove_file, _replace_file]
