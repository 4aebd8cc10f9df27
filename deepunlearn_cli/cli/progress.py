"""Progress on stderr: bars on a terminal, one line per finished run elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.cli.console import Console, stderr
from deepunlearn_cli.cli.tally import Tally
from deepunlearn_cli.execution.runner import Reporter, Runner

if TYPE_CHECKING:
    from deepunlearn_cli.core.errors import RunFailed
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.store import Run
    from deepunlearn_cli.sweep import StudyProgress


def search_teller(runner: Runner) -> Callable[[StudyProgress], None]:
    """What a search tells its progress to; nobody where the reporter shows no searches."""
    return runner.reporter.searched if isinstance(runner.reporter, Bars) else lambda _: None


def describe(recipe: Recipe) -> str:
    """A recipe in a few words: method, dataset, model, forget set, seed; of an attack what it is on."""
    target = recipe.inputs.get("target")
    method = target.name if target else recipe.labels.get("method", "")
    on = [f"on {method}"] if method and recipe.kind == "attack" else []
    place = [recipe.labels.get("dataset", "?"), recipe.model, recipe.labels.get("forget", "")]
    seed = target.seed if target else recipe.seed
    return f"{' '.join(filter(None, (recipe.name, *on, *place)))} seed {seed}"


class Bars(Reporter):
    """Tells a person what is being made; a context manager around the work."""

    def __init__(self, console: Console) -> None:
        self.keep: Callable[[str], None] = lambda _: None  # told the id of each run that is there, or failed
        self.follow: Callable[[str], None] = lambda _: None  # told the key of each study that went on
        self.begin: Callable[[str], None] = lambda _: None  # told the id of each run that is being made
        self._console, self._tally = console, Tally()
        self._where = ""  # of a batch that a cluster makes
        self._said: set[str] = set()
        self._bars: Any = None
        self._overall: Any = None
        self._tasks: dict[str, Any] = {}  # bars by run id or study; one under "" for work that is neither

    def __enter__(self) -> Bars:
        if sys.stderr.isatty() and not self._console.quiet and not self._console.json:
            self._bars = _bars()
            self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bars:
            self._bars.stop()
        if self._tally.total > 1 or (self._bars and self._tally.total):
            self._console.note(self._tally.summary)

    def planned(self, count: int) -> None:
        """Show a bar over all runs where there are several."""
        self._tally.plan(count)
        if self._bars and count > 1 and self._overall is None:
            self._overall = self._bars.add_task("all runs", total=count, detail="")
        self._advance()

    def carrying(self, jobs: int) -> None:
        """Say how many runs there are at a time, however often that is asked for."""
        self.told(f"this machine carries {jobs} run{'s' * (jobs > 1)} at a time")

    def spread(self, where: str) -> None:
        """Say which nodes and slots there are, now and beside the bar over all runs."""
        self._where = where
        self.told(where)

    def started(self, recipe: Recipe) -> None:
        """Show a bar for the run."""
        self.begin(recipe.key)
        self._clear("")
        self._begin(recipe.key, describe(recipe))

    def progress(self, done: float, total: float, text: str, recipe: Recipe | None = None) -> None:
        """Move the bar of a run, or of other work."""
        name = recipe.key if recipe else ""
        if self._bars and name not in self._tasks:
            self._begin(name, describe(recipe) if recipe else text)
        if self._bars:
            self._bars.update(self._tasks[name], completed=done, total=total, detail=text)

    def stopped(self, recipe: Recipe) -> None:
        """Take the run's bar away."""
        self._clear(recipe.key)
        self._tally.end(recipe.key)
        self._advance()

    def finished(self, run: Run, made: bool) -> None:
        """Say what was made, and warn of what the run warns of."""
        self.keep(run.id)
        (self._tally.end if made else self._tally.find)(run.id)
        self._advance()
        if made and run.recipe.kind != "trial":  # of those, `searched` tells more
            took = f"{run.facts.get('seconds', 0.0):.1f} s"
            where = f" on {run.facts['node']}" if "node" in run.facts else ""
            self._say(f"{self._tally.place}{run.id} {describe(run.recipe)}, {took}{where}")
        for warning in run.facts.get("warnings", ()) if self._is_new(run.id) else ():
            self._console.warn(f"{describe(run.recipe)} ({run.id}): {warning}")

    def failed(self, recipe: Recipe, failure: RunFailed) -> None:
        """Say which run failed and why."""
        self.keep(recipe.key)
        self._tally.fail(recipe.key)
        self._advance()
        if self._is_new(failure.message):  # an attack on a failed model fails for the same reason
            self._console.warn(f"{failure.message} ({describe(recipe)})", failure.hint)

    def searched(self, of: StudyProgress) -> None:
        """Show how far a search is."""
        self.follow(of.key)
        best = "" if of.best is None else f"best {of.best:.4f}"
        if self._bars:
            detail = ", ".join(text for text in (best, f"{of.failed} failed" if of.failed else "") if text)
            if of.key not in self._tasks:
                self._begin(of.key, f"{of.method} trials")
            self._bars.update(self._tasks[of.key], completed=of.done, total=of.wanted, detail=detail)
        else:
            last = f"{of.last:.4f}" if isinstance(of.last, float) else of.last
            self._say(f"[{of.done}/{of.wanted}] {of.method}: {last} ({best or 'none complete yet'})")

    def told(self, text: str) -> None:
        """Say it once."""
        if self._is_new(text):
            self._console.note(text)

    def warned(self, text: str) -> None:
        """Warn of it once."""
        if self._is_new(text):
            self._console.warn(text)

    def waiting(self, recipe: Recipe) -> None:
        """Say that another process is at work."""
        self._console.note(f"waiting for another process that makes {describe(recipe)}")

    def _is_new(self, what: str) -> bool:
        """Whether a text, or of a run its id, was not said yet; from now on it was."""
        new = what not in self._said
        self._said.add(what)
        return new

    def _begin(self, name: str, text: str) -> None:
        if self._bars:
            self._tasks[name] = self._bars.add_task(text, total=None, detail="")

    def _clear(self, name: str) -> None:
        if name in self._tasks:
            self._bars.remove_task(self._tasks.pop(name))

    def _advance(self) -> None:
        """The bar over all runs, and beside it how many were there already, how many failed."""
        if self._overall is not None:
            done, total = len(self._tally.ended), self._tally.total
            where = f"{self._tally.rate:.1f} runs/min, {self._where}" if self._where else ""
            said = ", ".join(filter(None, (f"{done} of {total}", self._tally.aside, where)))
            self._bars.update(self._overall, completed=done, total=total, detail=said)

    def _say(self, text: str) -> None:
        if not self._bars:
            self._console.note(text)


def _bars() -> Any:
    """Bars with times that stay whole on a narrow terminal: descriptions give way."""
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column

    class Words(TextColumn):
        def render(self, task: Any) -> Any:
            text = super().render(task)
            text.no_wrap, text.overflow = True, "ellipsis"
            return text

    def whole() -> Column:
        return Column(no_wrap=True)

    return Progress(
        SpinnerColumn(table_column=whole()),
        Words("{task.description}", markup=False, table_column=Column()),
        BarColumn(bar_width=10),
        TaskProgressColumn(table_column=whole()),
        Words("{task.fields[detail]}", markup=False, table_column=Column()),
        TimeElapsedColumn(table_column=whole()),
        TimeRemainingColumn(table_column=whole()),
        console=stderr(),
        transient=True,
    )
