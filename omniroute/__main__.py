"""`omniroute-ctl`, and `python -m omniroute`: start the command line, or name the dependency that prevents it."""

import os
import sys


def main() -> None:
    """Run one command line; the process ends with its exit code."""
    try:
        from omniroute.cli import main as command
    except Exception as error:
        from omniroute.distribution.requirements import explain

        text = None if os.environ.get("OMNIROUTE_DEBUG") else explain(error)
        if text is None:
            raise
        sys.exit(f"Error: {text}")
    command()


if __name__ == "__main__":
    main()
