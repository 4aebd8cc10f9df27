"""Options and arguments that more than one command takes, each declared once, with their completion."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.core.errors import Failure, UsageFailure, unknown
from deepunlearn_cli.core.recipe import FP32, PRECISIONS
from deepunlearn_cli.core.specs import DEFAULT_FORGET, SPLIT_SEED, VAL_SHARE
from deepunlearn_cli.system import machine

if TYPE_CHECKING:
    from collections.abc import Iterable

TRAINING = "Training"
DATA = "Data"
RUNNING = "Running"
FILE = "A checkpoint file (a run knows these itself)"


def complete_methods(incomplete: str) -> list[str]:
    """Method names, also behind a comma."""
    from deepunlearn_cli.methods import METHODS

    done, _, rest = incomplete.rpartition(",")
    names = [name for name in [*METHODS.names(), "all"] if name.startswith(rest)]
    return [f"{done},{name}" if done else name for name in names]


def _datasets(incomplete: str) -> list[str]:
    from deepunlearn_cli.data import FAMILIES

    return [name for name in FAMILIES.names() if name.startswith(incomplete)]


def _models(incomplete: str) -> list[str]:
    from deepunlearn_cli.models import MODELS

    return [name for name in MODELS if name.startswith(incomplete)]


def _parameters(ctx: typer.Context, incomplete: str) -> list[str]:
    from deepunlearn_cli.methods import METHODS

    name = str(ctx.params.get("method") or "retrain").split(",")[0]
    with suppress(Failure):  # a misspelt method: its command will say so
        return [f"{field}=" for field in METHODS.get(name).domains() if field.startswith(incomplete)]
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
        help="digits, mnist, cifar10, ... (`deepunlearn datasets`), folder:PATH or npz:FILE.",
        autocompletion=_datasets,
        rich_help_panel=DATA,
    ),
]
Model = Annotated[
    str,
    option(
        metavar="NAME",
        help="resnet18, tinyvit, ... (`deepunlearn models`), timm:NAME or package.module:factory.",
        autocompletion=_models,
        rich_help_panel=DATA,
    ),
]
FileDataset = Annotated[
    str | None,
    option(
        "--dataset",
        metavar="NAME",
        help="What it was trained on. (default: what the file says)",
        autocompletion=_datasets,
        rich_help_panel=FILE,
    ),
]
FileModel = Annotated[
    str | None,
    option(
        "--model",
        metavar="NAME",
        help="Its architecture. (default: what the file says)",
        autocompletion=_models,
        rich_help_panel=FILE,
    ),
]
SPEC = "random:0.1, random:0.1:{seed} (drawn anew for each seed), class:3, class:3:0.5 or indices:FILE."
NewForget = Annotated[
    str | None,
    option(
        "--forget",
        metavar="SPEC",
        help=f"What is to be forgotten: {SPEC} (default: {DEFAULT_FORGET})",
        rich_help_panel=DATA,
    ),
]
Forget = Annotated[
    str | None,
    option(
        metavar="SPEC",
        help=f"What to forget: {SPEC} (default: the checkpoint's, else {DEFAULT_FORGET})",
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
        help="The method, or several (`deepunlearn methods`).",
        autocompletion=complete_methods,
    ),
]
Refs = Annotated[
    list[str],
    option(
        "--ckpt",
        metavar="REF",
        help="Run id, checkpoint file, or - for ids on stdin. May be repeated.",
        autocompletion=complete_refs,
    ),
]
Device = Annotated[
    str,
    option(
        metavar="NAME",
        envvar="DEEPUNLEARN_DEVICE",
        help="auto, cpu, cuda or cuda:1.",
        rich_help_panel=RUNNING,
    ),
]
Jobs = Annotated[
    int,
    option(
        metavar="N",
        envvar="DEEPUNLEARN_JOBS",
        help="Processes at work at a time. Several share the threads, and their seconds are not compared.",
        rich_help_panel=RUNNING,
    ),
]
DryRun = Annotated[bool, option("--dry-run", help="Print the plan, make no run.", rich_help_panel=RUNNING)]
DatasetFilter = Annotated[str | None, option("--dataset", metavar="NAME", help="Only this dataset.")]
ModelFilter = Annotated[str | None, option("--model", metavar="NAME", help="Only this model.")]


def read_params(given: list[str] | None) -> dict[str, str]:
    """`-p name=value` options as a mapping.

    Raises:
        UsageFailure: an entry without `=`, or a name given twice.
    """
    params: dict[str, str] = {}
    for entry in given or []:
        name, equals, value = entry.partition("=")
        name = name.replace("-", "_")
        if not equals or not name:
            raise UsageFailure(f"-p {entry!r} is not of the form name=value", "-p lr=0.01, say")
        if name in params:
            raise UsageFailure(f"-p {name} is given twice", "give it once")
        params[name] = value
    return params


def read_seeds(text: str) -> list[int]:
    """`0-9`, `0,2,5` or `7` as a list of seeds.

    Raises:
        UsageFailure: anything else, or an empty or repeated range.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not match:
            raise UsageFailure(f"--seeds {text!r} is not a list of seeds", "--seeds 0-9 or --seeds 0,2,5")
        seeds += range(int(match[1]), int(match[2] or match[1]) + 1)
    if not seeds or len(set(seeds)) < len(seeds):
        raise UsageFailure(f"--seeds {text!r} is empty or names a seed twice", "--seeds 0-9, say")
    return seeds


