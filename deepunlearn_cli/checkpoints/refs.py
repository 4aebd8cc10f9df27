"""From a REF (run id or checkpoint file) to the recipe it stands for; files from elsewhere become runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from deepunlearn_cli import data, models
from deepunlearn_cli.checkpoints import drafts, foreign, training
from deepunlearn_cli.checkpoints.drafts import Said
from deepunlearn_cli.checkpoints.file import Checkpoint, Claims, looks_like_file, read
from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.core.recipe import RETRAIN, Recipe
from deepunlearn_cli.core.specs import for_run
from deepunlearn_cli.execution import recipes, references

if TYPE_CHECKING:
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.store import Run

Value = TypeVar("Value")


@dataclass(frozen=True)
class Wanted(Said):
    """What the user said about a checkpoint; None where the file itself is to say."""

    dataset: str | None = None
    model: str | None = None
    forget: str | None = None
    val_share: float | None = None
    split_seed: int | None = None
    image_size: int | None = None
    seed: int | None = None
    offline: bool = False

    def of_files(self) -> list[str]:
        """The options given that only a file needs: a run knows these itself."""
        names = [one.name for one in fields(self) if one.name not in ("forget", "offline")]
        return [f"--{name.replace('_', '-')}" for name in names if getattr(self, name) is not None]


@dataclass(frozen=True)
class Start:
    """A recipe to go on from, the forget set that goes with it, and where its pictures come from."""

    recipe: Recipe
    dataset: data.Dataset
    forget: data.ForgetSet
    source: str


Ref = str | Checkpoint  # a run id, or a file that was read


def read_ref(ref: str, wanted: Wanted, home: Path) -> Ref:
    """A REF, with its file read and checked as far as that goes before a store is made.

    `home` is where decoded datasets are, or would be.

    Raises:
        NotFound, UsageFailure: no such file, dataset or model; an unreadable file.
    """
    if not looks_like_file(ref):
        return ref
    file = read(Path(ref), wanted.weights_key)
    spec, model = _said(file, wanted)
    wanted.check()
    if not _decoded(file, wanted, home):
        _check_spec(spec, wanted)
    models.check_name(model)
    return file


def _decoded(file: Checkpoint, wanted: Wanted, home: Path) -> data.Dataset | None:
    """The dataset that a file claims, if it is at hand already and no other was asked for."""
    claimed = _claimed_recipe(file)
    if wanted.dataset or wanted.interpolation or not claimed:
        return None
    try:
        return data.load_dataset(str(claimed.data.get("fingerprint")), home)
    except NotFound:
        return None


def _check_spec(spec: str, wanted: Wanted) -> None:
    try:
        data.check_spec(spec)
    except NotFound as failure:
        cure = failure.hint if wanted.dataset else "--dataset says where its pictures are here"
        raise NotFound(failure.message, cure) from None


def resolve(ref: Ref, runner: Runner, wanted: Wanted) -> Start:
    """What `--ckpt REF` means.

    Raises:
        NotFound, UsageFailure: no such run, a dataset or model that does not fit.
    """
    if isinstance(ref, Checkpoint):
        return _from_file(ref, runner, wanted)
    recipe = runner.store.find(ref).recipe
    if recipe.kind == "attack":
        raise UsageFailure(
            f"run {ref} is an attack, not a model", "its target: `deepunlearn show " + ref + "`"
        )
    if recipe.kind == "lockstep":
        raise UsageFailure(
            f"run {ref} keeps readings, not a model", "deepunlearn runs --kind train lists some"
        )
    if recipe.kind == "trial":
        raise UsageFailure(
            f"run {ref} is a trial of a sweep, whose model was not kept",
            f"deepunlearn unlearn --method {recipe.name} --preset best makes one with the best settings",
        )
    if names := wanted.of_files():
        raise UsageFailure(
            f"{' and '.join(names)} may go with a checkpoint file, not with the run {ref}", "leave that out"
        )
    dataset = data.load_dataset(recipe.data["fingerprint"], runner.store.data)
    return Start(recipe, dataset, _forget_of(recipe, dataset, wanted.forget, runner), dataset.name)


def original(start: Start) -> Start:
    """The start itself, which must not be the result of unlearning.

    Raises:
        UsageFailure: it is.
    """
    unlearned = start.recipe.kind == references.CHECKPOINT and start.recipe.forget
    if start.recipe.kind == "unlearn" or start.recipe.name == RETRAIN or unlearned:
        raise UsageFailure(
            f"{start.recipe.key} is not an original but the result of {start.recipe.name}",
            f"`deepunlearn show {start.recipe.key}` names its original",
        )
    return start


def ready(
    starts: Sequence[Start], wanted: Mapping[str, Mapping[str, Any]], runner: Runner, *, augment: bool
) -> list[Start]:
    """Originals that every wanted method can start from (`training.ready`)."""
    known = training.ready([start.recipe for start in starts], wanted, runner, augment=augment)
    return [replace(start, recipe=recipe) for start, recipe in zip(starts, known, strict=True)]


def claims_of(recipe: Recipe, start: Start) -> Claims:
    """What a file of ours says about itself, so that `unlearn --ckpt FILE` needs nothing else."""
    height, width, _ = start.dataset.image_shape
    return {
        "recipe": recipe.to_json(),
        "dataset": start.source,
        "image_size": height if height == width else None,
        "forget": {"spec": start.forget.spec, "indices": [int(index) for index in start.forget.indices]},
    }


def _forget_of(recipe: Recipe, dataset: data.Dataset, spec: str | None, runner: Runner) -> data.ForgetSet:
    """The forget set asked for, else the run's own (or tracked) one, else the default; kept in the store."""
    known = recipe.forget or recipe.data.get("tracked")
    if spec is None and known:
        return data.load_forget(known, runner.store.data)
    return forget_for(recipe.data, dataset, for_run(spec or data.DEFAULT_FORGET, recipe.seed), runner)


