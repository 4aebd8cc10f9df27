"""Help and completion: instant, without the heavy libraries, ending in examples."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import cli_kit
import pytest
import typer
from cli_kit import (
    COMMANDS,
    HEAVY,
    Bench,
    bench,
    clean_environment,
    commands,
    ok,
    on_terminal,
    python,
    refused,
)
from rich.text import Text
from typer.core import TyperGroup

from deepunlearn_cli import models
from deepunlearn_cli.cli import app as application
from deepunlearn_cli.cli import reading
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.environment import takes_variable
from deepunlearn_cli.cli.shelf import COMMANDS as SHELVED
from deepunlearn_cli.core.specs import read_duration
from deepunlearn_cli.sweep import by_hand


def complete(line: str, shell: str = "bash", *, cwd: Path | None = None, **environment: str) -> list[str]:
    """What a shell is offered after `line`, by a process that then says what heavy libraries it has."""
    words = line.split(" ")
    asked = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    code = (
        "import sys\n"
        "from deepunlearn_cli.cli.app import app\n"
        "try:\n    app(prog_name='deepunlearn')\nfinally:\n"
        f"    assert not set({HEAVY!r}) & set(sys.modules), sys.modules.keys()"
    )
    said = python(code, cwd=cwd, _DEEPUNLEARN_COMPLETE=f"complete_{shell}", **asked, **environment)
    return [line for line in said.split("\n") if line]


def test_help_of_every_command_imports_nothing_heavy():
    code = f"""
import sys, io, contextlib
from deepunlearn_cli.cli.app import app
for command in {COMMANDS!r}:
    for flag in ("--help", "-h"):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            try:
                app([*command.split(), flag], prog_name="deepunlearn")
            except SystemExit as end:
                assert end.code == 0, end
        assert "Usage: deepunlearn " + command in out.getvalue(), out.getvalue()
        assert not {{"numpy", *{HEAVY!r}}} & set(sys.modules), command
print("looked at", {len(COMMANDS)})
"""
    assert python(code) == f"looked at {len(COMMANDS)}\n"


def test_every_command_is_in_the_list_that_says_so():
    folder = Path(application.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if "register(" in path.read_text("utf-8")} - {
        "command"
    }
    assert files == {file for shelved in SHELVED.values() for file in shelved.files}
    assert len(COMMANDS) > len(files) > 10


def test_the_list_says_of_each_command_what_it_says_itself():
    for name, shelved in SHELVED.items():
        (command,) = (one for words, one in commands() if words == (name,))
        assert command.name == name
        assert shelved.help == command.help.split("\n\n")[0]


LEAVES = [(" ".join(words), command) for words, command in commands() if not isinstance(command, TyperGroup)]


@pytest.mark.parametrize("command", [name for name, _ in LEAVES])
def test_help_ends_in_examples(command):
    text = " ".join(ok(*command.split(), "--help").out.split())
    _, found, shown = text.rpartition("Examples: ")
    assert found
    assert f"deepunlearn {command}" in shown
    assert "│" not in shown, "nothing comes after them"
    for option in ("--store", "--json", "--quiet", "--debug"):
        assert option in text


@pytest.mark.parametrize("command", [command for _, command in LEAVES])
def test_what_help_says_in_brackets_is_no_markup(command):
    for parameter in command.params:
        text = getattr(parameter, "help", None) or ""
        assert Text.from_markup(text).plain == text.replace("\\[", "["), parameter.name


def test_help_names_the_tables_of_plans():
    assert "auto for a plan with [timing]" in " ".join(ok("bench", "--help").out.replace("│", "").split())


def examples_of(command) -> list[str]:
    return [example.strip() for example in command.epilog.split("\n\n")[1:]]


EXAMPLES = [(name, example) for name, command in LEAVES for example in examples_of(command)]


def calls(example: str) -> list[list[str]]:
    """The calls of `deepunlearn` in a line as a shell splits it, without pipes, files and variables."""
    line = shlex.shlex(example.replace("\\\n", " "), posix=True, punctuation_chars=True)
    line.whitespace_split = True
    words = list(itertools.takewhile(lambda word: word != ">", line))
    assert not {"(", ")"} & set(words), "a shell refuses these"
    parts = [list(part) for pipe, part in itertools.groupby(words, "|".__eq__) if not pipe]
    said = [list(itertools.dropwhile(lambda word: "=" in word, part)) for part in parts]
    return [part[1:] for part in said if part[0] == "deepunlearn"]


def accepted(words: list[str]) -> dict[str, object]:
    """The values that a command's parser reads from words, without running it."""
    command, prefix = typer.main.get_command(app), []
    while isinstance(command, TyperGroup):
        prefix.append(words[len(prefix)])
        command = command.commands[prefix[-1]]
    return command.make_context(" ".join(prefix), words[len(prefix) :]).params


