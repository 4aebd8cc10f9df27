"""Which requests an attack asks about: of a model that has carried out several, each and all together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepunlearn_cli import data
from deepunlearn_cli.attacks import Attack, Probe
from deepunlearn_cli.checkpoints import refs
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import DO_NOTHING
from deepunlearn_cli.core.specs import for_run
from deepunlearn_cli.execution import chains, forgetting, recipes, references

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deepunlearn_cli.checkpoints.refs import Ref, Start, Wanted
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.execution.runner import Runner


def resolve(ref: Ref, runner: Runner, wanted: Wanted) -> tuple[Start, list[data.ForgetSet]]:
    """What a REF means to an attack, and which of the things that it forgot are asked about, newest first.

    Of a model that has forgotten, `--forget` names one of its requests; of an original it says what it would
    have to forget.

    Raises:
        NotFound, UsageFailure: as `refs.resolve`; a request that the model has not carried out.
    """
    found = refs.look_up(ref, runner, wanted, forgetful=wanted.forget is None)
    if not found.recipe.forget:
        start = refs.bound(found, runner, wanted)
        return start, [start.forget]
    sets = _left(found, _sets(found.recipe, runner), runner)
    if wanted.forget is not None:
        sets = [_named(wanted.forget, found, sets, runner)]
    return refs.Start(found.recipe, found.dataset, sets[0], found.source), sets


def attacks(start: Start, asked: Sequence[data.ForgetSet], attack: Attack, seed: int) -> list[Recipe]:
    """The attack on a model, of each part asked about; an original is a model that has forgotten nothing.

    One that looks for what training planted has nothing to say of pictures that carried nothing.
    """
    target = start.recipe
    if not target.forget:
        target = recipes.unlearned(target, DO_NOTHING, start.forget)
    planted = data.Canary.of(target.data)
    if isinstance(attack, Probe) and attack.exact and planted:
        asked = [one for one in asked if one.sha256 == planted.forget] or asked
    return [recipes.attack(target, attack.name(), attack.params(), seed, one) for one in asked]


def _sets(model: Recipe, runner: Runner) -> list[data.ForgetSet]:
    """Every request behind a model, newest first, and behind them all of several as one."""
    sets = list({one.sha256: one for one in forgetting.behind(model, runner)}.values())
    if len(sets) < 2:
        return sets
    every = data.union(sets[::-1])
    data.save_forget(every, runner.store.data)
    return [*sets, *([every] if every.sha256 not in {one.sha256 for one in sets} else [])]


def _left(found: refs.Model, sets: Sequence[data.ForgetSet], runner: Runner) -> list[data.ForgetSet]:
    """Those of the sets about which something can be asked: pictures of earlier requests may be purged."""
    newest, *rest = sets
    gone = [one for one in rest if references.purged_from(found.recipe, one, runner.store)]
    if gone:
        names = ", ".join(one.spec for one in gone)
        runner.reporter.told(
            f"not asked about any more, for {found.recipe.key} or its retrained model says nothing of purged "
            f"pictures in it: {names}"
        )
    return [newest, *(one for one in rest if one not in gone)]


def _named(spec: str, found: refs.Model, sets: Sequence[data.ForgetSet], runner: Runner) -> data.ForgetSet:
    """The request that a spec means: by its name, else by its pictures.

    Raises:
        UsageFailure: none of them.
    """
    model = found.recipe
    asked = for_run(spec, model.seed)
    if known := next((one for one in sets if one.spec == asked), None):
        return known
    gone = forgetting.behind(model, runner)[1:]
    split = data.split(found.dataset, model.data["val_share"], model.data["split_seed"])
    forget = data.forget_set(asked, found.dataset, split, seed=split.seed, gone=gone)
    if known := next((one for one in sets if one.sha256 == forget.sha256), None):
        return known
    names = ", ".join(dict.fromkeys(chains.specs(model)))
    raise UsageFailure(
        f"{model.key} was not to forget {asked}, but {names}", "leave --forget out: each request is audited"
    )
