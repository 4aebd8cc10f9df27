"""What a certificate says: an in-toto Statement v1 about a model, with a predicate of ours about a request.

Nothing in it can be computed from a picture or from a list of pictures: of forget sets, recipes and data it
holds HMACs under the operator's salt. Figures are rounded to four digits: with all of them, whoever has the
model could try which pictures give just these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import canonical
from deepunlearn_cli.core.typed import Digest, Mistyped, Number, Text, check
from deepunlearn_cli.evidence import strict
from deepunlearn_cli.evidence.envelope import AGAIN, Envelope
from deepunlearn_cli.evidence.failures import DoesNotHold

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:deepunlearn:certificate:1"
SAYS = (
    "The holder of this key ran this procedure on this request and found this. It is a record of a procedure "
    "and of an audit. It does not say that the data are gone."
)
LIMITATIONS = (
    "Verification of unlearning is fragile (arXiv 2408.00929) and can be forged (arXiv 2509.05865); audits "
    "themselves expose something of what they audit (arXiv 2606.14518).",
    "PASS speaks of these attacks within these tolerances, on these pictures, for this training and its "
    "seed. A stronger attack may find more, and another training may come out otherwise.",
    "What an attack finds on average says little about each single person. Nothing here says that the model "
    "is anonymous.",
    "It speaks of one model. Pictures, copies, backups, other models and whatever else was made with them "
    "are not touched by it.",
    "It is worth what its key and the clock of the signing machine are worth. The holder of the key wrote "
    "it, and nobody else attests to it.",
    "The salt that hides the pictures is with the operator: only who has it can make proofs. The digest of "
    "the weights hides nothing from who has the model before, all the other pictures and the seed: they can "
    "try a guess by doing everything again.",
    "Of a model that was made elsewhere the record starts with its weights' digest.",
)
DIGITS = 4  # of figures, behind the point
ANSWER = (  # of an audit's row as `deepunlearn attack NAME --json` prints it, what a certificate takes
    "verdict", "by_figures", "claim", "do_nothing", "do_nothing_figures", "uninformative", "reference",
    "metric", "tolerance", "fail_above", "limit", "gap", "gap_low", "gap_high", "needed", "few", "figures",
    "n_forget", "n_unseen", "class_matched", "left_out", "accuracy", "accuracy_low", "accuracy_high", "auc",
    "auc_low", "auc_high", "tpr_1", "tpr_1_low", "tpr_1_high",
)  # fmt: skip


class Subject(TypedDict):
    """Something that a statement is about, by its digest."""

    name: Text
    digest: Mapping[str, Digest]


class Signer(TypedDict):
    """Who signs: the public key, and its id (SHA-256 of its DER form)."""

    id: Digest
    public_key: Text


class Asked(TypedDict):
    """The request: its ID, when it came in, and what was written down of it, each with its time (UTC)."""

    id: Text
    received: Text | None
    events: list[Mapping[str, str]]


class Tree(TypedDict):
    """A commitment to pictures: how it is made, its root, and how many pictures are in it.

    `purged` are more, of which nobody knew any more what they showed: the certificate of their own request
    has them, where it was given before.
    """

    scheme: Text
    root: Digest
    size: Number
    purged: NotRequired[Number]


class Committed(TypedDict):
    """The policy, and where in the ledger it was committed: before the audit."""

    sha256: Digest
    name: Text
    expires: Text
    number: Number
    at: Text


class LedgerPart(TypedDict):
    """The end of the ledger when the certificate was made: number and SHA-256 of its last line."""

    number: Number
    head: Digest


class Accuracies(TypedDict):
    """Shares answered rightly by the models before and after and the retrained one; what was lost."""

    before: Mapping[str, float | None]
    after: Mapping[str, float | None]
    retrained: Mapping[str, float | None]
    lost: Mapping[str, float]


class Predicate(TypedDict):
    """What is said of the model.

    Attributes:
        issued: when it was signed (UTC).
        tool: versions and device that the model was made with.
        before: digest of the tensors of the model before, and what it was.
        method: name, revision, hyperparameters, precision, digest of its code.
        earlier: requests that the same model carried out before, the first first.
        keyed: HMACs of what pictures could be guessed from: recipes' keys, the forget set, the data.
        commitment: to the pictures of this request; `with_earlier` to those of all requests.
        audits: by attack, as `deepunlearn attack NAME --json` prints them: of this request and, where there
            were others before, of all together; `earlier_audits` of each of those, which few pictures may
            leave open.
        previous: digest of the certificate before this one in the ledger.
    """

    says: Text
    issued: Text
    request: Asked
    signer: Signer
    tool: Mapping[str, Any]
    before: Mapping[str, Any]
    method: Mapping[str, Any]
    earlier: list[Mapping[str, Any]]
    tensors: Text
    keyed: Mapping[str, Digest]
    commitment: Tree
    with_earlier: NotRequired[Tree]
    audits: Mapping[str, Mapping[str, Any]]
    earlier_audits: NotRequired[Mapping[str, Mapping[str, Any]]]
    accuracy: Accuracies
    policy: Committed
    ledger: LedgerPart
    previous: Digest | None
    limitations: list[Text]


class _Kind(TypedDict):
    _type: Text
    predicateType: Text


class Statement(_Kind):
    """The whole payload."""

    subject: list[Subject]
    predicate: Predicate


def stated(subject: list[Subject], predicate: Predicate) -> bytes:
    """A statement as the bytes that are signed: canonical JSON."""
    whole = {"_type": STATEMENT, "subject": subject, "predicateType": PREDICATE, "predicate": predicate}
    return canonical(rounded(whole)).encode("utf-8", "backslashreplace")


def read(envelope: Envelope, name: str) -> Statement:
    """The statement in an envelope; `name` is that of its file.

    Raises:
        UsageFailure: a statement of another kind: it may be sound, but is not for this tool.
        DoesNotHold: it is not of the declared form.
    """
    try:
        whole: Statement = strict.load(envelope.payload, _Kind)
    except ValueError:
        raise DoesNotHold(f"{name}: its payload is no in-toto statement", AGAIN) from None
    if (whole["_type"], whole["predicateType"]) != (STATEMENT, PREDICATE):
        raise UsageFailure(f"{name} is a statement of another kind: {whole['predicateType']}", AGAIN)
    try:
        check(whole, Statement)
    except Mistyped as error:
        raise DoesNotHold(f"{name}: {error}", AGAIN) from None
    return whole


def check_verdicts(statement: Statement, name: str) -> None:
    """See that what was found is what a certificate is given for: every attack says PASS.

    Raises:
        DoesNotHold: one does not, or there is none.
    """
    audits = statement["predicate"]["audits"]
    wrong = [
        f"{attack} says {row.get('verdict')}"
        for attack, row in audits.items()
        if row.get("verdict") != "PASS"
    ]
    if wrong or not audits:
        raise DoesNotHold(f"{name}: {', '.join(wrong) or 'it has no audit'}", AGAIN)


def answer_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Of an audit's row what a certificate takes: no ids, and no name of a forget set."""
    return {key: row[key] for key in ANSWER if key in row}


def rounded(value: Any) -> Any:
    """Plain data with every fraction at `DIGITS` digits; hyperparameters (`params`) as they are."""
    if isinstance(value, Mapping):
        return {key: one if key == "params" else rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    return round(value, DIGITS) + 0.0 if isinstance(value, float) else value
