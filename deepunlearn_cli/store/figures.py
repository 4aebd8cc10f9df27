"""Figures: what tables need of runs and searches, in one file of JSON lines that travels without weights.

    {"schema": 1, "deepunlearn": "figures"}                       the first line
    {"recipe": {...}, "inputs": {"original": "<key>"}}            a question; its inputs stand further up
    {"run": "<key>", "scores": {...}, "facts": {...},
     "left": [...], "reduced": {...}, "outputs": {...}}           its answer, less the files in `left`; what
                                                                  measures take from these, where it is small,
                                                                  and what attacks take: digests of arrays
    {"array": "<digest>", "dtype": "<f4", "bytes": "..."}         an array, which stands further up
    {"journal": "<study>", "at": 1234, "text": "..."}             what a search wrote from this place on
    {"asked": ["<key>", ...]}                                     runs of searches that somebody asked for

Every line ends in its own `seal`. Lines are only ever appended: of two answers to one question the later
holds. A process that is killed leaves half a line at most, which readers leave out and the next writer cuts.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.core.shared import Outputs
from deepunlearn_cli.core.typed import Mistyped
from deepunlearn_cli.store import arrays
from deepunlearn_cli.store.arrays import Digests
from deepunlearn_cli.store.asked import chosen_by
from deepunlearn_cli.store.kinds import ELSEWHERE, FACTS, SCORES
from deepunlearn_cli.store.line_kinds import kind_of
from deepunlearn_cli.store.lines import HEAD, Line, lines_of, mistyped, sealed, unwritable
from deepunlearn_cli.store.run import LOG, OUTPUTS, RECIPE, Run, plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

Known = TypeVar("Known")
SMALL = {RECIPE, SCORES, FACTS, LOG, ELSEWHERE}  # files whose contents are told, or that nothing is made from


@dataclass(frozen=True)
class Told:
    """What a file says of a run.

    Attributes:
        left: names of the files that the run had where it was made, and that are not told.
        file, number: where it is said, and in which line behind the first.
        reduced: what measures take from the files that are not told, by name.
        outputs: what attacks take of them: digests of arrays, by part and name.
    """

    recipe: Recipe
    scores: Mapping[str, Any]
    facts: Mapping[str, Any]
    left: Sequence[str]
    file: Path
    number: int
    reduced: Mapping[str, Any] = field(default_factory=dict)
    outputs: Digests = field(default_factory=dict)


@dataclass
class Figures:
    """What one or several files say.

    Attributes:
        runs: by id; `journals` by study; `asked` are ids of searches' runs that somebody asked for.
        arrays: by digest, the lines that tell them.
        told_at: by study, the file and the line that told of it last.
        differing: ids of runs of which two lines give different scores; the later is taken.
    """

    runs: dict[str, Told] = field(default_factory=dict)
    journals: dict[str, str] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    arrays: dict[str, Line] = field(default_factory=dict)
    differing: list[str] = field(default_factory=list)
    recipes: dict[str, Recipe] = field(default_factory=dict)
    told_at: dict[str, tuple[Path, int]] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)  # journals, as the last file has them at its end

    @classmethod
    def of(cls, files: Iterable[Path]) -> Figures:
        """What these files say together.

        Raises:
            NotFound: no such file.
            UsageFailure: no file of figures, of a newer version, or a line that was edited or damaged.
        """
        figures = cls()
        for file in files:
            figures._take(file)
        return figures

    def outputs(self, told: Told) -> dict[str, dict[str, NDArray[Any]]]:
        """What attacks take of a run, part -> name -> array; most runs have nothing of the kind."""
        return {
            part: {
                name: arrays.read(_further_up(self.arrays, digest, f"outputs.{part}.{name}"))
                for name, digest in digests.items()
            }
            for part, digests in told.outputs.items()
        }

    def _take(self, file: Path) -> None:
        journals: dict[str, str] = {}
        for number, line in enumerate(lines_of(file), start=1):
            try:
                self._take_line(line, file, number, journals)
            except Mistyped as error:
                raise mistyped(file, number, error) from None
        for study, text in journals.items():
            self._keep_journal(study, text)
        self.newest = journals

    def _keep_journal(self, study: str, text: str) -> None:
        """The longest: a search that went on elsewhere holds all that it began with."""
        if len(text) > len(self.journals.get(study, "")):
            self.journals[study] = text

    def _take_line(self, line: Line, file: Path, number: int, journals: dict[str, str]) -> None:
        kind = kind_of(line)
        if kind == "recipe":
            self._take_recipe(line)
        elif kind == "run":
            self._take_run(line, file, number)
        elif kind == "array":
            arrays.read(line)
            self.arrays[line["array"]] = line
        elif kind == "journal":
            self._take_journal(line, journals)
            self.told_at[line["journal"]] = file, number
        else:
            self.asked |= set(line["asked"])

    def _take_recipe(self, line: Line) -> None:
        inputs = {
            name: _further_up(self.recipes, key, f"inputs.{name}").to_json()
            for name, key in line["inputs"].items()
        }
        try:
            recipe = Recipe.from_json(line["recipe"] | {"inputs": inputs})
        except Mistyped as error:
            raise Mistyped(f"recipe.{error.key}", error.value, error.wanted) from None
        self.recipes[recipe.key] = recipe

    def _take_run(self, line: Line, file: Path, number: int) -> None:
        recipe = _further_up(self.recipes, line["run"], "run")
        beside = line.get("reduced", {}), line.get("outputs", {})
        told = Told(recipe, line["scores"], line["facts"], line["left"], file, number, *beside)
        for part, found in self.outputs(told).items():  # here, where a line that is none has a number
            arrays.check_together(found, f"outputs.{part}")
        known = self.runs.get(line["run"])
        if known and known.scores != told.scores:
            self.differing.append(line["run"])
        self.runs[line["run"]] = told

    def _take_journal(self, line: Line, journals: dict[str, str]) -> None:
        study, before = line["journal"], journals.get(line["journal"], "")
        if not line["at"]:  # begun anew
            self._keep_journal(study, before)
        whole = before.encode()[: line["at"]]
        if len(whole) < line["at"] or whole[-1:] not in (b"", b"\n"):
            raise Mistyped("at", line["at"], "where a line of this journal ends, further up")
        journals[study] = whole.decode() + line["text"]


@dataclass(frozen=True)
class Taken:
    """What is taken from a run's outputs.

    Attributes:
        reduced: what measures take, by name, where it is small.
        outputs: arrays (n,) that attacks on many models take, by part and name.
    """

    reduced: Mapping[str, Any] = field(default_factory=dict)
    outputs: Outputs = field(default_factory=dict)


class FiguresFile:
    """A file of figures that is written on, a line as soon as there is something to tell.

    Raises:
        UsageFailure: it cannot be written, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser()
        self._recipes: set[str] = set()
        self._runs: dict[str, str] = {}  # by id, what was told last
        self._journals: dict[str, str] = {}  # by study, what was told of its journal
        self._asked: set[str] = set()
        self._arrays: set[str] = set()
        if self.path.exists() and self.path.stat().st_size:
            self._go_on()
        else:
            self._append([HEAD])

    def tell(self, run: Run, reduce: Callable[[Run], Taken]) -> None:
        """Write down a run, unless it stands there already.

        Args:
            reduce: gives what is taken from its outputs.
        """
        stamp = str((run.path).stat().st_mtime_ns)
        if self._runs.get(run.id) == stamp:
            return
        left = sorted({*run.left, *(set(run.files) - SMALL)})
        line = {"run": run.id, "scores": run.scores, "facts": run.facts, "left": left}
        taken = Taken(run.elsewhere.get("reduced", {}), _arrived(run)) if run.elsewhere else reduce(run)
        digests, told = arrays.told(taken.outputs)
        beside = {"reduced": dict(taken.reduced), "outputs": digests}
        text = sealed(line | {name: value for name, value in beside.items() if value})
        if self._runs.get(run.id) != text:
            questions = self._questions(run.recipe)
            lines = [*questions.values(), *(one for key, one in told.items() if key not in self._arrays)]
            self._append_text("".join([*map(sealed, lines), text]))
            self._recipes |= set(questions)  # behind the writing: a signal may come before it
            self._arrays |= set(told)
        self._runs[run.id] = stamp

    def follow(self, study: str, journal: Path) -> None:
        """Write down what a search has added to its journal, as far as lines are whole."""
        with suppress(FileNotFoundError):
            whole = b"".join(journal.read_bytes().rpartition(b"\n")[:2]).decode()
            known = self._journals.get(study, "")
            start = len(known) if whole.startswith(known) else 0  # or begun anew, in another store
            if text := whole[start:]:
                self._append([{"journal": study, "at": len(whole[:start].encode()), "text": text}])
                self._journals[study] = whole

    def ask(self, runs: Iterable[Run]) -> None:
        """Write down that somebody asked for runs that searches had made."""
        ids = {run.id for run in runs if chosen_by(run.recipe)} - self._asked
        if ids:
            self._append([{"asked": sorted(ids)}])
            self._asked |= ids

    def _questions(self, recipe: Recipe) -> dict[str, Line]:
        """By key, the lines of a recipe and its inputs, inputs first, as far as they are not written down."""
        if recipe.key in self._recipes:
            return {}
        lines: dict[str, Line] = {}
        for needed in recipe.inputs.values():
            lines |= self._questions(needed)
        inputs = {name: needed.key for name, needed in recipe.inputs.items()}
        return lines | {recipe.key: {"recipe": plain(recipe.to_json() | {"inputs": {}}), "inputs": inputs}}

    def _go_on(self) -> None:
        """Take up what the file says; half a last line is cut."""
        figures = Figures.of([self.path])
        self._runs = {line["run"]: sealed(line) for line in lines_of(self.path) if "run" in line}
        self._recipes, self._asked, self._journals = set(figures.recipes), figures.asked, figures.newest
        self._arrays = set(figures.arrays)
        try:
            with self.path.open("rb+") as file:
                file.truncate(file.read().rfind(b"\n") + 1)
        except OSError as error:
            raise unwritable(self.path, error) from None

    def _append(self, lines: Iterable[Line]) -> None:
        self._append_text("".join(map(sealed, lines)))

    def _append_text(self, text: str) -> None:
        """One write, so that no signal comes between halves of a line; what a full disk cuts is undone."""
        data = text.encode("utf-8", "backslashreplace")  # as JSON escapes it
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                before = os.fstat(descriptor).st_size
                if os.write(descriptor, data) < len(data):
                    os.ftruncate(descriptor, before)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(descriptor)
        except OSError as error:
            raise unwritable(self.path, error) from None


def _further_up(told: Mapping[str, Known], key: str, where: str) -> Known:
    """What a line further up told.

    Raises:
        Mistyped: none did.
    """
    if key not in told:
        raise Mistyped(where, key, "told further up")
    return told[key]


def _arrived(run: Run) -> Outputs:
    """What came of a run's outputs, of one whose figures alone came here."""
    return run.outputs() if OUTPUTS in run.files else {}
