"""Whether a preset suits an original: what it was tuned on against what it is used on; and the best one.

Settings that were tuned on other pictures or another architecture are a guess here, and steps that go beyond
the original's budget make a comparison unfair: both are refused unless somebody says otherwise. Another
forget set, training, split or way of stepping is warned of.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure
from deepunlearn_cli.core.fields import Share
from deepunlearn_cli.core.recipe import Recipe, canonical
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.sweep import presets
from deepunlearn_cli.sweep.presets import Preset

TRANSFER = "--transfer"  # agrees to what is refused
NAMED = ("fingerprint", "val_share", "split_seed", "augment", "half")  # of a recipe's data, shown as such


@dataclass
class Fit:
    """How a preset suits an original.

    Attributes:
        foreign: why it is of another problem; `over`: what goes beyond the original's budget.
        doubts: why it may not suit all the same.
    """

    foreign: list[str] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def traits(run: Recipe) -> dict[str, Any]:
    """What hyperparameters are tuned on, as a preset says it and as the run that they are for has it."""
    root, data = run.root, run.root.data
    rest = {name: value for name, value in data.items() if name not in NAMED}
    training = recipes.training_of(root)
    return {
        "dataset": run.labels.get("dataset", ""),
        "fingerprint": data["fingerprint"],
        "model": run.model,
        "forget": run.labels.get("forget", ""),
        "forget_sha256": run.forget,
        "split": f"val_share={data['val_share']} split_seed={data['split_seed']}",
        "training": _words({**training, "augment": data["augment"], "precision": root.precision}),
        "training_epochs": training.get("epochs"),
        "prepared": canonical(rest) if rest else "",
        "steps": _words({"augment": run.data["augment"], "precision": run.precision}),
    }


def fit(preset: Preset, here: Recipe, given: Collection[str] = ()) -> Fit:
    """How a preset suits the unlearning run that it is for.

    Args:
        here: that run, with any hyperparameters; or the original, where forget sets are many.
        given: hyperparameters that do not come from the preset.
    """
    there, ours = preset.provenance, traits(here)
    found = Fit()
    name = preset.method
    if (wrong := _of_other_pictures(there, ours, here)) is not None:
        found.foreign.append(f"{name} was tuned on {wrong}")
    elif "fingerprint" not in there and not _same_setting(there, here):
        found.doubts.append(f"the preset of {name} does not say which pictures it was tuned on")
    if there and preset.confirmed is None:
        found.doubts.append(f"the preset of {name} was not confirmed on fresh seeds")
    if there.get("model", ours["model"]) != ours["model"]:
        found.foreign.append(f"{name} was tuned on {there['model']}, and this is {ours['model']}")
    for wanted, text in _over_budget(preset, here, given):
        (found.doubts if wanted else found.over).append(text)
    found.doubts += [
        f"{name} was tuned {text}" for text in (*_of_forgetting(there, ours), *_otherwise(there, ours))
    ]
    revision = METHODS.needed(name).revision
    if revision != preset.revision:
        found.doubts.append(f"{name} has changed since it was tuned ({preset.revision} → {revision})")
    return found


def admit(fitting: Fit, *, transfer: bool) -> None:
    """Refuse a preset that is of another problem or over the budget.

    Raises:
        UsageFailure: it is, and nobody agreed.
    """
    if (refused := [*fitting.foreign, *fitting.over]) and not transfer:
        raise UsageFailure(
            "; ".join(refused), f"sweep here for settings of its own, or agree with {TRANSFER}"
        )


def best(
    folder: Path,
    method: str,
    here: Recipe,
    given: Collection[str] = (),
    *,
    transfer: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Preset:
    """The best preset of a store for a method on an original: of the newest confirmed choice of each study.

    Those with the fewest doubts come first, then the one with the smallest value on fresh seeds. What was
    never confirmed is not compared, nor what is of other pictures, another model or over the budget.

    Args:
        transfer: whether what is over the budget counts.
        say: told of files that cannot be read.

    Raises:
        NotFound: there is none; with what was left out and why.
    """
    left: list[str] = []
    found: list[tuple[int, float, str, Preset]] = []
    for path, preset in _of(folder, method, say):
        confirmed = next((one for one in preset.choices() if one.confirmed is not None), None)
        fitting = fit(confirmed or preset, here, given)
        if fitting.foreign:
            left.append(f"{path.name} is of another problem: {fitting.foreign[0]}")
        elif confirmed is None or confirmed.confirmed is None:
            left.append(f"{path.name} was not confirmed on fresh seeds")
        elif fitting.over and not transfer:
            left.append(fitting.over[0])
        else:
            found.append((len(fitting.doubts), confirmed.confirmed, path.name, confirmed))
    if not found:
        raise _none(method, here, left)
    return min(found, key=lambda one: one[:3])[3]


def _of(folder: Path, method: str, say: Callable[[str], None]) -> Iterator[tuple[Path, Preset]]:
    for path in presets.every(folder):
        try:
            preset = presets.parse(path)
            if preset.method == method:
                yield path, presets.read(path)
        except Failure as failure:
            say(f"left out: {failure.message}")


def _none(method: str, here: Recipe, left: list[str]) -> NotFound:
    start = here.inputs.get("original", here)
    spec = here.labels.get("forget", "")
    forget = f" --forget {quote(spec)}" if spec else ""
    named = quote(METHODS.spelling(method))
    others = f" ({'; '.join(left)})" if left else ""
    return NotFound(
        f"no preset for {method} on {here.labels.get('dataset', '')} {here.model}{others}",
        f"`deepunlearn sweep {start.key} --method {named}{forget}`, or --preset FILE names one",
    )


def _of_other_pictures(there: Mapping[str, Any], ours: Mapping[str, Any], here: Recipe) -> str | None:
    tuned, used = there.get("dataset", ours["dataset"]), ours["dataset"]
    if "fingerprint" not in there:
        return None if tuned == used else f"{tuned}, and this is {used}"
    if there["fingerprint"] == ours["fingerprint"]:
        return None
    texts = (f"{name} ({mark[:12]})" for name, mark in _marked(there, ours, "dataset", "fingerprint"))
    return "other pictures: {}, and these are {}".format(*texts)


def _marked(there: Mapping[str, Any], ours: Mapping[str, Any], *names: str) -> Iterator[tuple[str, str]]:
    for one in (there, ours):
        first, second = (str(one.get(name, "")) for name in names)
        yield first, second


def _same_setting(there: Mapping[str, Any], here: Recipe) -> bool:
    return bool(there.get("setting") == here.setting)


def _of_forgetting(there: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[str]:
    theirs = there.get("forget_sha256")
    if theirs is None or ours["forget_sha256"] in (None, theirs):
        return
    one, other = (f"{name} ({mark[:12]})" for name, mark in _marked(there, ours, "forget", "forget_sha256"))
    yield f"to forget {one}, not {other}"


def _otherwise(there: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[str]:
    """Training, split, preparation and steps that are not those of the preset, where it says them."""
    for name, noun in (("split", "on another split"), ("training", "on originals trained with")):
        if there.get(name, ours[name]) != ours[name]:
            yield f"{noun} {_differing(str(there[name]), ours[name])}"
    if there.get("prepared", ours["prepared"]) != ours["prepared"]:
        yield "on pictures or trainings prepared otherwise"
    if there.get("steps", ours["steps"]) != ours["steps"]:
        yield f"in steps with {_differing(str(there['steps']), ours['steps'])}"


def _differing(there: str, ours: str) -> str:
    """`epochs=15, not epochs=5`: of two texts of words those that differ."""
    theirs, own = there.split(), ours.split()
    first = " ".join(word for word in theirs if word not in own) or "less"
    return f"{first}, not {' '.join(word for word in own if word not in theirs) or 'more'}"


def _over_budget(preset: Preset, here: Recipe, given: Collection[str]) -> Iterator[tuple[bool, str]]:
    """Hyperparameters that an original's training length bounds, beyond that, and whether somebody wanted it.

    That is so of those that were set by hand beyond the budget of the originals that they were tuned on.
    """
    if _same_setting(preset.provenance, here):
        return
    epochs, there = recipes.training_of(here.root).get("epochs"), preset.provenance.get("training_epochs")
    fixed = preset.provenance.get("fixed", ())
    for name, domain in METHODS.needed(preset.method).domains().items():
        if not isinstance(domain.high, Share) or name in given or epochs is None:
            continue
        value, most = float(preset.params.get(name, domain.default)), domain.high.resolve(int(epochs))
        if value > most:
            wanted = name in fixed and isinstance(there, int) and value > domain.high.resolve(there)
            yield (
                wanted,
                f"{name}={value:g} of {preset.title} is over the budget of an original trained for {epochs} "
                f"epochs: {most}",
            )


def _words(values: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(values.items()))
