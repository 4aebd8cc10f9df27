"""Options about a model from elsewhere: how its pictures are prepared, how it was trained, how good it is."""

from __future__ import annotations

from typing import Annotated

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.unfold import Bundle

PREPARED = "How the model's pictures are prepared"
WORDS = "dataset, imagenet, none (pixels in 0..1), half (0.5), timm (the model's own)"
INTERPOLATIONS = ("bilinear", "bicubic", "lanczos", "nearest", "box")


class Preparing(Bundle):
    """What a model is shown of a picture, where that is not what its dataset says."""

    mean: Annotated[
        str | None,
        option(
            metavar="NUMBERS|WORD",
            help=f"Subtracted from pixels in 0..1, by channel; or {WORDS}. (default: the dataset's own)",
            rich_help_panel=PREPARED,
        ),
    ] = None
    std: Annotated[
        str | None,
        option(
            metavar="NUMBERS",
            help="By what they are then divided. (default: what goes with --mean)",
            rich_help_panel=PREPARED,
        ),
    ] = None
    interpolation: Annotated[
        str | None,
        option(
            metavar="|".join(INTERPOLATIONS),
            help="How --image-size resizes. (default: bilinear)",
            rich_help_panel=PREPARED,
        ),
    ] = None
    channels: Annotated[
        int | None,
        option(
            metavar="N",
            help="3 shows grey pictures to a colour model. (default: the pictures' own)",
            rich_help_panel=PREPARED,
        ),
    ] = None


class Foreign(Preparing):
    """What else only its user knows of it."""

    training: Annotated[
        list[str] | None,
        option(
            metavar="NAME=VALUE|FILE",
            help="How it was trained, for its retrained model: a hyperparameter of `deepunlearn methods "
            "retrain`, augment=false, or a TOML file with [training]. May be repeated.",
            rich_help_panel=o.FILE,
        ),
    ] = None
    expect_accuracy: Annotated[
        str | None,
        option(
            metavar="SHARE",
            help="Stop unless it reads so many of its training pictures (0.94), or of its test pictures "
            "(test=0.62).",
            rich_help_panel=o.FILE,
        ),
    ] = None
    weights_key: Annotated[
        str | None,
        option(
            metavar="KEY",
            help="Which weights of the file: state_dict_ema, say. (default: the plain ones)",
            rich_help_panel=o.FILE,
        ),
    ] = None
