"""The program ``talos``, also as ``python -m talos``."""

from talos.cli.app import app


def main() -> None:
    """Run the command line and exit (contract 13.1)."""
    app.main(prog_name="talos")


if __name__ == "__main__":
    main()
