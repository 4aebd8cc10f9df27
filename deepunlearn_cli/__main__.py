"""`deepunlearn` and `python -m deepunlearn_cli`."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command line."""
    # rows by the hundred thousand are no garbage: looking for it less often saves a fifth of `rank`
    gc.set_threshold(200_000)
    from deepunlearn_cli.cli.app import app

    app(prog_name="deepunlearn")


if __name__ == "__main__":
    main()