def forget_for(
    split_of: Mapping[str, Any], dataset: data.Dataset, spec: str, runner: Runner
) -> data.ForgetSet:
    """A forget set by its spec, within the split of a recipe's data; kept in the store."""
    split = data.split(dataset, split_of["val_share"], split_of["split_seed"])
    forget = data.forget_set(spec, dataset, split, seed=split_of["split_seed"])
    data.save_forget(forget, runner.store.data)
    return forget


def _from_file(file: Checkpoint, runner: Runner, wanted: Wanted) -> Start:
    claimed = _claimed_recipe(file)
    known = runner.store.get(claimed.key) if claimed else None
    scene = _scene(file, claimed, runner, wanted)
    draft = drafts.draft(file, claimed, scene, wanted)
    draft = replace(draft, seed=_first(wanted.seed, draft.seed))
    forget = _claimed_forget(file, draft, scene.dataset, wanted, runner)
    if claimed and known and _as_claimed(scene, claimed, wanted) and _same(known, file):
        recipe = claimed
    else:
        draft = drafts.unlearned(draft, file, claimed, forget, runner) if claimed else draft
        recipe = foreign.admit(file, draft, runner, prepared=bool(file.claims or wanted.mean or wanted.std))
        drafts.ask(recipe, file, wanted, runner)
    return Start(recipe, scene.dataset, forget, data.portable(_said(file, wanted)[0]))


def _claimed_recipe(file: Checkpoint) -> Recipe | None:
    try:
        return Recipe.from_json(file.claims["recipe"]) if "recipe" in file.claims else None
    except (KeyError, TypeError, AttributeError):
        raise UsageFailure(
            f"{file.path}: its description is not a recipe", "give --dataset --model"
        ) from None


def _as_claimed(scene: recipes.Scene, claimed: Recipe, wanted: Wanted) -> bool:
    """Whether what the user says of a file is what the file says."""
    told = {name: value for name, value in scene.data.items() if name != "augment"}
    pictures = all(claimed.data.get(name) == value for name, value in told.items())
    return pictures and scene.model == claimed.model and not wanted.training


def _same(run: Run, file: Checkpoint) -> bool:
    import torch

    weights = run.weights()
    return weights.keys() == file.weights.keys() and all(
        torch.equal(value, file.weights[name]) for name, value in weights.items()
    )


def _said(file: Checkpoint, wanted: Wanted) -> tuple[str, str]:
    """Dataset and model of a file: what the user says, else what the file says."""
    claimed = _claimed_recipe(file)
    spec = wanted.dataset or file.claims.get("dataset")
    model = wanted.model or (claimed.model if claimed else None)
    if not spec or not model:
        missing = " and ".join(name for name, value in (("--dataset", spec), ("--model", model)) if not value)
        raise UsageFailure(
            f"{file.path} does not say what it is: {missing} missing", "add them, and --forget"
        )
    if not wanted.model and models.is_code(model):
        raise UsageFailure(f"{file.path} asks to import {model!r}", f"if you trust it, add --model {model}")
    return spec, model


def _scene(file: Checkpoint, claimed: Recipe | None, runner: Runner, wanted: Wanted) -> recipes.Scene:
    spec, model = _said(file, wanted)
    size = wanted.image_size or file.claims.get("image_size")
    dataset = _decoded(file, wanted, runner.store.data) or runner.dataset(
        spec, image_size=size, offline=wanted.offline, interpolation=drafts.interpolation(claimed, wanted)
    )
    scene = recipes.Scene(dataset, models.pinned(model), data.VAL_SHARE, data.SPLIT_SEED)
    return drafts.prepared(_split_as(claimed, wanted, scene), claimed, wanted)


def _split_as(claimed: Recipe | None, wanted: Wanted, scene: recipes.Scene) -> recipes.Scene:
    data_claims = dict(claimed.data) if claimed else {}
    if data_claims and not wanted.dataset and data_claims["fingerprint"] != scene.dataset.fingerprint:
        raise UsageFailure(
            f"the checkpoint was trained on other pictures than {scene.dataset.name} holds now",
            f"--dataset {scene.dataset.name} uses it all the same",
        )
    return replace(
        scene,
        val_share=_first(wanted.val_share, data_claims.get("val_share"), scene.val_share),
        split_seed=_first(wanted.split_seed, data_claims.get("split_seed"), scene.split_seed),
        precision=claimed.precision if claimed else scene.precision,
        augment=data_claims.get("augment", scene.augment),
    )


def _first(*values: Value | None) -> Value:
    return next(value for value in values if value is not None)


def _claimed_forget(
    file: Checkpoint, recipe: Recipe, dataset: data.Dataset, wanted: Wanted, runner: Runner
) -> data.ForgetSet:
    claim = file.claims.get("forget")
    if wanted.forget or not claim:
        return _forget_of(recipe, dataset, wanted.forget, runner)
    split = data.split(dataset, recipe.data["val_share"], recipe.data["split_seed"])
    forget = data.forget_from(claim["spec"], claim["indices"], dataset, split)
    data.save_forget(forget, runner.store.data)
    return forget
