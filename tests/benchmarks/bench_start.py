"""What a command costs before it computes: whole processes, against `import torch` and a bare Python.

python tests/benchmarks/bench_start.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from side_by_side import compare

TRAIN = ("train", "--dataset", "digits", "--model", "resnet-tiny", "-p", "epochs=1", "-q")
REPEATS = 7


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        store = ("--store", str(Path(folder) / "store"))
        seeds = iter(range(1000))
        compare(
            "a process",
            {
                "--help": lambda: ours("--help"),
                "unlearn --help": lambda: ours("unlearn", "--help"),
                "train, one epoch": lambda: ours(*TRAIN, *store, "--seeds", str(next(seeds))),
                "train, as it is in the store": lambda: ours(*TRAIN, *store, "--seeds", "0"),
                "python": lambda: python("-c", "pass"),
                "import torch": lambda: python("-c", "import torch"),
            },
            REPEATS,
        )


def ours(*words: str) -> None:
    """A `deepunlearn` command."""
    python("-m", "deepunlearn_cli", *words)


def python(*words: str) -> None:
    """A Python process that must succeed."""
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
