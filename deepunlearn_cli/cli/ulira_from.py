"""U-LiRA's analyses as files of figures tell them, made whole again from what travelled of their models."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.cli.source import Source
from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.core.recipe import CONTROLS

if TYPE_CHECKING:
    from deepunlearn_cli.cli.bundles import Running
    from deepunlearn_cli.cli.command import Session
    from deepunlearn_cli.cli.setting import SettingOptions
    from deepunlearn_cli.cli.sitting import Sitting
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.store import Store
    from deepunlearn_cli.studies.shadows import Analysis


def check_alone(setting: SettingOptions, running: Running, sitting: Sitting) -> None:
    """Refuse what makes models, beside --from."""
    if setting.named or running.dry_run or sitting.travels or sitting.time_limit:
        raise UsageFailure(
            "--from shows what a file says, and makes nothing", "give --method, --dataset, --model at most"
        )


@contextmanager
def opened(
    files: Sequence[Path],
    session: Session,
    asked: SettingOptions,
    methods: Sequence[str],
    params: Mapping[str, Any],
) -> Iterator[tuple[list[Analysis], tuple[float, int]]]:
    """The newest analysis of each method by the newest design, and a forget set's share and number there.

    Args:
        asked: of which dataset and model, if somebody said so.
        methods: besides the controls; all that there are where none is named.
        params: of the attack.

    Raises:
        NotFound: there is no such analysis.
        UsageFailure: those that there are have several settings.
    """
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.studies import shadows

    source = Source(session, files=files)
    found = _newest(_analyses(source, asked, methods, params), source)
    _check_models(found, source.store)
    runner = Runner(source.store, "cpu")
    one = next(iter(found.values()))
    yield [shadows.read(runner, method, recipe) for method, recipe in found.items()], _draws(one)


def _analyses(
    source: Source, asked: SettingOptions, methods: Sequence[str], params: Mapping[str, Any]
) -> list[Recipe]:
    """By time of creation."""
    rows = [row for row in source.uliras if dict(row["params"]) == dict(params)]
    rows = [row for row in rows if asked.dataset in (None, row["dataset"])]
    rows = [row for row in rows if asked.model in (None, row["model"])]
    rows = [row for row in rows if not methods or row["method"] in (*CONTROLS, *methods)]
    if not rows:
        files = ", ".join(map(str, source.files))
        raise NotFound(
            f"no whole analysis of that kind in {files}",
            f"the attack that wrote it goes on with --resume-from {quote(str(source.files[0]))}; "
            "`deepunlearn attack ulira --help` says what it takes",
        )
    if len({row["setting"] for row in rows}) > 1:
        names = sorted({f"{row['dataset']} {row['model']}" for row in rows})
        raise UsageFailure(f"analyses of several settings: {', '.join(names)}", "--dataset NAME --model NAME")
    found = [source.store.find(row["id"]).recipe for row in rows]
    for recipe in found:
        _check_models_named(recipe, source.files)
    return found


def _check_models_named(analysis: Recipe, files: Sequence[Path]) -> None:
    """Refuse an analysis whose recipe does not say which model is of which split and forget set."""
    models = analysis.inputs
    drawn = {str(model.labels.get("forget", "")) for model in models.values()}
    if (
        "method" not in analysis.labels
        or not models
        or not all(re.fullmatch(r"\d{1,6}/\d{1,6}", name) for name in models)
        or not all(re.fullmatch(r"random:\d*\.?\d+(e-\d+)?#\d+", spec) for spec in drawn)
    ):
        raise UsageFailure(
            f"analysis {analysis.key} in {', '.join(map(str, files))} is none of U-LiRA: its inputs are to "
            "be models by split and forget set (0/0), and say what they forgot (random:0.1#0)",
            "take the file from where it was written",
        )


def _newest(analyses: Sequence[Recipe], source: Source) -> dict[str, Recipe]:
    """By method, of the design of the last; those of others are told."""
    designs = {recipe.key: _design(recipe) for recipe in analyses}
    last = designs[analyses[-1].key]
    others = sorted({r.labels["method"] for r in analyses if designs[r.key] != last})
    if others:
        source.session.console.note(f"left out: analyses by another design, of {', '.join(others)}")
    return {r.labels["method"]: r for r in analyses if designs[r.key] == last}


def _design(analysis: Recipe) -> tuple[tuple[str, str | None], ...]:
    """The forget set of each model: what methods must share to be compared."""
    return tuple(sorted((name, model.forget) for name, model in analysis.inputs.items()))


def _draws(analysis: Recipe) -> tuple[float, int]:
    turns = {name.partition("/")[2] for name in analysis.inputs}
    spec = next(iter(analysis.inputs.values())).labels["forget"]  # as `random:0.1#3`
    return float(spec.partition(":")[2].partition("#")[0]), len(turns)


def _check_models(found: Mapping[str, Recipe], store: Store) -> None:
    """Refuse analyses of models that no line tells of."""
    for method, recipe in found.items():
        missing = [name for name, model in recipe.inputs.items() if not store.has(model.key)]
        if missing:
            raise NotFound(
                f"{len(missing)} of {len(recipe.inputs)} models of {method} are told in none of these files",
                "give the files of all sittings, each by its own --from",
            )
