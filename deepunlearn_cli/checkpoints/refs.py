"""From a REF (run id or checkpoint file) to the recipe it stands for; files from elsewhere become runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, TypeVar

from deepunlearn_cli import data, models
from deepunlearn_cli.checkpoints import claimed_forget, consent, drafts, foreign, pictures, training
from deepunlearn_cli.checkpoints.drafts import Said
from deepunlearn_cli.checkpoints.file import Checkpoint, looks_like_file, read
from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.core.specs import for_run
from deepunlearn_cli.execution import forgetting, origins, recipes, references, trials

if TYPE_CHECKING:
    from deepunlearn_cli.execution.runner import Runner

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
    split_folders: str | None = None
    classes: str | None = None
    with_duplicates: bool = False
    offline: bool = False

    def of_files(self) -> list[str]:
        """The options given that only a file needs: a run knows these itself."""
        own = ("model", "forget", "with_duplicates", "offline")
        names = [one.name for one in fields(self) if one.name not in own]
        return [f"--{name.replace('_', '-')}" for name in names if getattr(self, name) is not None]


@dataclass(frozen=True)
class Model:
    """What a REF stands for: a recipe, where its pictures come from, and what its file says to forget."""

    recipe: Recipe
    dataset: data.Dataset
    source: str
    forget: data.ForgetSet | None = None


@dataclass(frozen=True)
class Start:
    """A recipe to go on from, the forget set that goes with it, and where its pictures come from.

    `earlier` are the forget sets of all that it has forgotten, newest first, where that goes on.
    """

    recipe: Recipe
    dataset: data.Dataset
    forget: data.ForgetSet
    source: str
    earlier: Sequence[data.ForgetSet] = ()


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
    if wanted.dataset or wanted.split_folders or wanted.classes or wanted.interpolation or not claimed:
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
    """What a REF means, with what is to be forgotten.

    Raises:
        NotFound, UsageFailure: as `look_up`; a forget set that cannot be, or none on record.
    """
    return bound(look_up(ref, runner, wanted, forgetful=wanted.forget is None), runner, wanted)


def bound(found: Model, runner: Runner, wanted: Wanted) -> Start:
    """A model with what is to be forgotten: as was asked for, else as the model itself says.

    Raises:
        NotFound, UsageFailure: as `resolve`.
    """
    forget = found.forget
    if wanted.forget is not None:
        spec = for_run(wanted.forget, found.recipe.seed)
        duplicates, recipe = wanted.with_duplicates, found.recipe
        forget = forgetting.asked_for(
            recipe.data, found.dataset, spec, runner, with_duplicates=duplicates, model=recipe
        )
    assert forget
    return Start(found.recipe, found.dataset, forget, found.source)


def look_up(ref: Ref, runner: Runner, wanted: Wanted, *, forgetful: bool = False) -> Model:
    """What a REF means; `forgetful` for what it is to forget, too.

    Raises:
        NotFound, UsageFailure: no such run, a dataset or model that does not fit.
    """
    if isinstance(ref, Checkpoint):
        return _from_file(ref, runner, wanted, forgetful=forgetful)
    recipe = runner.store.find(ref).recipe
    if recipe.kind == "attack":
        raise UsageFailure(
            f"run {ref} is an attack, not a model", f"`deepunlearn show {ref}` names its target"
        )
    if recipe.kind == "lockstep":
        raise UsageFailure(
            f"run {ref} keeps readings, not a model", "deepunlearn runs --kind train lists some"
        )
    if recipe.kind == "trial":
        raise UsageFailure(
            f"run {ref} is a trial of a sweep, whose model was not kept",
            f"deepunlearn unlearn {recipe.inputs['original'].key} --method {origins.spelling(recipe)} "
            f"--forget {quote(recipe.labels['forget'])} {trials.by_hand(recipe)}",
        )
    if names := wanted.of_files():
        raise UsageFailure(
            f"{' and '.join(names)} may go with a checkpoint file, not with the run {ref}", "leave that out"
        )
    consent.check_run(f"run {ref}", recipe, wanted.model)
    dataset = data.load_dataset(recipe.data["fingerprint"], runner.store.data)
    forget = forgetting.intended(recipe, runner) if forgetful else None
    return Model(recipe, dataset, dataset.name, forget)


def ready(
    starts: Sequence[Start], wanted: Mapping[str, Mapping[str, Any]], runner: Runner, *, augment: bool
) -> list[Start]:
    """Originals that every wanted method can start from (`training.ready`)."""
    known = training.ready([start.recipe for start in starts], wanted, runner, augment=augment)
    return [replace(start, recipe=recipe) for start, recipe in zip(starts, known, strict=True)]


def _from_file(file: Checkpoint, runner: Runner, wanted: Wanted, *, forgetful: bool) -> Model:
    claimed = _claimed_recipe(file)
    scene = _scene(file, claimed, runner, wanted)
    draft = drafts.draft(file, claimed, scene, wanted)
    if wanted.seed is not None:
        draft = replace(draft, seed=wanted.seed)
    same = claimed is not None and drafts.is_run(file, claimed, scene, wanted, runner.store)
    recipe = claimed if claimed and same else foreign.as_they_are(file, draft, runner)
    unlearned = drafts.was_unlearned(claimed)
    forget = _forget_of(file, recipe, scene.dataset, runner) if forgetful or unlearned else None
    if not same:
        if claimed and unlearned and forget:
            drafts.check_training(file, claimed, wanted)
            earlier = claimed_forget.earlier(file.claims, claimed, scene.dataset, recipe, runner)
            draft = drafts.unlearned(draft, file, claimed, [forget, *earlier], runner)
        recipe = foreign.admit(file, draft, runner, prepared=bool(file.claims or wanted.mean or wanted.std))
        if wanted.training:
            references.say(recipe, runner.store)
        drafts.ask(recipe, file, wanted, runner)
    claim = file.claims.get("forget")
    if claim and forget and not recipe.forget:
        forgetting.remember(recipe, forget, runner, named=claim.get("named", True))
    return Model(recipe, scene.dataset, data.portable(_said(file, wanted)[0]), forget)


def _claimed_recipe(file: Checkpoint) -> Recipe | None:
    """The recipe that a file claims; its training must be one.

    Raises:
        UsageFailure: hyperparameters that training has not.
    """
    if "recipe" not in file.claims:
        return None
    recipe = Recipe.from_json(file.claims["recipe"])
    params = recipe.root.params
    try:
        recipes.TRAINER.build(params.get("training", params))
    except (Failure, TypeError) as error:
        raise UsageFailure(
            f"{file.path}: its description is of no training: {error}", "give --dataset --model yourself"
        ) from None
    return recipe


def _said(file: Checkpoint, wanted: Wanted) -> tuple[str, str]:
    """Dataset and model of a file: what the user says, else what the file says."""
    claimed = _claimed_recipe(file)
    spec = wanted.dataset or file.claims.get("dataset")
    model = wanted.model or (claimed.model if claimed else None)
    if not spec or not model:
        missing = " and ".join(n for n, value in (("--dataset", spec), ("--model", model)) if not value)
        raise UsageFailure(f"{file.path} does not say what it is: {missing} missing", "add it, and --forget")
    consent.check_dataset(str(file.path), spec, wanted.dataset)
    consent.check_model(str(file.path), model, wanted.model)
    for other in consent.others(claimed) if claimed else ():
        consent.check_model(str(file.path), other, wanted.model)
    return spec, model


def _scene(file: Checkpoint, claimed: Recipe | None, runner: Runner, wanted: Wanted) -> recipes.Scene:
    spec, model = _said(file, wanted)
    dataset = _decoded(file, wanted, runner.store.data)
    if dataset is None:
        dataset = pictures.opened(
            spec,
            file,
            runner,
            image_size=wanted.image_size,
            split_folders=wanted.split_folders,
            classes=wanted.classes,
            offline=wanted.offline,
            interpolation=drafts.interpolation(claimed, wanted),
        )
    if claimed and claimed.data.get("fingerprint") != dataset.fingerprint:
        claimed_forget.check_changed(
            file.claims.get("forget"),
            dataset,
            data.portable(spec),
            runner,
            agreed=wanted.dataset is not None,
            named=wanted.forget is not None,
        )
    scene = recipes.Scene(dataset, models.pinned(model), data.VAL_SHARE, data.SPLIT_SEED)
    return drafts.prepared(_split_as(claimed, wanted, scene), claimed, wanted)


def _split_as(claimed: Recipe | None, wanted: Wanted, scene: recipes.Scene) -> recipes.Scene:
    said = claimed.data if claimed else {}
    val_share = _first(wanted.val_share, said.get("val_share"), scene.val_share)
    split_seed = _first(wanted.split_seed, said.get("split_seed"), scene.split_seed)
    precision, augment = claimed.precision if claimed else scene.precision, said.get("augment", scene.augment)
    return replace(scene, val_share=val_share, split_seed=split_seed, precision=precision, augment=augment)


def _first(*values: Value | None) -> Value:
    return next(value for value in values if value is not None)


def _forget_of(file: Checkpoint, recipe: Recipe, dataset: data.Dataset, runner: Runner) -> data.ForgetSet:
    """What a file says that it is to forget, or has forgotten; else what is on record of its run."""
    claim = file.claims.get("forget")
    if not claim:
        return forgetting.intended(recipe, runner)
    return claimed_forget.claimed(claim, dataset, recipe, runner)
