"""Which runs of the store a list or table is of: options that mean the same in every command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.core.errors import UsageFailure

if TYPE_CHECKING:
    from deepunlearn_cli.cli.filters import Filter
    from deepunlearn_cli.cli.finding import Runs

WHICH = "Which runs"


class Only(Bundle):
    """Which runs of the store a list or table is of."""

    dataset: Annotated[
        str | None,
        option(
            "--dataset",
            metavar="NAME",
            help="Only this dataset: as tables name it, or as training takes it (folder:PATH, npz:FILE).",
            autocompletion=o.complete_datasets,
            rich_help_panel=WHICH,
        ),
    ] = None
    model: Annotated[
        str | None,
        option(
            "--model",
            metavar="NAME",
            help="Only this model.",
            autocompletion=o.complete_models,
            rich_help_panel=WHICH,
        ),
    ] = None
    method: Annotated[
        str | None,
        option(
            "--method",
            metavar="NAME[,NAME]",
            help="Only these methods, beside their controls in tables.",
            autocompletion=o.complete_methods,
            rich_help_panel=WHICH,
        ),
    ] = None
    setting: Annotated[
        str | None,
        option(
            "--setting",
            metavar="HASH|RUN",
            help="Only this setting (data, split, model, precision, training), or that of a run.",
            autocompletion=o.complete_refs,
            rich_help_panel=WHICH,
        ),
    ] = None
    where: Annotated[
        list[str] | None,
        option(
            "--where",
            metavar="CONDITION",
            help="Only runs whose hyperparameters meet this, as 'lr>0.05'; training.NAME is of the "
            "original's training; also seed, forget, precision, augment. May be repeated: all must hold.",
            rich_help_panel=WHICH,
        ),
    ] = None

    def filters(self, runs: Runs) -> list[Filter]:
        """These options as filters of a store's runs, in the order of `--help`.

        Raises:
            NotFound, UsageFailure: names and values that there are not, with suggestions.
        """
        return [
            *runs.by_dataset(self.dataset),
            *runs.by_model(self.model),
            *runs.by_method(self.method),
            *runs.by_setting(self.setting),
            *runs.by_conditions(self.where or (), self.method),
        ]

    def check_figures(self) -> None:
        """Refuse, of a file of figures, what only runs have.

        Raises:
            UsageFailure: a filter that it cannot answer.
        """
        for name in ("setting", "where"):
            if getattr(self, name):
                raise UsageFailure(f"--{name} takes runs, and --from has figures only", "leave it out")
