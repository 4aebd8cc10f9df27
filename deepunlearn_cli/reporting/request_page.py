"""One deletion on one page that can be filed: what was asked, what was done, what is known about the result.

A pure function from plain facts, whoever gathers them (a store, a certificate), to a document that needs
nothing else. On paper it takes two sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from deepunlearn_cli.reporting.meaning import headed, meant, measured
from deepunlearn_cli.reporting.page_style import listed, page, table, text
from deepunlearn_cli.reporting.request_audit import audit_section, who_would_pass
from deepunlearn_cli.reporting.table import UNKNOWN, Row

PARTS = {"RA": "kept pictures", "FA": "deleted pictures", "TA": "test pictures, never trained on"}
LIMITATIONS = (
    "It measures and proves nothing: PASS means that this attack, on these pictures, with this seed, did not "
    "tell the model from one that was trained without them. A stronger attack may.",
    "It speaks of one model file. Pictures, copies, backups, other models and whatever was made with them "
    "are not touched by it.",
    "One training is one draw: intervals cover the choice of pictures, not the luck of another training.",
    "What an attack finds on average says little about each single person.",
)
OWN_STYLE = """
dl { display: grid; grid-template-columns: minmax(9rem, 13rem) 1fr; gap: .15rem 1rem; margin: .4rem 0 }
dt { color: var(--soft) } dd { margin: 0; overflow-wrap: anywhere }
.sign { display: grid; grid-template-columns: 2fr 2fr 1fr; gap: 1.2rem; margin-top: 2.4rem }
.sign div { border-top: 1px solid var(--ink); padding-top: .2rem; font-size: 13px; color: var(--soft) }
td:first-child { white-space: normal; min-width: 8rem }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; gap: 0 } dd { margin-bottom: .35rem }
  .sign { grid-template-columns: 1fr; gap: 2.2rem } }
@media print { dl { grid-template-columns: 40mm 1fr; gap: .4mm 4mm } .sign { margin-top: 11mm;
  break-inside: avoid } .sign div { font-size: 8.6pt } section { break-inside: avoid } }
