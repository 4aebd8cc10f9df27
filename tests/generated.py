"""What is generated from the code: the tables of README and guide, and the completion files.

python tests/generated.py          rewrites them
pytest tests/test_docs.py          fails when they are not current
"""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path

import typer
from docs_kit import pages

from deepunlearn_cli.attacks import ATTACKS
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.environment import VARIABLES
from deepunlearn_cli.cli.parameter import Family
from deepunlearn_cli.core.errors import MEANING
from deepunlearn_cli.data import list_families
from deepunlearn_cli.engine.pictures import Batch, Pictures
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.models import FORMS, MODELS

ROOT = Path(__file__).parents[1]
COMPLETIONS = {"bash": "deepunlearn.bash", "zsh": "_deepunlearn", "fish": "deepunlearn.fish"}


def markdown(headers: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [list(headers), ["---"] * len(list(headers)), *map(list, rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def commands() -> list[tuple[str, str]]:
    """Every command with the first sentence of its help; those of a group share a line."""
    found: list[tuple[str, str]] = []
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        below = "" if isinstance(command, Family) else "|".join(getattr(command, "commands", {}))
        found.append((f"`{f'deepunlearn {name} {below}'.strip()}`", command.help.split("\n\n")[0]))
    return found


def spelt(name: str) -> str:
    """A method's name and its other spellings."""
    return ", ".join(f"`{one}`" for one in (name, *METHODS.get(name).aliases))


def summary(name: str) -> str:
    """The first sentence of a method's docstring."""
    return (inspect.getdoc(METHODS.get(name)) or "").splitlines()[0]


def reads(name: str) -> str:
    """The parts of the data that a method may read, in words."""
    return ", ".join(METHODS.get(name).needs) or "nothing"


def cost(name: str) -> str:
    """A method's work at its defaults, in epochs of training."""
    return f"{METHODS.get(name)().cost():.1f}"


def methods() -> list[tuple[str, str, str, str]]:
    """Every method with what it reads and costs."""
    return [(spelt(n), METHODS.get(n).title, reads(n), cost(n)) for n in METHODS.names()]


def sources() -> str:
    """Every method with what it does and where it comes from."""
    return "\n".join(f"- `{n}`: {summary(n)} *{METHODS.get(n).paper}*" for n in METHODS.names())


WHEN = {
    "retrain": "you can afford it: it is the definition, and the reference for all others",
    "ft": "a first try; it forgets little in few epochs, and rarely does harm",
    "srl": "forgetting must show, and some accuracy may go; costs more the more is forgotten",
    "salun": "as `srl`, on the salient weights alone",
    "nablatau": "many pictures go, and you have validation pictures that nobody else needs",
    "scrub": "you want to stay close to the original on what is kept",
    "iu": "training again is no option: one step, no epochs",
    "ssd": "as `iu`; its threshold must be tuned to the model",
    "ga": "nothing but the forget set is left; easily does nothing, or too much",
    "msg": "the attack must find nothing, and accuracy may go; tune it",
    "do-nothing": "never: it is the control, and a method that does not beat it has forgotten nothing",
}


def choosing() -> list[tuple[str, str, str, str]]:
    """README's short list: the data a method needs, its cost, and when to take it."""
    return [(f"`{n}`", reads(n), cost(n), when) for n, when in WHEN.items()]


def plan() -> str:
    """The plan that `bench quick` carries out."""
    return f"```toml\n{(ROOT / 'deepunlearn_cli/studies/quick.toml').read_text('utf-8')}```"


SEEN = (("task", Task), ("part", Pictures), ("batch", Batch))
INNER = {"tick", "tensors", "like"}  # of the machinery
ATTRIBUTES = re.compile(r"(?:Args|Attributes):\n((?:    .*\n?)+)")


def task() -> str:
    """What a method sees: a task, its parts and their batches, from their documentation."""
    return "\n".join(f"{_about(word, kind)}\n\n{_members(word, kind)}\n" for word, kind in SEEN).rstrip()


def _about(word: str, kind: type) -> str:
    head = " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())
    return "\n".join(textwrap.wrap(f"**A {word}** (`{kind.__name__}`). {head}", 79))


def _members(word: str, kind: type) -> str:
    listed = [f"- `{word}.{name}`: {text}" for name, text in _attributes(kind)]
    for name, member in vars(kind).items():
        public = not name.startswith("_") or name in ("__len__", "__add__")
        if public and name not in INNER and inspect.getdoc(member):
            listed.append(f"- `{_spelt(word, name, member)}`: {_paragraph(inspect.getdoc(member) or '')}")
    return "\n".join(listed)


def _attributes(kind: type) -> list[tuple[str, str]]:
    """What a class says of its attributes, as `name: text` or `name, name: text`."""
    found = ATTRIBUTES.search(inspect.getdoc(kind) or "")
    entries = re.split(r"\n(?=\S)", textwrap.dedent(found[1]).strip()) if found else []
    pairs = [entry.partition(": ") for entry in entries]
    return [
        (names, " ".join(text.split())) for names, _, text in pairs if names not in ("order, moves", *INNER)
    ]


def _spelt(word: str, name: str, member: object) -> str:
    if name == "__len__":
        return f"len({word})"
    if name == "__add__":
        return f"{word} + other"
    if not inspect.isfunction(member):
        return f"{word}.{name}"
    plain = [
        one.replace(annotation=inspect.Parameter.empty, default=_default(one.default))
        for one in list(inspect.signature(member).parameters.values())[1:]
    ]
    return f"{word}.{name}{inspect.Signature(plain)}"


class _Named(str):
    """A default that is a function, as its name."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _default(value: object) -> object:
    return _Named(value.__name__) if inspect.isfunction(value) else value


def _paragraph(text: str) -> str:
    """A docstring on one line; what it raises in a sentence of its own."""
    body, _, raises = text.partition("Raises:")
    ends = " ".join(raises.split())
    return " ".join(body.split()) + (f" Raises {ends}" if ends else "")


BLOCKS: dict[str, Callable[[], str]] = {
    "commands": lambda: markdown(["command", "what it does"], commands()),
    "choosing": lambda: markdown(["method", "reads", "epochs", "when"], choosing()),
    "methods": lambda: markdown(["name", "title", "reads", "epochs"], methods()),
    "sources": sources,
    "attacks": lambda: markdown(
        ["name", "title", "what it does"],
        [(f"`{n}`", ATTACKS.get(n).title, ATTACKS.get(n).summary) for n in ATTACKS.names()],
    ),
    "datasets": lambda: "\n".join(
        f"- `{row['name']}`: {row['summary']}. Files: {row['source']}" for row in list_families()
    ),
    "models": lambda: "\n".join(
        f"- `{n}`: {text}" for n, text in {**{n: m.summary for n, m in MODELS.items()}, **FORMS}.items()
    ),
    "quick": plan,
    "task": task,
    "environment": lambda: markdown(["variable", "meaning"], [(f"`{n}`", t) for n, t in VARIABLES.items()]),
    "exit codes": lambda: markdown(["code", "meaning"], _exit_codes()),
}


def _exit_codes() -> Iterable[tuple[str, str]]:
    """Codes with what they mean; those that mean the same on one line."""
    for text in dict.fromkeys(MEANING.values()):
        yield ", ".join(str(int(code)) for code, meaning in MEANING.items() if meaning == text), text


MARKED = re.compile(r"<!-- (?!end of )(.+?) -->\n(?:.*?\n)?<!-- end of \1 -->", re.DOTALL)


def block(name: str) -> str:
    """A generated block between its markers."""
    return f"<!-- {name} -->\n{BLOCKS[name]()}\n<!-- end of {name} -->"


def current(text: str) -> str:
    """A page with every block as the code has it; `KeyError` for a block that nobody makes."""
    return MARKED.sub(lambda match: block(match[1]), text)


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
    for page in pages():
        page.path.write_text(current(page.text), encoding="utf-8")
    for shell, name in COMPLETIONS.items():
        (ROOT / "completions" / name).write_text(completion(shell), encoding="utf-8")
