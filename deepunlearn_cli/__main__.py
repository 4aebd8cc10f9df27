"""`deepunlearn` and `python -m deepunlearn_cli`."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from deepunlearn_cli.system import signals  # before all else: it may be stopped while it loads the rest

    signals.at_once()
    from deepunlearn_cli.system import streams
    from deepunlearn_cli.system.machine import collect_rarely, leave

    streams.settle()
    collect_rarely()
    leave(_code())


def _code() -> int:
    """What the command line ends with, once all that it said is written."""
    from deepunlearn_cli.cli.app import app
    from deepunlearn_cli.cli.command import unwritten
    from deepunlearn_cli.system import streams

    try:
        app(prog_name="deepunlearn")
    except SystemExit as end:
        if isinstance(end.code, str):
            raise
        if isinstance(end.__context__, BrokenPipeError):  # who read the help has seen enough of it
            return 0
        code, error = end.code or 0, streams.flush()
    except OSError as full:  # of help and the like, that no command answers for
        code, error = 0, full
        streams.give_up()
    return unwritten(error, code) if error else code


if __name__ == "__main__":
    main()
