"""What the tests of plug-ins share: their texts, installed packages of them, and a process that knows none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepunlearn_cli.core import plugins, registry

HEAD = """
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deepunlearn_cli.attacks import OneModel
from deepunlearn_cli.core.fields import real, whole
from deepunlearn_cli.core.score import Score
from deepunlearn_cli.data import Family, Plan
from deepunlearn_cli.methods import Method, Sizes

"""
METHOD = """
@dataclass(frozen=True)
class Mine(Method):
    \"\"\"Steps of Adam on the retain set.\"\"\"

    title = "Mine"
    lr: float = real(0.001, 1e-5, 1e-1, log=True, help="learning rate")

    def unlearn(self, model, task):
        optimizer = task.adam(model, lr=self.lr, weight_decay=0.0)
        for batch in task.retain.batches(512):
            task.step(optimizer, lambda shown: task.loss(model, shown), batch)
        return model

    def work(self, n: Sizes) -> float:
        return n.retain
"""
ATTACK = """
@dataclass(frozen=True)
class Median(OneModel):
    \"\"\"Whoever is above the median of all is taken for a member.\"\"\"

    title = "Median"
    question = "is the loss below the median?"
    summary = "a threshold at the median of both sides"
    columns = (Score("accuracy", "accuracy", guessing=0.5),)
    shift: float = real(0.0, -1.0, 1.0, help="of the threshold", search=False)

    def tell_apart(self, forget, unseen, rng):
        import numpy as np

        both = np.concatenate([forget, unseen])
        guess = (both > np.median(both) + self.shift).astype(float)
        right = guess[: len(forget)].sum() + (1 - guess[len(forget) :]).sum()
        return {"accuracy": float(right / len(both))}, guess
"""
DATASET = """
class Squares(Family):
    \"\"\"Squares in four corners.\"\"\"

    summary = "grey squares"
    source = "made on the spot"
    takes = "COUNT"
    classes = 4

    def stamp(self):
        return [self.argument]

    def plan(self):
        import numpy as np

        from deepunlearn_cli.data import array_filler

        count = int(self.argument)
        rng, labels = np.random.default_rng(0), np.arange(count) % 4
        images = rng.integers(0, 60, (count, 8, 8, 1)).astype(np.uint8)
        for image, label in zip(images, labels):
            image[4 * (label // 2) :, 4 * (label % 2) :][:4, :4] += 150
        return Plan(
            name="cifar10", shape=(8, 8, 1), labels=labels.astype(np.int64), train_size=count * 2 // 3,
            classes=tuple("abcd"), fill=array_filler("squares", images), flip=False, pad=0,
        )
"""
MARK = "Path({mark!r}).write_text('ran')\n"  # tells that a file was imported


def written(file: Path, *parts: str, head: str = HEAD) -> Path:
    """A file of Python of these parts."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(head + "".join(parts))
    return file


def installed(site: Path, package: str, group: str, **offers: str) -> None:
    """A package on the path `site` as pip leaves it, which offers plug-ins: `name="module:Class"`."""
    info = site / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    entries = "".join(f"{name} = {value}\n" for name, value in offers.items())
    (info / "entry_points.txt").write_text(f"[deepunlearn.{group}]\n{entries}")


@contextmanager
def unaware() -> Iterator[None]:
    """A process that was told of no plug-in, and forgets those that it is told of."""
    modules, path = dict(sys.modules), list(sys.path)
    known = [dict(plugins._by_name), dict(plugins._by_place), set(plugins._granted)]
    tables = [plugins._by_name, plugins._by_place, plugins._granted]
    for table in tables:
        table.clear()
    registry._entry_points.cache_clear()
    _forget_modules()
    try:
        yield
    finally:
        _forget_modules()
        sys.modules.update({name: module for name, module in modules.items() if name not in sys.modules})
        sys.path[:] = path
        for table, before in zip(tables, known, strict=True):
            table.clear()
            table.update(before)
        registry._entry_points.cache_clear()


def _forget_modules() -> None:
    """Drop the modules of tests, as in a process that has just begun."""
    for name, module in list(sys.modules.items()):
        place = f"{vars(module).get('__file__', '')} {vars(module).get('__path__', '')}"
        if "pytest-of-" in place or name.startswith("deepunlearn_plugin_"):
            del sys.modules[name]
