"""``graft fit`` survives SIGKILL at any moment, and others at work: the old model until the new one is whole."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from quick_fit import make_photos

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and fork are needed")


def driver(tmp_path):
    script = Path(__file__).with_name("fit_driver.py")
    done = subprocess.run(
        [sys.executable, script, make_photos(tmp_path / "photos"), tmp_path],
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": str(script.parents[1]), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_killed_or_together_fits_end_with_the_same_model(tmp_path):
    """One test for both, since the imports of the process that forks cost more than the fits."""
    found, said = driver(tmp_path)
    check_killed(found["kills"], said)
    check_together(found["together"], said)


def check_killed(found, said):
    whole, older = found["whole"], found["older"]
    assert whole["weights"] != older["weights"]
    for name, one in found["points"].items():
        assert one["died"], name
        left = whole if name == "model in its place" else older
        assert one["left"]["weights"] == left["weights"], (name, said)
        assert one["again"]["weights"] == whole["weights"], (name, said)
        assert one["again"]["test"] == whole["test"], name
    assert found["points"]["after the second epoch"]["again"]["taken up"]
    assert not found["points"]["probe done"]["again"]["taken up"]


def check_together(found, said):
    one, same, other = found["together"]
    assert one == same == found["alone"][0], said
    assert other == found["alone"][1], said
    assert one["weights"] != other["weights"]
    assert found["left"] == []
