"""What a shell offers behind TAB for models, files and forget sets; no heavy library, no code of a name's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from deepunlearn_cli.core.errors import Failure

WEIGHTS = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")  # files that a REF may be
LISTS = (".txt", ".csv", ".npy", ".json")  # files of `indices:FILE`
MODELS = ("train", "unlearn", "checkpoint")  # kinds of runs that leave a model
SPECS = {
    "random:0.1": "a tenth of the training pictures",
    "random:0.1:{seed}": "a tenth, drawn anew for each seed",
    "class:0": "a whole class, by number or name",
    "class:0:0.5": "half of a class",
    "hardest:0.1": "the tenth that the original knows worst",
    "easiest:0.1": "the tenth that it knows best",
}
INDICES = "indices:"

Offer = tuple[str, str]  # a value, and what it is


def complete_models_of_store(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """Models that a REF may be: trained and unlearned runs, not attacks on them, and checkpoint files."""
    below: dict[str, Any] = getattr(ctx.command, "commands", {})
    commands = [(name, f"{ctx.info_name} {name}") for name in below if name.startswith(incomplete)]
    files = [(path, "a checkpoint file") for path in paths(incomplete, WEIGHTS)]
    return [*commands, *_runs(ctx, incomplete), *files]


def complete_forget(incomplete: str) -> list[Offer]:
    """Forget sets: the forms of a spec, and files behind `indices:`."""
    if incomplete.startswith(INDICES):
        begun = incomplete.removeprefix(INDICES)
        return [(f"{INDICES}{path}", "a list of pictures") for path in paths(begun or "./", LISTS)]
    specs = {**SPECS, INDICES: "the pictures that a file lists"}
    return [(spec, meaning) for spec, meaning in specs.items() if spec.startswith(incomplete)]


def paths(incomplete: str, suffixes: Sequence[str]) -> Iterator[str]:
    """Folders, and files with such a suffix, that a path may go on to."""
    folder, slash, begun = incomplete.rpartition("/")
    with suppress(OSError):
        for one in sorted(Path(folder or (slash or ".")).iterdir()):
            name = f"{one.name}/" if one.is_dir() else one.name
            hidden = name.startswith(".") and not begun.startswith(".")
            if name.startswith(begun) and not hidden and name.endswith(("/", *suffixes)):
                yield f"{folder}{slash}{name}"


def _runs(ctx: typer.Context, incomplete: str) -> list[Offer]:
    from deepunlearn_cli.cli.command import DEFAULT_STORE
    from deepunlearn_cli.store import Store

    with suppress(Failure, OSError):
        store = Store.open(Path(ctx.params.get("store") or DEFAULT_STORE), create=False)
        return [
            (row["id"], f"{row['name']} {row['dataset']} {row['model']} seed {row['seed']}")
            for row in store.rows()
            if row["kind"] in MODELS and row["status"] == "done" and row["id"].startswith(incomplete)
        ]
    return []
