"""Options and arguments that more than one command takes, each declared once, with their completion."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from deepunlearn_cli.cli.completing import complete_forget, complete_models_of_store
from deepunlearn_cli.cli.parameter import argument, completer, option
from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.core.specs import DEFAULT_FORGET, SPLIT_SEED, VAL_SHARE

TRAINING = "Training"
DATA = "Data"
RUNNING = "Running"
FILE = "A checkpoint file (a run knows these itself)"


def complete_methods(incomplete: str) -> list[str]:
    """Method names, also behind a comma."""
    from deepunlearn_cli.methods import METHODS

    done, _, rest = incomplete.rpartition(",")
    names = [name for name in [*METHODS.names(), *METHODS.installed(), "all"] if name.startswith(rest)]
    return [f"{done},{name}" if done else name for name in [*names, *_python_files(rest)]]


def _python_files(incomplete: str) -> list[str]:
    """Folders and Python files that a path may go on to; none of what is no path yet."""
    folder, slash, begun = incomplete.rpartition("/")
    if not slash and not incomplete.startswith("."):
        return []
    with suppress(OSError):
        found = sorted(Path(folder or (slash or ".")).iterdir())
        names = [f"{one.name}/" if one.is_dir() else one.name for one in found]
        return [f"{folder}{slash}{n}" for n in names if n.startswith(begun) and n.endswith(("/", ".py"))]
    return []


def complete_datasets(incomplete: str) -> list[str]:
    """Names of datasets."""
    from deepunlearn_cli.data import FAMILIES

    names = [*FAMILIES.names(), *FAMILIES.installed(), *_python_files(incomplete)]
    return [name for name in names if name.startswith(incomplete)]


def complete_models(incomplete: str) -> list[str]:
    """Names of built-in models."""
    from deepunlearn_cli.models import MODELS

    return [name for name in MODELS if name.startswith(incomplete)]


def _parameters(ctx: typer.Context, incomplete: str) -> list[str]:
    from deepunlearn_cli.methods import METHODS

    name = str(ctx.params.get("method") or "retrain").split(",")[0]
    with suppress(Failure):  # a misspelt method: its command will say so
        own = METHODS.known(name)  # completing a line runs no code that it names
        return [f"{field}=" for field in own.domains() if field.startswith(incomplete)] if own else []
    return []


def complete_refs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Run ids in the store, if there is one."""
    from deepunlearn_cli.store import Store

    with suppress(Failure):
        runs = Store.open(Path(ctx.params.get("store") or "deepunlearn-store"), create=False).ids()
        return [run_id for run_id in runs if run_id.startswith(incomplete)]
    return []


Dataset = Annotated[
    str,
    option(
        metavar="NAME",
        help="digits, mnist, cifar10, ... (`deepunlearn datasets`), folder:PATH, npz:FILE or csv:FILE; "
        "./mine.py:Mine of yours.",
        autocompletion=complete_datasets,
        rich_help_panel=DATA,
    ),
]
Model = Annotated[
    str,
    option(
        metavar="NAME",
        help="resnet18, tinyvit, ... (`deepunlearn models`), timm:NAME or package.module:factory.",
        autocompletion=complete_models,
        rich_help_panel=DATA,
    ),
]
FileDataset = Annotated[
    str | None,
    option(
        "--dataset",
        metavar="NAME",
        help="What it was trained on. (default: what the file says)",
        autocompletion=complete_datasets,
        rich_help_panel=FILE,
    ),
]
FileModel = Annotated[
    str | None,
    option(
        "--model",
        metavar="NAME",
        help="Its architecture; code of yours is imported only if named here, of a run too. "
        "(default: what the file says)",
        autocompletion=complete_models,
        rich_help_panel=FILE,
    ),
]
SPEC = (
    "random:0.1, random:0.1:{seed} (drawn anew for each seed), class:3, class:3:0.5, hardest:0.1, "
    "easiest:0.1 or indices:FILE."
)
NewForget = Annotated[
    str | None,
    option(
        "--forget",
        metavar="SPEC",
        help=f"What is to be forgotten: {SPEC} (default: {DEFAULT_FORGET})",
        autocompletion=complete_forget,
        rich_help_panel=DATA,
    ),
]
Forget = Annotated[
    str | None,
    option(
        metavar="SPEC",
        help=f"What to forget: {SPEC} (default: what the model was trained for)",
        autocompletion=complete_forget,
        rich_help_panel=DATA,
    ),
]
ValShare = Annotated[
    float | None,
    option(
        metavar="SHARE",
        help=f"Share of the training pictures kept for validation. (default: {VAL_SHARE})",
        rich_help_panel=DATA,
    ),
]
SplitSeed = Annotated[
    int | None,
    option(
        metavar="SEED",
        help=f"Seed of the split and of the forget set's draw. (default: {SPLIT_SEED})",
        rich_help_panel=DATA,
    ),
]
ImageSize = Annotated[
    int | None,
    option(
        metavar="PIXELS",
        help="Resize pictures to so many pixels a side. (default: the dataset's own)",
        rich_help_panel=DATA,
    ),
]
SplitFolders = Annotated[
    str | None,
    option(
        metavar="TRAIN,TEST",
        help="Of folder:PATH, the folders of its parts; A+B joins two. (default: by their names)",
        rich_help_panel=DATA,
    ),
]
Classes = Annotated[
    str | None,
    option(
        metavar="FILE|a,b,c",
        help="The classes in the order of the model's outputs: names, or a file of one per line or in JSON. "
        "(default: sorted)",
        rich_help_panel=DATA,
    ),
]
WithDuplicates = Annotated[
    bool,
    option(
        "--with-duplicates",
        help="Forget training pictures too that equal one of the forget set byte for byte.",
        rich_help_panel=DATA,
    ),
]
Offline = Annotated[bool, option("--offline", help="Never touch the network.", rich_help_panel=DATA)]
NoAugment = Annotated[
    bool,
    option(
        "--no-augment",
        help="Train originals and retrained models on pictures as they are, without flips and shifts.",
        rich_help_panel=TRAINING,
    ),
]
Precision = Annotated[
    str | None,
    option(
        metavar="fp32|bf16",
        help="Number format of the training. (default: bf16 on CUDA that has it, else fp32)",
        rich_help_panel=TRAINING,
    ),
]


