"""Lines of a file of figures against their declared types: seals are no secret, so each is sealed anew."""

from __future__ import annotations

import json
import zlib
from base64 import b85encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_kit import recipe

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.store import Store, arrays
from deepunlearn_cli.store.figures import Figures, FiguresFile, Taken
from deepunlearn_cli.store.lines import sealed

GONE = object()
SCORES = {"RA": 0.9, "FA": 0.5, "TA": 0.8, "by_split": [0.5, None]}
FACTS = {"status": "done", "created": 7.0, "seconds": 1.5, "guarantee": {"epsilon": 1.0, "delta": 1e-5}}
JOURNAL = '{"op_code":0,"worker_id":"w"}\n'
OUTPUTS = {
    "forget": {
        "index": np.arange(9),
        "classes": np.array([10]),
        "confidence": np.linspace(0, 1, 9, dtype="f4"),
    }
}


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> list[dict[str, Any]]:
    """Head, question, its input, arrays, answer, journal, what was asked for."""
    place = tmp_path_factory.mktemp("told")
    start = recipe(labels={"dataset": "digits"})
    asked = recipe(kind="unlearn", name="ft", forget="f" * 64, inputs={"original": start})
    run = Store.open(place / "store", create=True).put(asked, scores=SCORES, facts=FACTS)
    file = FiguresFile(place / "figures.jsonl")
    file.tell(run, lambda _: Taken({"mia": 0.25, "log_p": -1.0}, OUTPUTS))
    (place / "ft-0123456789abcdef.journal").write_text(JOURNAL)
    file.follow("ft-0123456789abcdef", place / "ft-0123456789abcdef.journal")
    told = [json.loads(line) for line in (place / "figures.jsonl").read_text().splitlines()]
    return [{n: v for n, v in one.items() if n != "seal"} for one in [*told, {"asked": [run.id]}]]


def changed(lines: list[dict[str, Any]], place: str, value: object) -> tuple[int, list[dict[str, Any]]]:
    """The lines with another value at `KIND.KEY.KEY`, and the number of the one that has it."""
    kind, *keys = place.split("/")
    number = max(n for n, line in enumerate(lines) if kind in line)
    new = json.loads(json.dumps(lines))
    at = new[number]
    for key in keys[:-1]:
        at = at[key]
    if value is GONE:
        del at[keys[-1]]
    else:
        at[keys[-1]] = value
    return number + 1, new


def read(tmp_path: Path, lines: list[Mapping[str, Any]]) -> Figures:
    file = tmp_path / "odd.jsonl"
    file.write_text("".join(sealed(dict(line)) for line in lines), "utf-8", "surrogatepass")
    return Figures.of([file])


def packed(planes: bytes, kind: str = "<f4") -> dict[str, str]:
    return {
        "array": arrays._digest(kind, planes), "dtype": kind, "bytes": b85encode(zlib.compress(planes)).decode()
    }  # fmt: skip


