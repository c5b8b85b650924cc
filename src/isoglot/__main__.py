"""``isoglot`` and ``python -m isoglot``; ``torchrun -m isoglot`` needs it."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it in one line also while Python still imports it.

    Raises:
        SystemExit: Always, with the exit code.
    """
    try:
        from isoglot.cli import main as run

        run()
    except KeyboardInterrupt:
        print("isoglot: interrupted", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
