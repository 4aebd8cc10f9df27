"""The method room: one file per method, whose name is the method's public name.

May import: `core`, `engine`.
"""

from deepunlearn_cli.core.registry import Room
from deepunlearn_cli.methods._method import (
    CIFAR10,
    Method,
    Sizes,
    batch,
    decay,
    heat,
    inertia,
    passes,
    per_step,
    rate,
)

__all__ = [
    "METHODS",
    "Method",
    "Sizes",
    "batch",
    "decay",
    "for_any_original",
    "heat",
    "inertia",
    "passes",
    "per_step",
    "rate",
]


def _fault(kind: type[Method]) -> str:
    """Why a plug-in cannot be a method: the controls are the tool's own, and every method has a cost."""
    settled = {"control": False, "from_scratch": False, "changes_weights": True}
    wrong = [f"{name} = {getattr(kind, name)}" for name, due in settled.items() if getattr(kind, name) != due]
    if wrong:
        return f"says {', '.join(wrong)}, which only a control may"
    work = kind().work(CIFAR10)
    return (
        "" if isinstance(work, int | float) and work >= 0 else f"has a work(n) that gives {work!r}, no number"
    )


METHODS: Room[Method] = Room("deepunlearn_cli.methods", Method, "method", "deepunlearn methods", _fault)  # type: ignore[type-abstract]


def for_any_original() -> list[str]:
    """What `all` means: the methods that start from any original, those for tracked ones left out.

    Plug-ins are named by themselves: what `all` means does not depend on what else is installed.
    """
    return [name for name in METHODS.names() if not METHODS.needed(name).tracked]
