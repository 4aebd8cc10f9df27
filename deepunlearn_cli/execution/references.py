"""References: which retrained model in the store an unlearned one is held against, and whether it can be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from deepunlearn_cli import data
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import RETRAIN, Recipe
from deepunlearn_cli.execution import chains, parts, recipes
from deepunlearn_cli.store.run import OUTPUTS
from deepunlearn_cli.store.stated import Stated

if TYPE_CHECKING:
    from deepunlearn_cli.data import ForgetSet
    from deepunlearn_cli.store import Run, Store

CHECKPOINT = "checkpoint"  # kind of what came as a file, and name of one that nothing was unlearned from
KNOWN = "training"  # label of a checkpoint whose training was stated, by its user or by its file
FIT = 0.05  # how far the reference's accuracy on its own training pictures may lie from the original's


def training_known(start: Recipe) -> bool:
    """Whether how a model was trained is known: ours is, one from elsewhere where somebody said it."""
    start, usual = chains.trained(start), recipes.TRAINER().params()
    return start.kind != CHECKPOINT or KNOWN in start.labels or start.params["training"] != usual


def of_the_same_weights(recipe: Recipe, store: Store) -> list[Recipe]:
    """Checkpoints of a store with these weights, pictures and seed whose training is known."""
    rows = store.rows(kind=CHECKPOINT, name=CHECKPOINT, model=recipe.model)
    same = [row["id"] for row in rows if row["params"].get("sha256") == recipe.params["sha256"]]
    found = [run.recipe for one in same if (run := store.get(one))]
    return [one for one in found if training_known(one) and _alike(one, recipe)]


def say(recipe: Recipe, store: Store) -> None:
    """Keep that somebody said just now that a checkpoint was trained as its recipe has it."""
    Stated(store.root).add(recipe.key)


def said_last(recipe: Recipe, store: Store) -> Recipe | None:
    """The checkpoint of these weights with the training that was said last; None where nobody said any.

    What a user says goes before what files claim.
    """
    marks = Stated(store.root)

    def when(one: Recipe) -> tuple[bool, int]:
        said = marks.at(one.key)
        run = store.get(one.key)
        made = float(run.facts.get("created") or 0) if run else 0.0
        return bool(said) or one.labels.get(KNOWN) == "stated", said or int(made * 1e9)

    return max(of_the_same_weights(recipe, store), key=when, default=None)


def by_its_user(recipe: Recipe, store: Store) -> bool:
    """Whether a checkpoint's training is what its user said, not what its file claims."""
    return recipe.labels.get(KNOWN) == "stated" or bool(Stated(store.root).at(recipe.key))


def of(start: Recipe, forget: ForgetSet, store: Store) -> Recipe | None:
    """The retrained model that stands for an original without the forget set, if the store has one.

    One that the user brought goes before one that was made here. How a checkpoint was trained is what was
    said of its weights last, whatever had been said when something was unlearned from it.
    """
    made = recipes.retrained(as_said_last(start, store), forget)
    return next((one for one in (*_brought(start, forget, store), made) if store.get(one.key)), None)


def as_said_last(start: Recipe, store: Store) -> Recipe:
    """A model as made from the training that was said last of the checkpoint that it goes back to."""
    first = chains.trained(start)
    last = said_last(first, store) if (first.kind, first.name) == (CHECKPOINT, CHECKPOINT) else None
    return chains.rooted(start, last) if last else start


def purged_from(model: Recipe, asked: ForgetSet, store: Store) -> int:
    """Pictures of an earlier request, or of all, of which a model or its reference says nothing any more.

    They were purged before one of both was made: an audit that asked about them would have no control.
    """
    dataset = data.load_dataset(model.data["fingerprint"], store.data)
    if not len(dataset.purged):
        return 0
    start, newest = model.inputs.get("original"), data.load_forget(str(model.forget), store.data)
    beside = of(start, newest, store) if start else None
    runs = [run for one in (model, beside) if one and (run := store.get(one.key)) and OUTPUTS in run.files]
    return max((parts.purged_from(run, asked, dataset) for run in runs), default=0)


def check_fit(original: Run, reference: Run) -> None:
    """Refuse a reference for a model from elsewhere that knows its training pictures otherwise than it does.

    Raises:
        UsageFailure: with both accuracies on the pictures to keep.
    """
    if CHECKPOINT not in (original.recipe.kind, reference.recipe.kind):
        return
    ours, theirs = original.scores.get("RA"), reference.scores.get("RA")
    if ours is None or theirs is None or abs(ours - theirs) <= FIT:
        return
    raise UsageFailure(
        f"retrained model {reference.id} is no reference: it reads {theirs:.1%} of the pictures that it was "
        f"trained on, the original {ours:.1%}; its training is not the original's",
        "say how the original was trained (--training epochs=30 ...), "
        "or give a model that you retrained (--control FILE)",
    )


def _brought(start: Recipe, forget: ForgetSet, store: Store) -> list[Recipe]:
    rows = store.rows(kind=CHECKPOINT, name=RETRAIN, forget=forget.sha256, model=start.model)
    newest = [run.recipe for row in reversed(rows) if (run := store.get(row["id"]))]
    wanted = recipes.retrained(start, forget)
    return [one for one in newest if _alike(one, wanted)]


def _alike(one: Recipe, other: Recipe) -> bool:
    """Whether two recipes are of the same pictures, split, preparation and seed."""
    data = [{name: v for name, v in recipe.data.items() if name != "augment"} for recipe in (one, other)]
    return data[0] == data[1] and one.seed == other.seed


def brought(start: Recipe, forget: ForgetSet, name: str) -> Recipe:
    """The recipe, less the hash of its weights, of a retrained model that the user brings for a model.

    Args:
        name: of its file, for people.
    """
    first = chains.trained(start)
    kept = chains.labels_of(first.labels, chains.specs(start))
    return replace(
        first,
        kind=CHECKPOINT,
        name=RETRAIN,
        revision=1,
        params={"training": dict(recipes.training_of(first))},
        data=chains.data_of(first.data, chains.behind(start)),
        forget=forget.sha256,
        inputs={},
        attempt=0,
        labels=kept | {"forget": forget.spec, "file": name, KNOWN: "brought"},
    )
