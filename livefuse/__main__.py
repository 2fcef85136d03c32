"""`livefuse` and `python -m livefuse`."""

from __future__ import annotations

import sys


def main() -> None:
    """The console script: the only place that ends the process."""
    from livefuse.cli.app import run_command

    sys.exit(run_command(sys.argv[1:]))


if __name__ == "__main__":
    main()
