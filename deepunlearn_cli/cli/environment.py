"""The environment variables that the tool reads, and which options may come from one.

README's table is made from this.
"""

from __future__ import annotations

PREFIX = "DEEPUNLEARN"

VARIABLES = {
    "DEEPUNLEARN_STORE": "folder of the store (default `./deepunlearn-store`)",
    "DEEPUNLEARN_DATA": "folder of the datasets' own files (default `<store>/data/raw`)",
    "DEEPUNLEARN_DEVICE": "`auto` (default), `cpu`, `cuda`, `cuda:1`",
    "DEEPUNLEARN_JOBS": "processes at work at a time, or `auto` (default 1)",
    "DEEPUNLEARN_ON": "`ray` or `ray:HOST:PORT`: runs are made on that cluster",
    "DEEPUNLEARN_NODE_STORE": "on a node of a cluster: where it keeps what it works with (default: below the "
    "system's temporary folder)",
    "DEEPUNLEARN_DATABASE": "where searches are kept (`--database`): a URL whose password `ps` does not see",
    "OMP_NUM_THREADS": "CPU threads of a process (default: the cores it may use); never more with `--jobs`",
    "DEEPUNLEARN_<COMMAND>_<OPTION>": "any option with a value, such as `DEEPUNLEARN_TRAIN_SEEDS=0-9`; "
    "no flags (`--dry-run`, `--yes`), and nothing of `attack`: a gate checks what its command line says",
    "PAGER": "what shows a page of the `guide` on a terminal; `PAGER=cat` for none",
    "NO_COLOR": "no colours, whatever its value",
}


def takes_variable(command: str, *, flag: bool) -> bool:
    """Whether an option may be set by its variable DEEPUNLEARN_<COMMAND>_<OPTION>.

    A forgotten variable must not turn a command into another: flags such as `--version` and `--dry-run` end
    it with 0 before it did anything, and an attack's limit is what a gate in CI relies on.

    Args:
        command: its prefix, such as `DEEPUNLEARN_ATTACK_UMIA`.
    """
    return not flag and not f"{command}_".startswith(f"{PREFIX}_ATTACK_")
