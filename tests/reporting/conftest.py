"""What tests of tables share."""

from __future__ import annotations

import pytest

from deepunlearn_cli.reporting import groups


@pytest.fixture
def few_are_grouped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of as many methods as a test has: what is tested is how they are made, not of how many."""
    monkeypatch.setattr(groups, "LEAST_METHODS", 1)
