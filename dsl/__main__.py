"""The command `dsl`, which is `python -m dsl` too."""

import os
import signal


def main() -> None:
    """Run the command; an interrupt ends it in silence, also while it is imported."""
    try:
        from dsl import cli

        cli.main()
    except KeyboardInterrupt:
        # CPython ends by SIGINT once an interrupt passed through `exec`, as in imports, though it was caught.
        os._exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()
