"""Blocks of README and guide that are marked to run (` ```sh run `) do, each page in a fresh folder of its own.

bash runs them; each `deepunlearn` or `python` in them is a client, answered by a process that has the libraries.
A line that ends in `# exit N` must end with that code, all others with 0.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path

import pytest
from cli_kit import SERVED, _become, clean_environment
from docs_kit import Block, Page, pages

CLIENT = """#!{python} -SE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect({address!r})
    streams = {{name: f"/proc/{{os.getpid()}}/fd/{{n}}" for n, name in enumerate(("stdin", "stdout", "stderr"))}}
    line.sendall(json.dumps([sys.argv, os.getcwd(), dict(os.environ), streams]).encode() + b"\\n")
    sys.exit(int(line.makefile().read()))
"""
POLLING = threading.Lock()  # to start a child asks after all others; of two who ask at once one hears 255
pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="streams are handed over by /proc")
RUNNING = [page for page in pages() if any(block.runs for block in page.blocks)]
LONG = (
    "class-removal",
    "forget-sizes",
    "plans",
    "repeated-deletion",
    "store",
    "tuning",
    "unrolling-sgd",
    "your-method",
)


def _answer(line: socket.socket) -> None:
    with line, line.makefile() as stream:
        (name, *words), cwd, environment, streams = json.loads(stream.readline())
        work = partial(_python, words) if name.endswith("python") else None
        child = SERVED.Process(target=_become, args=(tuple(words), cwd, environment, streams, work))
        with POLLING:
            child.start()
        wait([child.sentinel])
        with POLLING:
            code = child.exitcode
        line.sendall(str(code).encode())


def _python(words: list[str]) -> None:
    """`python -c CODE`, or `python -` with the code on stdin."""
    code = words[1] if words[0] == "-c" else sys.stdin.read()
    exec(code, {"__name__": "__main__"})
    sys.exit()


@contextmanager
def served(folder: Path) -> Iterator[Path]:
    """A folder with the commands `deepunlearn` and `python`, to be put on PATH."""
    (bin_ := folder / "bin").mkdir(parents=True)
    address = f"{tempfile.mkdtemp(prefix='docs-')}/s"  # the system's limit is about 100 characters
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()

        def serve() -> None:
            while True:
                try:
                    line, _ = server.accept()
                except OSError:  # closed
                    return
                threading.Thread(target=_answer, args=(line,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        for name in ("deepunlearn", "python"):
            (bin_ / name).write_text(CLIENT.format(python=sys.executable, address=address))
            (bin_ / name).chmod(0o755)
        yield bin_
        server.shutdown(socket.SHUT_RDWR)
    shutil.rmtree(Path(address).parent)


def script(block: Block) -> str:
    """A block as bash that stops at the first line which ends otherwise than it says."""
    if block.language == "python":
        return f"python - <<'THE END'\n{block.text}\nTHE END\n"
    expected = re.compile(r"^(.*\S)\s*# exit (\d+)$", re.MULTILINE)
    return expected.sub(r"\1 || code=$?; test ${code:-0} -eq \2; unset code", block.text)


def run(block: Block, home: Path, bin_: Path) -> subprocess.CompletedProcess[str]:
    """The block, run by bash in `home`."""
    path = f"{bin_}{os.pathsep}{os.environ['PATH']}"
    settings = {"HOME": str(home), "PATH": path, "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        ["bash", "-ec", "set -o pipefail\n" + script(block)],
        cwd=home,
        env=clean_environment(**settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def first_failure(page: Page, folder: Path) -> str:
    """What the first block that fails said; nothing if none does."""
    (home := folder / "home").mkdir()
    with served(folder) as bin_:
        for block in page.blocks:
            if block.runs and (done := run(block, home, bin_)).returncode:
                return f"{block.text}\n{done.stdout}\n{done.stderr}"
    return ""


@pytest.fixture(scope="module")
def failures(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[str]]]:
    """By page, its `first_failure`: pages share nothing, so two run at a time."""
    ours = [item for item in request.session.items if item.function is test_blocks_marked_to_run_do]
    with ThreadPoolExecutor(2) as pool:
        yield {
            page.name: pool.submit(first_failure, page, tmp_path_factory.mktemp(page.name))
            for page in (item.callspec.params["page"] for item in ours)
        }


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.slow if page.name in LONG else ()) for page in RUNNING],
    ids=lambda page: page.name,
)
def test_blocks_marked_to_run_do(page: Page, failures: dict[str, Future[str]]) -> None:
    failure = failures[page.name].result()
    assert not failure, failure


def test_the_pages_that_must_run_do() -> None:
    assert {"README", "tuning", "attacks", "class-removal"} <= {page.name for page in RUNNING}
    assert all(block.language in ("sh", "python") for page in RUNNING for block in page.blocks if block.runs)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("deepunlearn runs", 1),  # no store yet: exit 3
        ("deepunlearn runs  # exit 3", 0),
        ("deepunlearn datasets  # exit 3", 1),
        ("deepunlearn datasets --json | grep -q digits", 0),
        ("false | true", 1),
    ],
)
def test_a_block_fails_where_it_should(text: str, code: int, tmp_path: Path) -> None:
    (home := tmp_path / "home").mkdir()
    with served(tmp_path) as bin_:
        done = run(Block("sh run", text), home, bin_)
    assert bool(done.returncode) == bool(code), done
