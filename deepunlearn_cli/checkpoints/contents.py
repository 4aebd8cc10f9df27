"""What a checkpoint file holds: its state dicts by where they lie, and the names of its classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import UsageFailure

if TYPE_CHECKING:
    from torch import Tensor

WHOLE = ""  # where the file itself is the state dict
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "weights")  # where training scripts put weights
CLASSES = ("classes", "class_names", "labels_map", "class_to_idx", "idx_to_class")  # and names of classes
DEEPEST = 3  # levels of mappings within mappings
EXPORT = "save it with torch.save(model.state_dict(), FILE)"

Entries = dict[str, "dict[str, Tensor]"]  # state dicts by their place: `state_dict`, `ema.module`, or WHOLE


def state_dicts(content: Any, path: Path) -> Entries:
    """Every state dict in a file, the ones that scripts mean first and averaged copies last.

    Raises:
        UsageFailure: there is none.
    """
    if not isinstance(content, Mapping):
        raise UsageFailure(f"{path} holds a {type(content).__name__}, not a state dict", EXPORT)
    found = dict(_within(content, WHOLE, 0))
    if not found:
        fault = _fault(content)
        raise UsageFailure(f"{path} is not a state dict of tensors: {fault}", EXPORT)
    return {place: found[place] for place in sorted(found, key=_preference)}


def check_tensors(entries: Entries, path: Path) -> None:
    """Refuse tensors whose values are not there to be read as they are.

    Raises:
        UsageFailure: sparse, quantised, on no device (meta), or one name of many dimensions over few values.
    """
    for weights in entries.values():
        for name, value in weights.items():
            if fault := _odd(value):
                raise UsageFailure(f"{path}: {name} is {fault}, not plain numbers", EXPORT)


def _odd(value: Tensor) -> str:
    import torch

    if value.layout != torch.strided:
        return "sparse"
    if value.is_quantized:
        return "quantised"
    if value.device.type == "meta":
        return "without values (meta)"
    held = value.untyped_storage().nbytes()
    if value.numel() * value.element_size() > held:  # a view that repeats what is there
        return f"{value.numel()} values made of {held} bytes"
    return ""


def chosen(entries: Entries, key: str, path: Path) -> Entries:
    """The state dict that `--weights-key` names: by its place, or by the prefix of its names.

    Raises:
        UsageFailure: there is none, with those that there are.
    """
    if key in entries:
        return {key: entries[key]}
    for weights in entries.values():
        prefix = f"{key}."
        part = {name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)}
        if part:
            return {key: part}
    named = ", ".join(place for place in entries if place) or "one state dict without a name"
    raise UsageFailure(f"{path} has no weights at {key!r}", f"it holds {named}")


def class_names(content: Any) -> tuple[str, ...]:
    """The classes in the order of a model's outputs, as far as a file says (`class_to_idx`, `classes`)."""
    if not isinstance(content, Mapping):
        return ()
    for holder in (content, *(one for one in content.values() if isinstance(one, Mapping))):
        for name in CLASSES:
            if names := _named(holder.get(name)):
                return names
    return ()


def _named(value: Any) -> tuple[str, ...]:
    """Names in order, from a list of them, or from either direction of a numbering 0 .. K - 1."""
    if isinstance(value, list | tuple):
        return tuple(value) if value and all(isinstance(one, str) for one in value) else ()
    if not isinstance(value, Mapping) or not value:
        return ()
    numbered = {_number(k): v for k, v in value.items()} if not _numbers(value.values()) else None
    pairs = numbered if numbered is not None else {_number(v): k for k, v in value.items()}
    if sorted(pairs, key=str) != sorted(range(len(value)), key=str):
        return ()
    return tuple(str(pairs[number]) for number in range(len(pairs)))


def _numbers(values: Any) -> bool:
    return all(isinstance(value, int) for value in values)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else int(value) if str(value).isdigit() else -1


def _within(content: Mapping[Any, Any], place: str, depth: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
    import torch

    if not all(isinstance(name, str) for name in content):
        return
    tensors = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    if any(value.dim() for value in tensors.values()):
        yield place, tensors
    for name, inner in content.items() if depth < DEEPEST else ():
        if isinstance(inner, Mapping) and "optim" not in name:
            yield from _within(inner, f"{place}.{name}" if place else name, depth + 1)


def _preference(place: str) -> tuple[bool, int]:
    """Averaged copies last; of the others the ones that scripts mean by the weights first."""
    words = place.split(".")
    usual = WRAPPERS.index(words[0]) if words[0] in WRAPPERS else len(WRAPPERS)
    return any("ema" in word for word in words), -1 if place == WHOLE else usual


def _fault(content: Mapping[Any, Any]) -> str:
    inner = next((content[name] for name in WRAPPERS if isinstance(content.get(name), Mapping)), content)
    if not inner:
        return "it is empty"
    name = next(iter(inner))
    return f"entry {name!r} is a {type(inner[name]).__name__}"
