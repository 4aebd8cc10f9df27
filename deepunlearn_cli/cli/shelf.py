"""What commands there are, before any of them is loaded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shelved:
    """A command, or a group of some, that may not be loaded: help and completion know it by its help alone.

    Attributes:
        help: the first paragraph of its help.
        files: those of this room that make it.
    """

    help: str
    files: tuple[str, ...]


# in the order of `--help`; of each command the files that add it to `app`, or to another application below
COMMANDS = {
    "train": Shelved(
        "Train an original model, or the retrained one that is its exact reference.", ("train",)
    ),
    "unlearn": Shelved("Remove the forget set from a trained model.", ("unlearn",)),
    "sweep": Shelved(
        "Tune a method's hyperparameters so that it behaves like retraining.", ("sweep", "sweeps")
    ),
    "attack": Shelved(
        "Attack a model: does it still betray the forgotten data?", ("attack", "probe", "ulira")
    ),
    "rank": Shelved(
        "Rank the methods in the store by retention deviation and by indiscernibility (Table 1).", ("rank",)
    ),
    "report": Shelved(
        "Run-time efficiency (Table 2), scores, studies by forget size and of removed classes, or sweeps.",
        ("report",),
    ),
    "bench": Shelved(
        "Train, search, unlearn, attack and rank as a plan says; what is in the store is not made again.",
        ("bench",),
    ),
    "requests": Shelved(
        "List deletion requests and how far each is; with ID, all that the ledger says of it.", ("requests",)
    ),
    "certify": Shelved(
        "Sign what was done about a request and what an audit found, for others to check without this store.",
        ("certify", "certificates"),
    ),
    "runs": Shelved("List the runs in the store, newest last; a pipe gets their ids.", ("runs",)),
    "show": Shelved("Show a run: its recipe, scores, facts, inputs, training log and files.", ("show",)),
    "verify": Shelved(
        "Check every file of the store (or of the runs given) against its SHA-256; exit 7 if one differs.",
        ("verify",),
    ),
    "replay": Shelved(
        "Make runs again in a scratch store and compare weights, outputs and scores with the store's.",
        ("replay",),
    ),
    "prune": Shelved(
        "Remove runs from the store; runs that others were made from are kept unless those go too.",
        ("prune",),
    ),
    "purge": Shelved(
        "Remove what holds the pictures of a deletion request from the store, for good.", ("purge",)
    ),
    "export": Shelved("Write runs with their curves for other tools, offline.", ("export",)),
    "store": Shelved("Two stores: compare them, merge them.", ("stores",)),
    "methods": Shelved("List the methods, or show one with its hyperparameters.", ("methods",)),
    "check": Shelved(
        "Examine a method as this project's tests do: does it do what it declares, and nothing else?",
        ("check",),
    ),
    "attacks": Shelved("List the attacks, or show one with its options.", ("attacks",)),
    "datasets": Shelved("List the datasets and where their files come from, or show one.", ("datasets",)),
    "models": Shelved("List the built-in models and the forms that name any other.", ("models",)),
    "guide": Shelved("Read the guide: list its pages, or show one.", ("guide",)),
    "doctor": Shelved(
        "Check Python, libraries (torch with torchvision above all), device, store and disk.", ("doctor",)
    ),
}
