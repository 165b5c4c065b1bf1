"""``python -m benchmarks [NAME ...] [--quick]``: measures, and prints the tables."""

import argparse
import importlib
import sys
import time
import traceback

from benchmarks import machine
from benchmarks.child import Failed
from benchmarks.tables import Skipped

NAMES = (
    "limit",
    "race",
    "text",
    "race_text",
    "epoch",
    "memory",
    "latency",
    "accuracy",
    "texts_and_sounds",
    "compress",
    "doubts",
)


def main() -> int:
    """Print the tables that were asked for; return 1 where a measurement failed, whatever the figures are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="small inputs: shows that it works, measures nothing")
    asked = parser.parse_args()
    failed = 0
    print(f"## Benchmarks\n\n{machine.line()}\n", flush=True)
    if asked.quick:
        print("Quick: small inputs, run once. These figures measure nothing.\n", flush=True)
    for name in asked.names or NAMES:
        start = time.perf_counter()
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            for table in importlib.import_module(f"benchmarks.{name}").tables(quick=asked.quick):
                print(table, flush=True)
        except Skipped as why:
            print(f"### {name}\n\n{why}\n", flush=True)
        # Whatever happened to one, the others are measured.
        except Exception as why:
            failed += 1
            print(f"### {name}\n\nFailed: {why}\n", flush=True)
            if not isinstance(why, Failed):
                traceback.print_exc()
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