def params(help: str) -> Any:
    """The option `-p`, with what it sets in a command."""
    return option(
        "-p",
        metavar="NAME=VALUE",
        help=f"{help} May be repeated.",
        autocompletion=_parameters,
        rich_help_panel=TRAINING,
    )


Params = Annotated[
    list[str] | None,
    params("A hyperparameter of the method (`deepunlearn methods NAME`); of several, each takes its own."),
]
Preset = Annotated[
    str | None,
    option(
        metavar="best|FILE",
        help="Tuned settings: the best that the store's sweeps found, or a file that `sweep --out` wrote. "
        "What -p sets goes before.",
        rich_help_panel=TRAINING,
    ),
]
Methods = Annotated[
    str,
    option(
        metavar="NAME[,NAME]|all",
        help="The method, or several (`deepunlearn methods`); yours: ./mine.py:Mine or package.module:Class.",
        autocompletion=complete_methods,
    ),
]
Refs = Annotated[
    list[str] | None,
    argument(
        metavar="REF",
        help="Run ids, checkpoint files, or - for ids on stdin.",
        autocompletion=complete_models_of_store,
    ),
]
Ckpt = Annotated[
    list[str] | None,
    option(
        "--ckpt",
        metavar="REF",
        help="The same, as an option. May be repeated.",
        autocompletion=complete_models_of_store,
    ),
]


def complete_kinds(incomplete: str) -> list[str]:
    """Kinds of runs."""
    from deepunlearn_cli.execution.makers import MAKERS

    return [kind for kind in sorted(MAKERS) if kind.startswith(incomplete)]


Device = Annotated[
    str,
    option(
        metavar="NAME",
        envvar="DEEPUNLEARN_DEVICE",
        autocompletion=completer(("auto", "cpu", "cuda")),
        help="auto, cpu, cuda or cuda:1.",
        rich_help_panel=RUNNING,
    ),
]
Jobs = Annotated[
    str | None,
    option(
        metavar="N|auto",
        envvar="DEEPUNLEARN_JOBS",
        help="Processes at work at a time; auto: as many as the machine carries. "
        "Several share the threads, and their seconds are not compared. "
        "(default: 1; auto for a plan with [timing], and on a cluster)",
        rich_help_panel=RUNNING,
    ),
]
Database = Annotated[
    str | None,
    option(
        metavar="URL",
        envvar="DEEPUNLEARN_DATABASE",
        help="Where searches are kept, for machines to share: postgresql://, mysql://, sqlite:///FILE or "
        "journal:FILE; the variable keeps a password out of `ps`. (default: in the store)",
        rich_help_panel=RUNNING,
    ),
]
DryRun = Annotated[bool, option("--dry-run", help="Print the plan, make no run.", rich_help_panel=RUNNING)]
