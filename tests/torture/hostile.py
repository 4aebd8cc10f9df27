"""Words and files that nobody meant: nonsense, wrong types, hostile names, checkpoints and plans."""

from __future__ import annotations

import pickle
import random
from pathlib import Path

TEXTS = (
    "", " ", "-", "--", "nan", "-inf", "1e400", "9" * 5000, "0", "-1", "1.5", "0x10", "=cmd|' /C calc'!A0", "a\nb",
    "\x1b[31mred", ":dog:", "\N{GRINNING FACE}", "\udcff", "../../etc/passwd", "/dev/null", "/", "x" * 300, "$(id)",
    "null", "[]", "{", "a=b=c", ",", "0-999999999999", "5-1", "random:2", "class:-1", "indices:/dev/null",
)  # fmt: skip
OPTIONS = {
    "train": (
        "--seeds",
        "--forget",
        "--dataset",
        "--model",
        "-p",
        "--image-size",
        "--val-share",
        "--out",
        "--jobs",
    ),
    "unlearn": (
        "--method",
        "--ckpt",
        "-p",
        "--forget",
        "--preset",
        "--seeds",
        "--jobs",
        "--out",
        "--precision",
    ),
    "sweep": ("--method", "--trials", "--timeout", "--sampler", "--storage", "--ckpt"),
    "attack umia": ("--folds", "--against", "--fail-above", "--ckpt"),
    "rank": ("--metric", "--linkage", "--format", "--where", "--from", "--dataset", "--setting"),
    "report": ("--table", "--format", "--where", "--from"),
    "runs": ("--kind", "--status", "--last", "--where", "--setting"),
    "show": ("--help-me", ""),
    "prune": ("", "--yes-please"),
    "export": ("--to", "--kind"),
}
PLANS = (
    "seeds = 5", "datasets = 5", "seeds = [0, 1]", "forget = 5", "methods = {a = 1}", "seeds = '0-999999999'",
    "[training]\nepochs = 'many'", "[training]\nepochs = 1e400", "[params]\nft = 3", "\x00", "a = ", "seeds = nan",
    "datasets = [['digits']]", "models = [true]", "[[methods]]\nname = 1", "x" * 100_000, "a=" + "[" * 5000,
)  # fmt: skip


def bad_words(rng: random.Random, home: Path, original: str) -> tuple[object, ...]:
    """A command with something wrong in it, `--dry-run` where it might be none."""
    return rng.choice([_option, _plan, _checkpoint, _csv, _nonsense])(rng, home, original)


def _option(rng: random.Random, home: Path, original: str) -> tuple[object, ...]:
    command = rng.choice(sorted(OPTIONS))
    option, text = rng.choice(OPTIONS[command]), rng.choice(TEXTS)
    if option == "--out":
        text = text or "/"
    given = {"train": ("--dataset", "digits"), "unlearn": ("--ckpt", original), "sweep": ("--ckpt", original)}
    method = {"unlearn": ("--method", "ft"), "sweep": ("--method", "ft", "--trials", "1")}.get(command, ())
    dry = ("--dry-run",) if command in {"train", "unlearn", "sweep", "prune"} else ()
    if command == "attack umia":
        dry = (original, "--dry-run")
    words = (option, text) if option else (text,)
    return (*command.split(), *given.get(command, ()), *method, *dry, *_encodable(words))


def _plan(rng: random.Random, home: Path, original: str) -> tuple[object, ...]:
    file = home / rng.choice(["plan\n.toml", "\x1b[1mplan.toml", "=plan.toml", "bad.toml"])
    sound = (home / "plan.toml").read_text()
    head, _tail = sound.split("[training]")
    text = rng.choice(
        [rng.choice(PLANS), f"{rng.choice(PLANS)}\n{head}", sound.replace('"', "", rng.randrange(1, 9))]
    )
    file.write_text(text)
    return ("bench", file, "--dry-run")


def _checkpoint(rng: random.Random, home: Path, original: str) -> tuple[object, ...]:
    sound = (home / "orig.pt").read_bytes()
    torn = bytearray(sound)
    for _ in range(rng.choice([1, 8, 64])):
        torn[rng.randrange(len(torn))] ^= 1 << rng.randrange(8)
    contents = [bytes(torn), sound[: rng.randrange(len(sound))], b"", b"\x80\x04.", rng.randbytes(500)]
    contents += [
        pickle.dumps({"state_dict": [1, None, float("nan")]}),
        pickle.dumps(_Bang(str(home / "bang"))),
    ]
    file = home / rng.choice(["bad.pt", "bad.pth", "bad.safetensors", "\x1b[2J.pt", "=a.pt"])
    file.write_bytes(rng.choice(contents))
    return ("unlearn", "--method", "ft", "--ckpt", file, "--dry-run")


def _csv(rng: random.Random, home: Path, original: str) -> tuple[object, ...]:
    file = home / rng.choice(["figures.csv", "figures.jsonl", "figures\t.csv"])
    head = "dataset,model,method,seed,RA,FA,TA\n"
    rows = [
        ",".join(rng.choice(["digits", "0", "nan", "1e400", "", "x", "=1", '"']) for _ in range(7))
        for _ in "abc"
    ]
    file.write_bytes(
        rng.choice([(head + "\n".join(rows)).encode(), b"\x00\xff", b"[" * 9999, b'{"schema": null}'])
    )
    return (rng.choice(["rank", "report"]), "--from", file)


def _nonsense(rng: random.Random, home: Path, original: str) -> tuple[object, ...]:
    command = rng.choice(
        ["show", "verify", "attack", "store", "sweeps", "guide", "methods", "models", "datasets"]
    )
    return (command, *_encodable(rng.choices(TEXTS, k=rng.randrange(3))))


def _encodable(words: tuple[str, ...] | list[str]) -> list[str]:
    return [word for word in words if "\0" not in word]


class _Bang:
    """A pickle that leaves a file where it is executed."""

    def __init__(self, file: str) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (self.file, "w"))
