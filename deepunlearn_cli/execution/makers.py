"""How a run of each kind is made: from a recipe and its input runs to weights, outputs, scores and facts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from deepunlearn_cli import __version__
from deepunlearn_cli.attacks import ATTACKS, Probe
from deepunlearn_cli.core.errors import NotFound, RunFailed, UsageFailure
from deepunlearn_cli.core.plugins import blamed
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.core.shared import Outputs, Progress
from deepunlearn_cli.evaluation import metrics
from deepunlearn_cli.execution import code, origins, tracks
from deepunlearn_cli.execution.contents import ACCURACIES, numbers_of
from deepunlearn_cli.execution.lab import OneModelLab, leaks
from deepunlearn_cli.execution.looks import LOOK, Hopeless, watch
from deepunlearn_cli.execution.parts import outputs_for
from deepunlearn_cli.execution.recipes import actor_of
from deepunlearn_cli.execution.trials import judged
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.methods._tracked import Tracked
from deepunlearn_cli.methods.retrain import Retrain

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepunlearn_cli.engine.task import Task
    from deepunlearn_cli.execution.materials import Materials
    from deepunlearn_cli.methods import Method
    from deepunlearn_cli.store import Run


@dataclass
class Product:
    """What a run leaves behind."""

    scores: dict[str, Any]
    facts: dict[str, Any]
    weights: dict[str, Tensor] | None = None
    track: dict[str, Tensor] | None = None
    outputs: Outputs | None = None
    log: list[dict[str, Any]] = field(default_factory=list)


Judge = Callable[["nn.Module", "Task", Recipe, "Materials"], Product]
Maker = Callable[[Recipe, Mapping[str, "Run"], "Materials", Progress], Product]


def make(recipe: Recipe, inputs: Mapping[str, Run], materials: Materials, progress: Progress) -> Product:
    """The answer to a recipe whose inputs are there.

    A recipe that gives no usable model, and never will, is answered too: status `failed`, with the reason.

    Raises:
        NotFound: a plug-in makes it that nobody named.
        UsageFailure: it is of an earlier revision of what makes it, whose code is gone.
    """
    origins.check(recipe)
    now = actor_of(recipe).revision
    if recipe.revision != now:
        raise UsageFailure(
            f"{recipe.key} is a run of {recipe.name} at revision {recipe.revision}; this version makes {now}",
            "train the original again: what is held against it must be made by the same code",
        )
    return MAKERS[recipe.kind](recipe, inputs, materials, progress)


def _train(recipe: Recipe, inputs: Mapping[str, Run], materials: Materials, progress: Progress) -> Product:
    del inputs
    trainer = Tracked if recipe.repeats and not recipe.forget else Retrain
    return _model_run(recipe, trainer.build(recipe.params), {}, _kept, materials, progress)


def _unlearn(recipe: Recipe, inputs: Mapping[str, Run], materials: Materials, progress: Progress) -> Product:
    method = METHODS.needed(recipe.name).build(recipe.params)
    return _model_run(recipe, method, inputs, _kept, materials, progress)


def _trial(recipe: Recipe, inputs: Mapping[str, Run], materials: Materials, progress: Progress) -> Product:
    method = METHODS.needed(recipe.name).build(recipe.params)
    watch(method, recipe.data.get(LOOK), lambda model: _trial_scores(model, recipe, materials))
    return _model_run(recipe, method, inputs, _tried, materials, progress)


def _model_run(
    recipe: Recipe,
    method: Method,
    inputs: Mapping[str, Run],
    judge: Judge,
    materials: Materials,
    progress: Progress,
) -> Product:
    from torch import nn

    from deepunlearn_cli.library import unlearn

    task = materials.task(recipe, method.reads, progress)
    task.facts["reads"] = list(method.reads)
    start = inputs.get("original")
    if method.tracked:
        task.track = tracks.track(recipe, inputs, materials)
        mixed = task.track.mixed is not None
        task.facts["approximate"] = mixed or inputs["original"].facts.get("approximate", False)
    try:
        model = materials.start(recipe, start) if start else nn.Module()  # training starts from nothing
        with blamed(type(method)):
            unlearned = unlearn(model, method, task, seed=recipe.random_seed)
        return judge(unlearned, task, recipe, materials)
    except Hopeless as end:
        return Product(dict(end.scores), _facts(task, recipe, materials), log=task.log)
    except RunFailed as failure:
        return _failed(failure, task, recipe, materials)


def _failed(failure: RunFailed, task: Task, recipe: Recipe, materials: Materials) -> Product:
    why = {"status": "failed", "reason": failure.message, "hint": failure.hint}
    return Product(scores={}, facts=_facts(task, recipe, materials) | why, log=task.log)


def _kept(model: nn.Module, task: Task, recipe: Recipe, materials: Materials) -> Product:
    """Weights and outputs are kept, for whatever comes next."""
    return _product(task, recipe, materials, materials.outputs(recipe, model), portable(model))


def _product(
    task: Task,
    recipe: Recipe,
    materials: Materials,
    outputs: Outputs,
    weights: dict[str, Tensor] | None = None,
) -> Product:
    warnings = task.warnings + warnings_of(outputs, task.classes)
    return Product(
        scores=score(outputs),
        facts=_facts(task, recipe, materials) | {"warnings": warnings},
        weights=weights,
        track=task.updates,
        outputs=outputs,
        log=task.log,
    )


def _tried(model: nn.Module, task: Task, recipe: Recipe, materials: Materials) -> Product:
    """Scores only, and none that needs a test picture."""
    return Product(_trial_scores(model, recipe, materials), _facts(task, recipe, materials), log=task.log)


def _trial_scores(model: nn.Module, recipe: Recipe, materials: Materials) -> dict[str, Any]:
    outputs = materials.outputs(recipe, model, without=("test",))
    return score(outputs) | {"umia_val": judged(recipe, outputs)}


def _shadow(recipe: Recipe, inputs: Mapping[str, Run], materials: Materials, progress: Progress) -> Product:
    start = inputs.get("original")
    if start is None:  # an original or retrained model of U-LiRA
        judge = _overheard if recipe.forget else _halfway
        return _model_run(recipe, Retrain.build(recipe.params), {}, judge, materials, progress)
    method = METHODS.needed(recipe.name).build(recipe.params)
    if not method.changes_weights:
        return _as_it_was(recipe, start, materials)
    return _model_run(recipe, method, inputs, _overheard, materials, progress)


def _halfway(model: nn.Module, task: Task, recipe: Recipe, materials: Materials) -> Product:
    """An original of U-LiRA: its weights, to start from, and what it says of either half."""
    outputs = materials.outputs(recipe, model, without=("val", "test"))
    return _product(task, recipe, materials, outputs, portable(model))


def _overheard(model: nn.Module, task: Task, recipe: Recipe, materials: Materials) -> Product:
    """An unlearned or retrained model of U-LiRA: what it says of the forgotten and of the never seen."""
    outputs = materials.outputs(recipe, model, without=("retain", "val", "test"))
    return _product(task, recipe, materials, outputs)


def _as_it_was(recipe: Recipe, start: Run, materials: Materials) -> Product:
    """The do-nothing control of U-LiRA: its outputs are those of its original."""
    import numpy as np

    given, forgotten = start.outputs(), materials.indices(recipe)["forget"]
    chosen = np.isin(given["retain"]["index"], forgotten)
    outputs = {
        "forget": {name: array[chosen] for name, array in given["retain"].items()},
        "never": given["never"],
    }
    facts = {**materials.facts(), "seconds": 0.0, "work": 0.0, "shared": False, "version": __version__}
    return Product(scores=score(outputs), facts=facts, outputs=outputs)


def _lockstep(recipe: Recipe, inputs: Mapping[str, Run], materials: Materials, progress: Progress) -> Product:
    """An original and its retrained model side by side: readings over steps, and both test accuracies."""
    from deepunlearn_cli.engine.device import repeatable
    from deepunlearn_cli.engine.lockstep import Lockstep
    from deepunlearn_cli.engine.predict import check_finite

    training = Retrain.build(recipe.params)
    task = materials.task(recipe, Tracked.needs, progress)
    start = materials.start(recipe, inputs["start"]) if inputs else materials.fresh(recipe, "init")
    try:
        with repeatable(recipe.seed, materials.device), task.cost.clock(materials.device):
            pair = Lockstep(start, task, training, training.objective(task.classes))
            task.log = list(pair.run(training.points))
        check_finite(pair.original)
        check_finite(pair.retrained)
    except RunFailed as failure:
        return _failed(failure, task, recipe, materials)
    rest = ("retain", "forget", "val")
    models = {"TA": pair.original, "TA_retrained": pair.retrained}
    accuracies = {name: score(materials.outputs(recipe, m, without=rest))["TA"] for name, m in models.items()}
    return Product(scores=accuracies | task.log[-1], facts=_facts(task, recipe, materials), log=task.log)


def _attack(recipe: Recipe, inputs: Mapping[str, Run], materials: Materials, progress: Progress) -> Product:
    start = time.perf_counter()
    attack = ATTACKS.needed(recipe.name).build(recipe.params)
    if isinstance(attack, Probe):
        return _probed(attack, recipe, inputs, materials, progress)
    sources: dict[str, Callable[[], Outputs]] = {name: run.outputs for name, run in inputs.items()}
    if "target" in inputs:
        sources["target"] = partial(outputs_for, recipe, inputs["target"], materials.home)
    with blamed(type(attack)):
        findings = attack.run(sources, recipe.seed)
    warnings = findings.warnings + leaks(recipe, inputs)
    facts = {"seconds": time.perf_counter() - start, "version": __version__, "warnings": warnings}
    facts |= origins.facts(recipe)
    return Product(scores=numbers_of(attack, findings), facts=facts, outputs=findings.parts)


def _probed(
    attack: Probe, recipe: Recipe, inputs: Mapping[str, Run], materials: Materials, progress: Progress
) -> Product:
    """An attack that works on the model itself."""
    lab = OneModelLab(recipe, inputs["target"], materials, attack.needs, progress)
    with blamed(type(attack)):
        findings = lab.findings(attack)
    facts = _facts(lab.task, recipe, materials) | {"warnings": findings.warnings + leaks(recipe, inputs)}
    return Product(numbers_of(attack, findings), facts, outputs=findings.parts, log=lab.task.log)


def _checkpoint(
    recipe: Recipe, inputs: Mapping[str, Run], materials: Materials, progress: Progress
) -> Product:
    what = f"the weights of checkpoint {recipe.key} are not in this store"
    raise NotFound(what, "give the file itself with --ckpt FILE")


MAKERS: dict[str, Maker] = {
    "train": _train,
    "unlearn": _unlearn,
    "trial": _trial,
    "shadow": _shadow,
    "lockstep": _lockstep,
    "attack": _attack,
    "checkpoint": _checkpoint,
}


def score(outputs: Outputs) -> dict[str, Any]:
    """Accuracy (0..1) of each part: RA, FA, VA, TA; OA of what earlier requests forgot."""
    return {
        ACCURACIES[part]: metrics.accuracy(arrays["logits"], arrays["labels"])
        for part, arrays in outputs.items()
    }


def warnings_of(outputs: Outputs, classes: int) -> list[str]:
    """What a person should know before trusting this model."""
    retain = score(outputs).get("RA")
    if retain is None or not metrics.at_chance(retain, classes):
        return []
    return [f"retain accuracy is {retain:.1%}, at chance for {classes} classes: the model is not usable"]


def _facts(task: Task, recipe: Recipe, materials: Materials) -> dict[str, Any]:
    cost = task.cost.facts(materials.training_size(recipe))
    made = {"version": __version__, code.FACT: code.of(recipe), "classes": task.classes}
    return {**task.facts, **materials.facts(), **cost, **made, **origins.facts(recipe)}


def portable(model: nn.Module) -> dict[str, Tensor]:
    """A model's weights and statistics by name, as the store takes them."""
    return {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