def test_what_was_written_is_read(tmp_path, lines):
    figures = read(tmp_path, lines)
    [run] = figures.runs.values()
    assert (run.scores, run.reduced) == (SCORES, {"mia": 0.25, "log_p": -1.0})
    assert figures.outputs(run)["forget"]["index"].tolist() == list(range(9))
    assert (figures.journals, len(figures.asked)) == ({"ft-0123456789abcdef": JOURNAL}, 1)


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        ("run/scores", [1], "scores = [...] is not a table"),
        ("run/scores/RA", "0.9", "scores.RA = '0.9' is not a share from 0 to 1 or nothing"),
        ("run/scores/RA", 1.7, "scores.RA = 1.7 is not a share"),
        ("run/scores/RA", True, "scores.RA = True is not a share"),
        ("run/scores/FA", {"a": 1}, "scores.FA = {...} is not a share"),
        ("run/scores/by_split", 0.5, "scores.by_split = 0.5 is not a list"),
        ("run/scores/by_split", ["x"], "scores.by_split[0] = 'x' is not a share"),
        ("run/scores/auc", [0.5], "scores.auc = [...] is not a number or nothing"),
        ("run/scores/auc", 10**30, "scores.auc = a number too large is not a finite number"),
        ("run/facts", None, "facts = None is not a table"),
        ("run/facts", GONE, "facts = None is not a table"),
        ("run/facts/seconds", "1", "facts.seconds = '1' is not a number from 0 up or nothing"),
        ("run/facts/seconds", -1, "facts.seconds = -1 is not a number from 0 up"),
        ("run/facts/created", 1e300, "facts.created = 1e+300 is not seconds since 1970"),
        ("run/facts/peak_memory", "\x1b[31mA", "facts.peak_memory = '\\x1b[31mA' is not"),
        ("run/facts/guarantee", {"epsilon": 1.0}, "facts.guarantee.delta = None is not"),
        ("run/facts/reads", "retain", "facts.reads = 'retain' is not a list of texts"),
        ("run/left", "x", "left = 'x' is not a list"),
        ("run/left", ["../../x"], "left[0] = '../../x' is not the name of a file"),
        ("run/reduced/mia", "x", "reduced.mia = 'x' is not a number or nothing"),
        ("run/reduced/forgotten", 0.5, "reduced.forgotten = 0.5 is not a whole number from 1 up"),
        ("run/outputs/forget", 5, "outputs.forget = 5 is not a table"),
        ("run/outputs/forget/index", "0" * 16, "outputs.forget.index = '0000000000000000' is not told further"),
        ("run/run", "0" * 16, "run = '0000000000000000' is not told further up"),
        ("run/run", 5, "run = 5 is not 16 hex digits"),
        ("recipe/inputs/original", "../x", "inputs.original = '../x' is not 16 hex digits"),
        ("recipe/recipe", None, "recipe = None is not a table"),
        ("recipe/recipe/seed", "x", "recipe.seed = 'x' is not a whole number from 0 up"),
        ("recipe/recipe/params/feature", {"a": 1}, "recipe.params.feature = {...} is not a text or"),
        ("recipe/recipe/labels", {"dataset": 5}, "recipe.labels.dataset = 5 is not a text"),
        ("array/dtype", "O", "dtype = 'O' is not '|b1' or"),
        ("array/bytes", "\x00", "bytes = None is not a packed array"),
        ("array/bytes", packed(bytes(8))["bytes"], "bytes = None is not the array"),
        ("journal/journal", "../../evil", "journal = '../../evil' is not the name of a search"),
        ("journal/at", 5, "at = 5 is not where a line of this journal ends"),
        ("journal/text", "rm -rf\n", "is not whole lines of a journal"),
        ("asked/asked", "x", "asked = 'x' is not a list"),
        ("asked/asked", ["../x"], "asked[0] = '../x' is not 16 hex digits"),
    ],
)  # fmt: skip
def test_a_line_of_another_type_is_told_by_number_key_and_what_is_wanted(tmp_path, lines, place, value, says):
    number, odd = changed(lines, place, value)
    with pytest.raises(UsageFailure) as caught:
        read(tmp_path, odd)
    assert caught.value.message.startswith(f"line {number} of {tmp_path / 'odd.jsonl'}: "), caught.value
    assert says in caught.value.message


def test_a_line_that_tells_nothing_known_is_refused(tmp_path, lines):
    with pytest.raises(UsageFailure, match=r"line 2 of .*: not a line of figures: none of recipe, run"):
        read(tmp_path, [lines[0], {"x": 1}])


@pytest.mark.parametrize(
    ("name", "array", "says"),
    [
        ("index", np.arange(9) - 1, "numbers of pictures, from 0"),
        ("index", np.arange(9) * 10**15, "numbers of pictures, from 0"),
        ("index", np.zeros(9, int), "each once"),
        ("index", np.linspace(0, 1, 9), "index = None is not whole numbers"),
        ("confidence", np.zeros(8, "f4"), "arrays of the same length"),
        ("confidence", np.zeros(9, int), "confidence = None is not numbers"),
        ("classes", np.array([10, 10]), "one number of classes"),
        ("classes", np.array([-1]), "classes = -1 is not 2 classes or more"),
    ],
)
def test_arrays_that_do_not_go_together_are_told(tmp_path, lines, name, array, says):
    digests, told = arrays.told({"forget": {name: array}})
    new = [*lines[:3], *(dict(line) for line in told.values()), *lines[3:]]
    number, odd = changed(new, f"run/outputs/forget/{name}", digests["forget"][name])
    with pytest.raises(UsageFailure) as caught:
        read(tmp_path, odd)
    assert caught.value.message.startswith(f"line {number} of "), caught.value
    assert says in caught.value.message


def test_an_array_that_unpacks_to_more_than_any_is_refused(tmp_path, lines, monkeypatch):
    monkeypatch.setattr(arrays, "LARGEST", 2**16)
    read(tmp_path, [lines[0], packed(bytes(2**16))])
    with pytest.raises(UsageFailure, match=r"line 2 of .*: bytes = None is not a whole array of 65536 bytes"):
        read(tmp_path, [lines[0], packed(bytes(2**24))])
