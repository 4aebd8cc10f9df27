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
from deepunlearn_cli.system import machine

if TYPE_CHECKING:
    from collections.abc import Iterable

TRAINING = "Training"
DATA = "Data"
RUNNING = "Running"


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
        help="digits, mnist, cifar10, ..., folder:PATH, npz:FILE or csv:FILE.",
        autocompletion=_datasets,
        rich_help_panel=DATA,
    ),
]
Model = Annotated[
    str,
    option(
        help="resnet18, tinyvit, ..., timm:NAME or package.module:factory.",
        autocompletion=_models,
        rich_help_panel=DATA,
    ),
]
FileDataset = Annotated[
    str | None,
    option("--dataset", help="Dataset of a checkpoint file.", autocompletion=_datasets, rich_help_panel=DATA),
]
FileModel = Annotated[
    str | None,
    option("--model", help="Model of a checkpoint file.", autocompletion=_models, rich_help_panel=DATA),
]
Forget = Annotated[
    str | None,
    option(
        help="random:0.1 · random:0.1:{seed} (drawn anew for each seed) · class:3:0.5 · indices:FILE. "
        "(default: the checkpoint's, else random:0.1)",
        rich_help_panel=DATA,
    ),
]
ValShare = Annotated[
    float | None, option(help="Share kept for validation. (default: 0.15)", rich_help_panel=DATA)
]
SplitSeed = Annotated[
    int | None,
    option(help="Seed of the split and of the forget draw. (default: 123)", rich_help_panel=DATA),
]
ImageSize = Annotated[int | None, option(help="Resize pictures to this many pixels.", rich_help_panel=DATA)]
Offline = Annotated[bool, option("--offline", help="Never touch the network.", rich_help_panel=DATA)]
NoAugment = Annotated[
    bool, option("--no-augment", help="Train on unaugmented pictures.", rich_help_panel=TRAINING)
]
Precision = Annotated[
    str | None,
    option(help="fp32 or bf16. (default: bf16 on CUDA, else fp32)", rich_help_panel=TRAINING),
]
Params = Annotated[
    list[str] | None,
    option(
        "-p",
        metavar="NAME=VALUE",
        help="A hyperparameter; may be repeated.",
        autocompletion=_parameters,
        rich_help_panel=TRAINING,
    ),
]
Preset = Annotated[
    str | None,
    option(
        metavar="best|FILE.toml",
        help="Tuned settings: the store's best, or a file of `sweep`; -p goes before.",
        rich_help_panel=TRAINING,
    ),
]
Methods = Annotated[
    str,
    option(metavar="NAME[,NAME]|all", help="The method, or several.", autocompletion=complete_methods),
]
Refs = Annotated[
    list[str],
    option(
        "--ckpt",
        metavar="REF",
        help="Run id, checkpoint file, or - for ids on stdin.",
        autocompletion=complete_refs,
    ),
]
Device = Annotated[
    str,
    option(envvar="DEEPUNLEARN_DEVICE", help="auto, cpu, cuda, cuda:1.", rich_help_panel=RUNNING),
]
Jobs = Annotated[
    int,
    option(
        envvar="DEEPUNLEARN_JOBS",
        help="Runs made at a time, by processes that share the threads; their seconds stay out of RTE.",
        rich_help_panel=RUNNING,
    ),
]
DryRun = Annotated[bool, option("--dry-run", help="Print the plan, make nothing.", rich_help_panel=RUNNING)]
Force = Annotated[bool, option("--force", help="Make it again, as a new attempt.", rich_help_panel=RUNNING)]
Out = Annotated[
    Path | None,
    option(help="Also write the model to this file (.pt, .safetensors).", rich_help_panel=RUNNING),
]
DatasetFilter = Annotated[str | None, option("--dataset", help="Only this dataset.")]
ModelFilter = Annotated[str | None, option("--model", help="Only this model.")]


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
