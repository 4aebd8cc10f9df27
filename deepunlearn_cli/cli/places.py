"""Options that say where runs are made, and what each is given there."""

from __future__ import annotations

from typing import Annotated

from deepunlearn_cli.cli.options import RUNNING
from deepunlearn_cli.cli.parameter import option

On = Annotated[
    str | None,
    option(
        metavar="ray[:ADDRESS]",
        envvar="DEEPUNLEARN_ON",
        help="Make runs on a Ray cluster (`deepunlearn guide several-machines`). (default: on this machine)",
        rich_help_panel=RUNNING,
    ),
]
GpuShare = Annotated[
    float | None,
    option(
        metavar="SHARE",
        help="With --on: how much of a GPU each run takes, such as 0.25. (default: 1 where there are GPUs)",
        rich_help_panel=RUNNING,
    ),
]
CpusPerJob = Annotated[
    int,
    option(
        metavar="N",
        min=1,
        help="With --on: CPUs, and threads, of each run.",
        rich_help_panel=RUNNING,
    ),
]
