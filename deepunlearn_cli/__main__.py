"""`deepunlearn` and `python -m deepunlearn_cli`."""

from __future__ import annotations

from deepunlearn_cli.system.machine import collect_rarely, leave


def main() -> None:
    """Run the command line."""
    collect_rarely()
    from deepunlearn_cli.cli.app import app

    try:
        app(prog_name="deepunlearn")
    except SystemExit as end:
        if isinstance(end.code, str):
            raise
        leave(end.code or 0)


if __name__ == "__main__":
    main()
