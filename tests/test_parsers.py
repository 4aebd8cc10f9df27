"""Parsers of files that people write or bring: whatever is in them, no failure but our own."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cli_kit import call

from deepunlearn_cli.core.errors import Failure

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["digits", "resnet-tiny", "ft", "umia", "0-1", "random:0.1", "0" * 64, "1e400"])
)
ANY = st.recursive(SCALARS, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=4), one))
BYTES = st.binary(max_size=80) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace"))
KEYS = {
    "plan": "datasets models methods attacks cells seeds forget tables precision image_size augment "
    "val_share split_seed training params sweep unrolling timing",
    "preset": "method revision params provenance history",
    "claims": "recipe dataset image_size split_folders classes forget created",
    "journal": "op_code worker_id study_name directions study_id trial_id user_attr system_attr",
}
TREES = {name: st.dictionaries(st.sampled_from(keys.split()), ANY) for name, keys in KEYS.items()}


def parse_plan(content: Any, folder: Path) -> None:
    from deepunlearn_cli.studies.plan_file import _plan

    base = {"datasets": ["digits"], "models": ["resnet-tiny"], "methods": ["ft"]}
    plan = _plan(base | content, "p.toml")
    assert plan.setups


def parse_preset(content: Any, folder: Path) -> None:
    from deepunlearn_cli.sweep import presets

    (folder / "p.toml").write_bytes(content)
    presets.read(folder / "p.toml")


def parse_preset_tree(content: Any, folder: Path) -> None:
    from deepunlearn_cli.sweep.presets import _preset

    with suppress(ValueError):  # what `parse` tells as a failure
        _preset({"method": "ft", "revision": 1, "params": {}} | content, "p")


def parse_claims(content: Any, folder: Path) -> None:
    from deepunlearn_cli.checkpoints.file import _parsed

    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else json.dumps(content)
    _parsed(text, folder / "c.pt")


def parse_list(suffix: str) -> Callable[[Any, Path], None]:
    def parse(content: Any, folder: Path) -> None:
        from deepunlearn_cli.data._entries import read_entries

        (folder / f"f{suffix}").write_bytes(content)
        read_entries(folder / f"f{suffix}")

    return parse


def parse_csv(content: Any, folder: Path) -> None:
    from deepunlearn_cli.reporting.csv_records import read

    (folder / "f.csv").write_bytes(b"dataset,model,method,seed,RA,FA,TA\n" + content)
    read(folder / "f.csv", {"ft": "FT"})


def parse_plan_file(content: Any, folder: Path) -> None:
    from deepunlearn_cli.studies import plan_file

    (folder / "p.toml").write_bytes(content)
    plan_file.load(str(folder / "p.toml"))


def parse_training(content: Any, folder: Path) -> None:
    from deepunlearn_cli.checkpoints import training

    (folder / "t.toml").write_bytes(b"[training]\n" + content)
    training.read([str(folder / "t.toml")])


def parse_journal(content: Any, folder: Path) -> None:
    from deepunlearn_cli.sweep.stated import studies_in
    from deepunlearn_cli.sweep.storage import open_storage

    line = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / "s.journal").write_bytes(line + b"\n")
    list(studies_in(open_storage(f"journal:{folder / 's.journal'}")))


ROWS = st.lists(
    st.lists(st.sampled_from(["digits", "m", "ft", "retrain", "0", "0.5", "nan", "1e400", "-1", "9" * 5000, ""]),
             min_size=7, max_size=7)
    .map(",".join), max_size=4).map(lambda rows: "\n".join(rows).encode())  # fmt: skip
JSON = ANY.map(lambda value: json.dumps(value).encode())
LINES = st.lists(st.sampled_from(["index", "path", "3", "-1", "9" * 5000, "a,b", '"', "\0"]), max_size=5).map(
    lambda lines: "\n".join(lines).encode()
)
TOML = st.sampled_from([f"{name} = {value}".encode() for name in ("epochs", "lr", "augment", "nope")
                        for value in ("1e400", "nan", "[1]", "[" * 3000, "true", '"x"', "-1", "9" * 5000, "{a=1}")])  # fmt: skip
PARSERS = {
    "plan": (parse_plan, TREES["plan"]),
    "plan-file": (parse_plan_file, BYTES),
    "preset": (parse_preset, BYTES),
    "preset-tree": (parse_preset_tree, TREES["preset"]),
    "claims": (parse_claims, TREES["claims"] | BYTES | ANY),
    "forget-txt": (parse_list(".txt"), BYTES | LINES),
    "forget-csv": (parse_list(".csv"), BYTES | LINES),
    "forget-json": (parse_list(".json"), BYTES | JSON),
    "forget-npy": (parse_list(".npy"), BYTES | BYTES.map(lambda rest: b"\x93NUMPY\x01\x00" + rest)),
    "csv": (parse_csv, BYTES | ROWS),
    "training": (parse_training, BYTES | TOML),
    "journal": (parse_journal, BYTES | TREES["journal"]),
}


def examine(name: str, folder: Path, examples: int) -> None:
    parse, strategy = PARSERS[name]
    quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=quiet
    )
    @given(strategy)
    def only_our_failures(content: Any) -> None:
        with suppress(Failure):
            parse(content, folder)

    only_our_failures()


@pytest.mark.parametrize("name", PARSERS)
def test_no_failure_but_our_own(name: str, tmp_path: Path) -> None:
    examine(name, tmp_path, 25)


@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
def test_no_failure_but_our_own_in_2000_examples(name: str, tmp_path: Path) -> None:
    examine(name, tmp_path, 2000)


@pytest.mark.parametrize(
    "words",
    [
        "rank --nope",
        "nope",
        "runs --seeds",
        "attack zz",
        "train",
        "sweep list --nope",
        "train --val-share abc",
    ],
)
def test_what_cannot_be_parsed_is_told_as_json(words: str) -> None:
    said = call(*words.split(), "--json")
    (line,) = said.err.splitlines()
    told = json.loads(line)
    assert said.code == told["code"] == 2
    assert told["schema"] == "deepunlearn.error/1"
    assert set(told) == {"schema", "error", "hint", "code"}
    assert told["hint"].startswith("deepunlearn")
