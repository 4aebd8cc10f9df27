"""Numbers that are none, in every numeric option of every command: refused before any work."""

from __future__ import annotations

import pytest
from cli_kit import call, commands, refused

WRONG = ("nan", "1e400", "-inf", "9" * 5000, "9" * 30)
NUMERIC = [
    (words, parameter.opts[0])
    for words, group in commands()
    for parameter in group.params
    if parameter.type_descriptor.annotation in (int, float) and parameter.param_type_name == "option"
]


def test_every_command_was_walked() -> None:
    assert len(NUMERIC) > 40


RARER = [
    pytest.param(value, marks=pytest.mark.slow) for value in WRONG[2:]
]  # seconds each: all options of all commands


@pytest.mark.slow
@pytest.mark.parametrize("value", [*WRONG[:1], *RARER], ids=lambda value: value[:9])
def test_no_option_takes_a_number_that_is_none(value: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    named = 0
    for words, option in NUMERIC:
        said = call(*words, f"{option}={value}", "--store", tmp_path / "none")
        assert said.code == 2, (words, option, said)
        assert "unexpected" not in said.err
        named += option in said.err
    assert named > len(NUMERIC) // 4
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("value", ["nan", "1e400", "9" * 5000])
def test_hyperparameters_take_none_either(value: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    store = tmp_path / "store"  # decoding digits makes its folder of data
    base = ("train", "--dataset", "digits", "--model", "resnet-tiny", "--store", store, "--dry-run")
    for name in ("lr", "epochs", "batch_size"):
        refused(*base, "-p", f"{name}={value}", code=2)
    refused(*base, "--seeds", value, code=2)
    refused(*base, "--forget", f"random:{value}", code=2)