"""


@dataclass(frozen=True)
class Model:
    """A model of the page.

    Attributes:
        title: what it is, for people (`before`, `after`, `retrained without the pictures`).
        run: its id in the store, or its file's name.
        sha256: of its weights' file, hexadecimal; empty where not known.
        accuracies: shares by part (`RA` kept, `FA` deleted, `TA` test pictures); None where not known.
    """

    title: str
    run: str
    sha256: str = ""
    accuracies: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Audit:
    """An attack with a verdict.

    Attributes:
        title: of the attack, for people.
        row: its answer as plain data: what `deepunlearn attack NAME --json` prints of the audited model.
        at: when it ran, UTC.
    """

    title: str
    row: Row
    at: str = ""


@dataclass(frozen=True)
class RequestFacts:
    """All that the page of one request says.

    Attributes:
        request: id of the request; empty where none is on record.
        dates: what happened and when (UTC), in order.
        forget: what was to be forgotten: how it was named, how many pictures, their SHA-256.
        pictures: how many they are.
        forget_sha256: of the forget set.
        earlier: requests that this model has forgotten before, for people, newest first.
        data: dataset and architecture, for people.
        method: title of the method; `how` what it does in a sentence; `exact` whether it trains anew.
        settings: hyperparameters by name.
        before, after: the models. `retrained`: the reference, if there is one.
        cost: seconds and work, versions and device, for people, by name.
        ta_gap: test accuracy after less before with the ends of its 95 % interval, paired; None if unknown.
        audits: the one that counts first.
        hashes: digests by what they are of, beside those of the models.
        warnings: what was told while it was made.
        limitations: what none of it shows.
        made_by: name and version of the tool, and when the page was made.
    """

    request: str
    dates: Sequence[tuple[str, str]]
    forget: str
    pictures: int
    forget_sha256: str
    data: str
    method: str
    how: str
    exact: bool
    before: Model
    after: Model
    retrained: Model | None = None
    earlier: Sequence[str] = ()
    settings: dict[str, str] = field(default_factory=dict)
    cost: dict[str, str] = field(default_factory=dict)
    ta_gap: tuple[float, float, float] | None = None
    audits: Sequence[Audit] = ()
    hashes: dict[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    limitations: Sequence[str] = LIMITATIONS
    made_by: str = ""


def request_page(facts: RequestFacts) -> str:
    """The page as one self-contained HTML document; the same facts give the same bytes."""
    named = f"Request {facts.request}" if facts.request else "Deletion without a request on record"
    body = [
        f"<h1>{text(named)}</h1>",
        f'<p class="soft">Deletion of {_counted(facts.pictures)} from a trained image classifier</p>',
        _banner(facts),
        *(f"<section>{part}</section>" for part in _sections(facts) if part),
        f"<footer>{text(facts.made_by)}</footer>",
    ]
    return page(named, "\n".join(body), OWN_STYLE)


def _sections(facts: RequestFacts) -> list[str]:
    told = [*facts.limitations, *(f"While it was made: {one}" for one in facts.warnings)]
    return [
        _asked(facts),
        _done(facts),
        *(audit_section(one.title, one.at, one.row) for one in facts.audits[:1]),
        _more_audits(facts.audits[1:]),
        _accuracy(facts),
        f"<h2>What this does not show</h2>{listed(told)}",
        _hashes(facts),
        _signature(),
    ]


def _counted(pictures: int) -> str:
    return f"{pictures:,} picture{'s' * (pictures != 1)}"


def _banner(facts: RequestFacts) -> str:
    if not facts.audits:
        return _boxed("", "Not audited", _unaudited(facts))
    row = facts.audits[0].row
    words = f"{meant(row)[0].upper()}{meant(row)[1:]}. {who_would_pass(row)}"
    return _boxed("" if row["uninformative"] else row["verdict"], headed(row), words)


def _unaudited(facts: RequestFacts) -> str:
    if facts.exact:
        return (
            "The model was trained again without these pictures: that is what exact unlearning means. No "
            "attack stands beside it here."
        )
    return (
        "No attack on this model is on record, so nothing is known of how well the pictures are forgotten: "
        f"deepunlearn attack umia {facts.after.run}"
    )


def _boxed(kind: str, title: str, words: str) -> str:
    return f'<div class="verdict {kind}"><b>{text(title)}</b><br>{text(words)}</div>'


def _asked(facts: RequestFacts) -> str:
    earlier = {"Forgotten before": "; ".join(facts.earlier)} if facts.earlier else {}
    told = {
        "Request": facts.request or "none on record",
        **dict(facts.dates),
        "What was to go": f"{facts.forget}: {_counted(facts.pictures)}",
        **earlier,
        "Data and network": facts.data,
    }
    return f"<h2>What was asked, and when</h2>\n{_pairs(told)}"


def _done(facts: RequestFacts) -> str:
    exact = "exact: trained again without the pictures" if facts.exact else "approximate"
    settings = ", ".join(f"{name} {value}" for name, value in facts.settings.items())
    told = {
        "Method": f"{facts.method} ({exact}). {facts.how}",
        "Settings": settings or "none",
        "Model before": facts.before.run,
        "Model after": facts.after.run,
        **facts.cost,
    }
    return f"<h2>What was done</h2>\n{_pairs(told)}"


def _more_audits(audits: Sequence[Audit]) -> str:
    if not audits:
        return ""
    lines = [
        f"{one.title}{f', {one.at}' if one.at else ''}: {one.row['verdict']}; {measured(one.row)}"
        for one in audits
    ]
    return f"<h3>Other attacks</h3>{listed(lines)}"


def _accuracy(facts: RequestFacts) -> str:
    models = [facts.before, facts.after, *([facts.retrained] if facts.retrained else [])]
    heads = ["share answered rightly", *(model.title for model in models)]
    lines = [
        [words, *(_percent(model.accuracies.get(part)) for model in models)] for part, words in PARTS.items()
    ]
    return f'<h2>What it cost in accuracy</h2>\n<div class="wide">{table(heads, lines)}</div>{_cost(facts)}'


def _cost(facts: RequestFacts) -> str:
    if facts.ta_gap is None:
        return ""
    gap, low, high = (100 * value for value in facts.ta_gap)
    said = f"{gap:+.1f} points on test pictures, after less before (95 %: {low:+.1f} to {high:+.1f})"
    wanted = "a model that forgot well answers deleted pictures as rightly as the retrained one, not less"
    return f"<p>{text(f'{said}; {wanted}.')}</p>"


def _percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{100 * share:.1f} %"


def _hashes(facts: RequestFacts) -> str:
    models = [facts.before, facts.after, *([facts.retrained] if facts.retrained else [])]
    told = {f"Weights, {model.title}": model.sha256 for model in models if model.sha256}
    told |= {"Forget set": facts.forget_sha256, **facts.hashes}
    lines = "".join(
        f'<dt>{text(name)}</dt><dd class="hash">{text(value)}</dd>' for name, value in told.items() if value
    )
    return f"<h2>Hashes (SHA-256)</h2>\n<dl>{lines}</dl>"


def _signature() -> str:
    fields = "".join(f"<div>{name}</div>" for name in ("Name and role", "Signature", "Date"))
    return f'<h2>Seen and filed by</h2>\n<div class="sign">{fields}</div>'


def _pairs(told: dict[str, str]) -> str:
    lines = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in told.items() if value)
    return f"<dl>{lines}</dl>"
