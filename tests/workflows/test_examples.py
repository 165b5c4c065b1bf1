"""Runs every script in examples/ as a person would, and looks at what it found."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, folder: Path) -> str:
    """Return what a script prints, run beside no other file and with a store of its own; warnings are errors."""
    # Tests run beside each other: a thread each is enough for networks on a hundred small pictures.
    surroundings = {**os.environ, "GRAFT_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name],
        cwd=folder,
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == "", "a script that was not asked to tells nothing"
    assert [one.name for one in folder.iterdir()] == ["cache"], "a script leaves nothing behind"
    return ran.stdout


def number(pattern: str, printed: str) -> float:
    found = re.search(pattern, printed)
    assert found, printed
    return float(found[1])


def test_first_fit(tmp_path: Path) -> None:
    printed = run("first_fit.py", tmp_path)
    # Guessing gives 0.1.
    assert number(r"test accuracy ([\d.]+) \[", printed) > 0.6
    assert "is a 7, probability" in printed
    assert "graft.json" in printed
    assert "report.html" in printed


def test_sklearn_estimator(tmp_path: Path) -> None:
    printed = run("sklearn_estimator.py", tmp_path)
    assert number(r"linear probe: ([\d.]+) mean accuracy of 2 folds", printed) > 0.7
    assert number(r"best: \w+, ([\d.]+)", printed) > 0.7
    said, truth = re.search(r"answers: ([\d ]+) truth: ([\d ]+)", printed).groups()
    assert sum(one == other for one, other in zip(said.split(), truth.split(), strict=True)) >= 4


def test_own_weights(tmp_path: Path) -> None:
    printed = run("own_weights.py", tmp_path)
    hashes = re.findall(r"sha-256 (\w{12}), licence unknown", printed)
    assert len(hashes) == 2
    assert len(set(hashes)) == 1, "the hash does not depend on the format of the file"
    scores = re.findall(r"accuracy on random features ([\d.]+) \[", printed)
    assert scores[0] == scores[1]
    # Three classes: guessing gives 0.33, and even random features say more than nothing.
    assert float(scores[0]) > 0.45


def test_predict_and_embed(tmp_path: Path) -> None:
    printed = run("predict_and_embed.py", tmp_path)
    for shape in ("circle", "square", "triangle"):
        assert f"a {shape}: {shape}, probability" in printed
    assert "features: (60, 1280) most alike: circle square triangle" in printed
    # In memory the model may run in another precision than the one that was loaded.
    assert number(r"differ by at most ([\d.e-]+)", printed) < 0.05


def test_audit(tmp_path: Path) -> None:
    printed = run("audit.py", tmp_path)
    assert "29 files, usable by class: {'noise': 14, 'stripes': 13}" in printed
    for fault in (
        "error: unreadable (cut.png)",
        "error: zero_size (empty.png)",
        "warning: wrong_extension (named.jpg)",
        "note: duplicate (00.png, copy.png)",
        "warning: conflicting_labels (01b.png, 01.png)",
    ):
        assert fault in printed


def test_every_example_is_run() -> None:
    told = Path(__file__).read_text("utf-8")
    for file in EXAMPLES.glob("*.py"):
        assert f'run("{file.name}"' in told, f"{file.name} has no test"


@pytest.mark.parametrize("name", sorted(one.name for one in EXAMPLES.glob("*.py")))
def test_examples_say_what_they_are_for(name: str) -> None:
    first = (EXAMPLES / name).read_text("utf-8").splitlines()[0]
    assert re.fullmatch(r'"""[A-Z].{20,}\."""', first)


def test_video(tmp_path: Path) -> None:
    printed = run("video.py", tmp_path)
    assert number(r"test accuracy ([\d.]+) \[", printed) > 0.6
    assert "new.mp4 is green" in printed
