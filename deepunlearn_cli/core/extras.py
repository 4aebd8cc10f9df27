"""Libraries that are not always installed: each comes with an extra of this package."""

from __future__ import annotations

from importlib.util import find_spec

from deepunlearn_cli.core.errors import UsageFailure


def need(library: str, extra: str, what: str) -> None:
    """Refuse, before any work, `what` takes a library that is not installed.

    Args:
        extra: of this package, which brings it.

    Raises:
        UsageFailure: it is missing; the hint installs it.
    """
    if find_spec(library) is None:
        raise UsageFailure(f"{what} {library}", f"pip install 'deepunlearn[{extra}]'")
