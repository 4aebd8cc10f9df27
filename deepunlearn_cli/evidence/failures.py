"""The two ways in which evidence fails: it does not hold, or what is shown beside it is something else."""

from __future__ import annotations

from deepunlearn_cli.core.errors import ExitCode, Failure


class DoesNotHold(Failure):
    """A signature, a statement or an audit that does not stand up (exit 4)."""

    code = ExitCode.AUDIT_FAIL


class NotSettled(Failure):
    """An audit that leaves open what its policy asks (exit 5)."""

    code = ExitCode.AUDIT_INCONCLUSIVE


class DoesNotMatch(Failure):
    """A model, picture, ledger or earlier certificate that is not the one a certificate is of (exit 7)."""

    code = ExitCode.STORE_CORRUPT
