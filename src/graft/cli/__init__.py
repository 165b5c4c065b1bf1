"""The command line: words in, a verb called, the result printed. One small file a verb."""

import io
import sys


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 a fault that the message explains, 2 wrong usage."""
    from graft.cli.app import app
    from graft.cli.terminal import inert
    from graft.errors import GraftError, must

    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the terminal's encoding lacks is shown by its number.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="graft")
    except GraftError as error:
        print(inert(str(error)), file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        do = "Check its permissions and the room that is left"
        print(
            must(str(error.filename or "the disk"), "readable and writable", error.strerror or error, do),
            file=sys.stderr,
        )
        sys.exit(1)
