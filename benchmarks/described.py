"""schemathesis over the server's OpenAPI document. Install it apart: ``uv venv st; uv pip install -p st schemathesis``.

``python -m benchmarks.described model.onnx --schemathesis st/bin/schemathesis``
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.siege import served

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def main() -> int:
    """Start a server, have its document checked, and return the program's exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path, help="an ONNX file of `graft export`")
    parser.add_argument("--schemathesis", type=Path, default=Path("schemathesis"), help="the program")
    parser.add_argument("--examples", type=int, default=200, help="of each address")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    program = shutil.which(asked.schemathesis) or parser.error(f"there is no {asked.schemathesis}")
    # The program leaves a folder where it runs.
    with served(asked.model, "--no-key") as target, tempfile.TemporaryDirectory() as folder:
        address = f"http://127.0.0.1:{target.port}/openapi.json"
        words = [
            str(Path(program).absolute()), "run", address, "--checks", CHECKS, "--max-examples", str(asked.examples),
            "--seed", str(asked.seed), "--phases", "examples,coverage,fuzzing",
        ]  # fmt: skip
        return subprocess.run(words, check=False, cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())