@pytest.mark.parametrize(("command", "example"), EXAMPLES)
def test_examples_can_be_typed(command, example):
    """Every line as it is shown: it fits a narrow terminal, its options exist, and so do its names."""
    assert all(len(line) <= 78 for line in example.split("\n")), "a terminal would break the line"
    assert not any("#" in line and line.endswith("\\") for line in example.split("\n")), "a comment goes on"
    assert f"deepunlearn {command}" in example
    for words in calls(example):
        values = accepted(words)
        methods = reading.read_methods(values["method"]) if values.get("method") else []
        if "p" in values and methods:
            shares = reading.shares_of(methods, reading.read_params(values["p"]))
            for method, given in shares.items():
                assert command == "sweep" or not by_hand(method, given).ranges, "only searches take ranges"
        if values.get("model"):
            models.check_name(values["model"])
        if values.get("timeout"):
            read_duration(values["timeout"])


def test_a_wrong_example_is_noticed():
    with pytest.raises(typer.TyperException, match="--ckp"):
        accepted(calls("deepunlearn unlearn --method ft --ckp 3f9c   # so")[0])
    with pytest.raises(AssertionError, match="a shell refuses"):
        calls("deepunlearn attack umia 3f9c   (explained)")


def test_no_arguments_print_the_help():
    done = subprocess.run(
        [sys.executable, "-m", "deepunlearn_cli"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Usage: deepunlearn" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completes_methods_in_every_shell(shell):
    offered = "\n".join(complete("deepunlearn unlearn --method m", shell))
    assert "msg" in offered
    assert "retrain" not in offered


def test_completes_what_can_be_typed(tmp_path):
    assert {"--method", "--metric"} & set(complete("deepunlearn unlearn --me")) == {"--method"}
    assert "unlearn" in complete("deepunlearn u")
    assert "umia" in complete("deepunlearn attack u")
    assert "ft,msg" in complete("deepunlearn unlearn --method ft,m")
    assert "digits" in complete("deepunlearn train --dataset d")
    assert "resnet-tiny" in complete("deepunlearn train --model r")
    assert "quick" in complete("deepunlearn bench q")
    assert "umia" in complete("deepunlearn attacks u")


def test_completes_hyperparameters():
    assert "init_rate=" in complete("deepunlearn unlearn --method msg -p in")
    assert "alpha=" in complete("deepunlearn unlearn --method ng+ -p a")
    assert "epochs=" in complete("deepunlearn train -p e")
    assert complete("deepunlearn unlearn --method nonsense -p e") == []


@pytest.fixture
def place(tmp_path) -> Bench:
    return bench(tmp_path)


@pytest.mark.parametrize("command", ["show", "verify", "prune", "unlearn --ckpt", "attack umia"])
def test_completes_run_ids(place, command):
    original = place.ids["original"]
    line = f"deepunlearn {command} {original[:2]}"
    assert original in complete(line, DEEPUNLEARN_STORE=str(place.store))
    name, dashes, option = command.partition(" --")
    assert original in complete(f"deepunlearn {name} --store {place.store}{dashes}{option} {original[:2]}")


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("train --role ", {"original", "retrain", "both"}),
        ("train --precision ", {"fp32", "bf16"}),
        ("train --jobs ", {"auto"}),
        ("attack umia x --require-control ", {"retrained"}),
        ("attack umia x --metric auc,t", {"auc,tpr_1", "auc,tpr_1_below"}),
        ("runs --kind tr", {"train", "trial"}),
        ("runs --status ", {"done", "failed"}),
    ],
)
def test_completes_what_an_option_is_one_of(line, offered):
    assert set(complete(f"deepunlearn {line}")) == offered


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["--forget", "class", ":"], ["0", "0:0.5"]),
        (["--forget", "class", ":", "0", ":"], ["0.5"]),
        (["--forget", "ra"], ["random:0.1", "random:0.1:{seed}"]),
        (["--model", "resnet-t"], ["resnet-tiny"]),
    ],
)
def test_bash_completes_words_with_colons(tmp_path, typed, offered):
    """As bash has them: broken at colons, of which it replaces what stands behind the last."""
    code = "import sys; sys.argv[0] = 'deepunlearn'; from deepunlearn_cli.__main__ import main; main()"
    command = tmp_path / "deepunlearn"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$@"\n')
    command.chmod(0o755)
    script = f"""
source {shlex.quote(str(Path(__file__).parents[2] / "completions" / "deepunlearn.bash"))}
COMP_WORDS=({shlex.join(["deepunlearn", "train", *typed])})
COMP_CWORD={len(typed) + 1}
_deepunlearn_completion {shlex.quote(str(command))}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    run = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, env=clean_environment(), check=True
    )
    assert run.stdout.splitlines() == offered, run.stderr


def test_completion_without_a_store_is_silent(tmp_path):
    assert complete("deepunlearn show ", cwd=tmp_path) == []
    assert complete("deepunlearn show ", DEEPUNLEARN_STORE=str(Path(__file__))) == []
    assert not list(tmp_path.iterdir())


def test_version_is_one_line():
    assert ok("--version").out.startswith("deepunlearn ")
    assert len(ok("--version").lines) == 1


def test_lists_need_no_store(tmp_path):
    for command in ("methods", "attacks", "datasets", "models"):
        said = ok(command, "--store", tmp_path / "none", "--json")
        assert said.json
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_methods_tells_what_each_does_and_fits_a_terminal(tmp_path):
    assert ok("methods").lines[0] == "name\treads\tepochs\twhat it does"
    assert {"title", "paper", "summary", "touches"} <= ok("methods", "--json").json[0].keys()
    for width in (80, 100):
        _, out, _ = on_terminal("methods", cwd=tmp_path, width=width)
        assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip()) for line in out.splitlines()) <= width
        assert "singlegradient " in out, "no name is broken"


def test_show_and_verify_read_ids_from_a_pipe(place):
    ids = [place.ids["ft"], place.ids["ga"]]
    piped = "".join(f"{run_id}\n" for run_id in ids)
    assert [row["id"] for row in place.ok("show", "-", "--json", input=piped).json] == ids
    assert "2 runs checked" in place.ok("verify", "-", input=piped).err
    place.refused("show", "-", input="", code=2, says=("no run id",))


def test_environment_sets_options(place, tmp_path):
    store = {"DEEPUNLEARN_STORE": str(place.store)}
    assert place.ids["ga"] in ok("runs", env=store).lines
    assert ok(
        "runs", env=store | {"DEEPUNLEARN_RUNS_NAME": "ga", "DEEPUNLEARN_RUNS_KIND": "unlearn"}
    ).lines == [place.ids["ga"]]
    wanted = {"DEEPUNLEARN_TRAIN_MODEL": "resnet-tiny", "DEEPUNLEARN_TRAIN_DATASET": "digits"}
    planned = ok("train", "-p", "epochs=1", "--dry-run", "--json", env=store | wanted).json
    assert [step["id"] for step in planned] == [place.ids["original"]]
    assert (
        ok("train", "--model", "resnet18", "--dry-run", "--json", env=store | wanted).json[0]["model"]
        == "resnet18"
    )


def variables() -> dict[str, bool]:
    """Every DEEPUNLEARN_<COMMAND>_<OPTION> that an option could have, and whether the option is a flag."""
    found = {}
    for words, command in commands():
        prefix = "_".join(("DEEPUNLEARN", *words)).upper()
        context = command.make_context("x", [], resilient_parsing=True)
        options = [one for one in command.get_params(context) if one.param_type_name == "option"]
        found |= {f"{prefix}_{one.name.upper()}": one.is_flag for one in options}
    return found


def test_no_variable_turns_a_command_into_another(tmp_path):
    flags = {name: "1" for name, is_flag in variables().items() if is_flag}
    asked = {
        "DEEPUNLEARN_VERSION",
        "DEEPUNLEARN_HELP",
        "DEEPUNLEARN_SHOW_COMPLETION",
        "DEEPUNLEARN_RUNS_JSON",
    }
    assert asked | {"DEEPUNLEARN_PRUNE_YES", "DEEPUNLEARN_TRAIN_DRY_RUN"} <= flags.keys()
    assert ok("models", env=flags) == ok("models")
    assert ok("models", env=dict.fromkeys(flags, "0.1.0")) == ok("models")
    refused("verify", "--store", tmp_path / "none", code=3, env=flags)


def test_only_options_with_a_value_take_a_variable_and_no_attack_does():
    taken = {name: takes_variable(name, flag=flag) for name, flag in variables().items()}
    assert taken["DEEPUNLEARN_TRAIN_SEEDS"]
    assert not any(taken[name] for name, flag in variables().items() if flag)
    assert not any(takes for name, takes in taken.items() if name.startswith("DEEPUNLEARN_ATTACK_"))
    assert takes_variable("DEEPUNLEARN_ATTACKS", flag=False), "a list of attacks is no attack"


def test_a_variable_does_not_move_an_attacks_limit(place):
    limits = {"DEEPUNLEARN_ATTACK_UMIA_FAIL_ABOVE": "1", "DEEPUNLEARN_ATTACK_UMIA_METRIC": "auc"}
    (row,) = place.ok("attack", "umia", place.ids["ga"], "--json", env=limits).json[:1]
    assert (row["fail_above"], len(row["figures"])) == (None, 4)


@pytest.mark.parametrize("words", [words for words, _ in commands()], ids=" ".join)
def test_no_type_stands_behind_a_flag(words):
    assert "bool" not in ok(*words, "--help").out


def test_debug_shows_the_traceback(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "deepunlearn_cli", "runs", "--debug", "--store", str(tmp_path / "none")],
        capture_output=True,
        text=True,
        env=clean_environment(),
        check=False,
    )
    assert done.returncode == 3
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-2].startswith("error: there is no store")


def test_json_schemas_are_strings():
    for command in ("methods", "attacks", "datasets", "models"):
        for line in ok(command, "--json").lines:
            assert json.loads(line)["schema"].startswith("deepunlearn.")


def test_completes_models_and_files_but_no_attacks(place, tmp_path):
    (tmp_path / "mine.pt").touch()
    (tmp_path / "notes.txt").touch()
    for command in ("unlearn --ckpt ", "attack umia ", "sweep "):
        offered = complete(f"deepunlearn {command}", cwd=tmp_path, DEEPUNLEARN_STORE=str(place.store))
        assert {place.ids["original"], "mine.pt"} <= set(offered)
        assert not {place.ids["umia"], "notes.txt"} & set(offered)


def test_completes_forget_sets_and_tables(tmp_path):
    (tmp_path / "gone.csv").touch()
    assert {"random:0.1", "class:0", "indices:"} <= set(complete("deepunlearn train --forget "))
    assert "indices:./gone.csv" in complete("deepunlearn unlearn --forget indices:", cwd=tmp_path)
    assert "scores" in complete("deepunlearn report --table ")


def test_completes_and_suggests_what_stands_behind_sweep():
    assert complete("deepunlearn sweep sh") == ["show"]
    said = cli_kit.call("sweep", "lst")
    assert said.code == 2
    assert "Did you mean 'list'?" in said.err
