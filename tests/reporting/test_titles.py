"""Titles of plug-ins in tables."""

from __future__ import annotations

from deepunlearn_cli.reporting.titles import of_plugins, told_apart


def row(name, kind="unlearn", method=None, title=None):
    return {"name": name, "kind": kind, "method": method, "title": title}


def test_a_plugin_is_marked_and_two_of_one_title_are_told_apart():
    rows = [
        row("Mine@11111111", title="Quick"),
        row("Mine@11111111", "shadow"),
        row("ft"),
        row("umia", "attack"),
    ]
    assert of_plugins(rows) == {"Mine@11111111": "Quick (plug-in)"}
    two = of_plugins([*rows, row("Other@22222222", title="Quick")])
    assert two == {
        "Mine@11111111": "Quick (plug-in Mine@11111111)",
        "Other@22222222": "Quick (plug-in Other@22222222)",
    }
    assert told_apart({"Mine@11111111": "FT"}) == {"Mine@11111111": "FT (plug-in)"}


def test_attacks_of_yours_are_no_methods_and_those_attacked_are():
    rows = [row("Loud@33333333", "attack", title="Loud"), row("ulira", "attack", method="Mine@11111111")]
    assert of_plugins(rows) == {"Mine@11111111": "Mine (plug-in)"}
