"""Facts of a run: what was noted while it was made, beside its scores. Each is declared once, here.

The index carries every fact of this list, records hold them by name, and Table 2 has a column for those with
a title. Whoever measures one puts it into the run's facts under its name.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    """One fact: its name in `facts.json` and in JSON output, what it is and its unit.

    A `title` makes it a column of Table 2, where some run has it: the mean over seeds times `scale` to so
    many `digits`. It is a number then, or None where it is not known.
    """

    name: str
    meaning: str
    title: str = ""
    digits: int = 0
    scale: float = 1


FACTS = {
    fact.name: fact
    for fact in (
        Fact("seconds", "wall time of the method alone", "seconds", 1),
        Fact("elapsed", "wall time of the whole run, evaluation included: what a person waits for"),
        Fact("startup", "what the first run of a process waited for: libraries, pictures"),
        Fact("jobs", "how many processes of its command were at work at a time, this one included"),
        Fact("work", "cost in epochs of training, the same on every machine"),
        Fact("device", "what it ran on"),
        Fact("node", "the node of a cluster that made it"),
        Fact("shared", "whether other runs shared the machine, so that its seconds say little"),
        Fact("classes", "number of classes of its data"),
        Fact("reads", "the parts of the data that the method saw"),
        Fact("peak_memory", "peak of what the method added to the process", "host MB", 0, 1e-6),
        Fact("peak_device_memory", "peak on the GPU, model and pictures included", "GPU MB", 0, 1e-6),
        Fact("title", "what tables call its method, where that is a plug-in"),
        Fact("approximate", "whether its track did not meet the method's assumptions"),
    )
}
