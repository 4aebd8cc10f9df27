"""`deepunlearn` and `python -m deepunlearn_cli`."""

from __future__ import annotations

import gc

from deepunlearn_cli.machine import leave


def main() -> None:
    """Run the command line."""
    # rows by the hundred thousand are no garbage: looking for it less often saves a fifth of `rank`
    gc.set_threshold(200_000)
    from deepunlearn_cli.cli.app import app

    try:
        app(prog_name="deepunlearn")
    except SystemExit as end:
        if isinstance(end.code, str):
            raise
        leave(end.code or 0)


if __name__ == "__main__":
    main()
