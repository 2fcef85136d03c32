"""`livefuse` and `python -m livefuse`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """The console script: the only place that ends the process."""
    # Process-wide, so set by the process's owner, not by the library: small matrix products gain nothing from BLAS threads,
    # which would take the networks' cores; and threads that hand frames over must not wait 5 ms for the interpreter.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.setswitchinterval(0.0005)
    from livefuse.cli.quick import quick

    code = quick(sys.argv[1:])
    if code is None:
        from livefuse.cli.app import run_command

        code = run_command(sys.argv[1:])
    sys.exit(code)


if __name__ == "__main__":
    main()
