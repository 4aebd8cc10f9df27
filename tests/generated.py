"""What is generated from the code: README's tables and the completion files.

python tests/generated.py          rewrites them
pytest tests/test_docs.py          fails when they are not current
"""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import typer

from deepunlearn_cli.attacks import ATTACKS
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.environment import VARIABLES
from deepunlearn_cli.core.errors import MEANING
from deepunlearn_cli.data import list_families
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.models import FORMS, MODELS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
COMPLETIONS = {"bash": "deepunlearn.bash", "zsh": "_deepunlearn", "fish": "deepunlearn.fish"}


def markdown(headers: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [list(headers), ["---"] * len(list(headers)), *map(list, rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def commands() -> list[tuple[str, str]]:
    """Every command, sub-commands spelt out, with the first sentence of its help."""
    found: list[tuple[str, str]] = []
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        below = getattr(command, "commands", {name: command})
        for sub, leaf in below.items():
            full = name if leaf is command else f"{name} {sub}"
            found.append((f"`deepunlearn {full}`", leaf.help.split("\n\n")[0]))
    return found


def methods() -> list[list[str]]:
    """Every method with what it reads and where it comes from."""
    rows = []
    for name in METHODS.names():
        method = METHODS.get(name)
        spelt = ", ".join(f"`{one}`" for one in (name, *method.aliases))
        summary = (inspect.getdoc(method) or "").splitlines()[0]
        reads, cost = ", ".join(method.needs) or "nothing", f"{method().cost():.1f}"
        rows.append([spelt, method.title, reads, cost, summary, method.paper])
    return rows


BLOCKS: dict[str, Callable[[], str]] = {
    "commands": lambda: markdown(["command", "what it does"], commands()),
    "methods": lambda: markdown(["name", "title", "reads", "epochs", "what it does", "source"], methods()),
    "attacks": lambda: markdown(
        ["name", "title", "what it does"],
        [(f"`{n}`", ATTACKS.get(n).title, ATTACKS.get(n).summary) for n in ATTACKS.names()],
    ),
    "datasets": lambda: markdown(
        ["name", "what it is", "files"],
        [(f"`{row['name']}`", row["summary"], row["source"]) for row in list_families()],
    ),
    "models": lambda: markdown(
        ["name", "what it is"],
        [(f"`{n}`", text) for n, text in {**{n: m.summary for n, m in MODELS.items()}, **FORMS}.items()],
    ),
    "environment": lambda: markdown(["variable", "meaning"], [(f"`{n}`", t) for n, t in VARIABLES.items()]),
    "exit codes": lambda: markdown(["code", "meaning"], [(str(int(c)), text) for c, text in MEANING.items()]),
}


def block(name: str) -> str:
    """A generated block between its markers."""
    return f"<!-- {name} -->\n{BLOCKS[name]()}\n<!-- end of {name} -->"


def readme(text: str) -> str:
    """The README with every block as the code has it."""
    for name in BLOCKS:
        pattern = f"<!-- {name} -->.*?<!-- end of {name} -->"
        text, count = re.subn(pattern, lambda _, name=name: block(name), text, flags=re.DOTALL)  # type: ignore[misc]
        assert count == 1, f"README has {count} blocks named {name}"
    return text


def completion(shell: str) -> str:
    """The completion file of a shell: Typer's script, without the blank line that zsh does not forgive.

    zsh runs the file as the completion function itself at the first TAB, so it ends by calling what it made.
    """
    environment = {**os.environ, "_DEEPUNLEARN_COMPLETE": f"source_{shell}"}
    code = "import sys; sys.argv[0] = 'deepunlearn'; from deepunlearn_cli.__main__ import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    script = run.stdout.strip() + "\n"
    return script + "_deepunlearn_completion\n" if shell == "zsh" else script


if __name__ == "__main__":
    README.write_text(readme(README.read_text("utf-8")), encoding="utf-8")
    for shell, name in COMPLETIONS.items():
        (ROOT / "completions" / name).write_text(completion(shell), encoding="utf-8")
