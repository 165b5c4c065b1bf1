"""The command line: words in, a verb called, the result printed. One small file a verb."""

import sys


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 a fault that the message explains, 2 wrong usage."""
    from graft.cli.app import app
    from graft.errors import GraftError

    try:
        app(prog_name="graft")
    except GraftError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("Stopped. What was computed is kept: run the same command again to go on.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
