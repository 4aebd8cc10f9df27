"""`deepunlearn doctor`: is this machine fit to work on?"""

from __future__ import annotations

from dataclasses import asdict

from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.core.errors import ExitCode
from deepunlearn_cli.reporting.table import Column, Table


@register(app, "doctor", "deepunlearn doctor", "deepunlearn doctor --json")
def doctor(session: Session) -> Result:
    """Check Python, libraries (torch with torchvision above all), device, store and disk."""
    from deepunlearn_cli.doctor import checks

    rows = [asdict(check) for check in checks(session.store_path)]
    columns = [
        Column("state", lambda row: "ok" if row["ok"] else "NO"),
        Column("check", lambda row: str(row["name"])),
        Column("found", lambda row: str(row["found"])),
        Column("cure", lambda row: "" if row["ok"] else str(row["cure"])),
    ]
    code = ExitCode.OK if all(row["ok"] for row in rows) else ExitCode.UNEXPECTED
    return Result(tables=[Table("deepunlearn.check/1", "", columns, rows)], code=code)