def read_methods(text: str) -> list[str]:
    """Public method names of `msg`, `msg,ct` or `all`, each once."""
    from deepunlearn_cli.methods import METHODS, for_any_original

    names = for_any_original() if text == "all" else [METHODS.public_name(name) for name in text.split(",")]
    return list(dict.fromkeys(names))


def params_for(methods: list[str], given: dict[str, str]) -> dict[str, dict[str, str]]:
    """`-p` values by method. Of several, each takes those it knows, and the controls none at all.

    A reference retrained with other settings than its original's would be no reference.
    """
    from deepunlearn_cli.methods import METHODS

    actors = {name: METHODS.get(name) for name in methods}
    takers = {name: actor for name, actor in actors.items() if len(actors) == 1 or not actor.control}
    known = {field for actor in takers.values() for field in actor.domains()}
    chosen: dict[str, dict[str, str]] = {name: {} for name in methods}
    for name, actor in takers.items():
        chosen[name] = {k: value for k, value in given.items() if k in actor.domains() or k not in known}
        actor.build(chosen[name])  # refuses what nobody knows
    return chosen


def read_duration(text: str) -> float:
    """`90`, `90s`, `10m`, `1h30m` in seconds.

    Raises:
        UsageFailure: anything else, or no time at all.
    """
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", text.strip())
    hours, minutes, seconds = (int(part or 0) for part in (match.groups() if match else (0, 0, 0)))
    total = 3600 * hours + 60 * minutes + seconds
    if not total:
        raise UsageFailure(f"--timeout {text!r} is not a time", "--timeout 10m, 90s or 1h30m")
    return float(total)


def read_refs(given: Iterable[str]) -> list[str]:
    """REFs, with `-` replaced by the ids on stdin.

    Raises:
        UsageFailure: `-` without anything on stdin, or on a terminal.
    """
    refs = [ref for entry in given for ref in (_stdin_refs() if entry == "-" else [entry])]
    if not refs:
        raise UsageFailure("no run id or checkpoint was given", "deepunlearn runs -q | deepunlearn ... -")
    return refs


def read_precision(given: str | None, device: str) -> str:
    """The precision asked for, else the device's default.

    Raises:
        UsageFailure: neither fp32 nor bf16.
    """
    if given is None and machine.surely_cpu(device):
        return FP32  # without the seconds that torch takes to load
    if given is None:
        from deepunlearn_cli.engine.device import default_precision, pick_device

        return default_precision(pick_device(device))
    if given not in PRECISIONS:
        failure = unknown("precision", given, PRECISIONS, " or ".join(PRECISIONS))
        raise UsageFailure(failure.message, failure.hint)
    return given


def _stdin_refs() -> list[str]:
    if sys.stdin.isatty():
        raise UsageFailure("- reads run ids from a pipe, and stdin is a terminal", "deepunlearn runs | ... -")
    return [line.split("\t")[0].strip() for line in sys.stdin if line.strip()]


def given(**options: Any) -> dict[str, Any]:
    """The options that were given a value."""
    return {name: value for name, value in options.items() if value is not None}
