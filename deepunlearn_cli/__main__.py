"""`deepunlearn` and `python -m deepunlearn_cli`."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from deepunlearn_cli.cli.app import app

    app(prog_name="deepunlearn")


if __name__ == "__main__":
    main()
