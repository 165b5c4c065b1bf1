"""Extraction survives SIGKILL at any point, a second process at work, a full disk; and its memory stays flat."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and fork are needed")


def driver(what, tmp_path):
    script = Path(__file__).with_name("kill_driver.py")
    done = subprocess.run(
        [sys.executable, script, what, tmp_path], check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_killed_at_any_point_it_goes_on_and_ends_bit_equal(tmp_path):
    found = driver("kills", tmp_path)
    whole = found["whole"]
    assert (whole["computed"], whole["reused"]) == (120, 0)
    for name, one in found["points"].items():
        assert one["died"], name
        assert one["sha"] == whole["sha"], name
        assert one["computed"] + one["reused"] == 120, name
        # Nothing that was completed is lost, and nothing else is believed.
        assert one["reused"] == one["stored"], name
    assert found["points"]["middle"]["reused"] >= 60
    assert found["points"]["end"]["reused"] == 120
    assert found["points"]["choice"]["reused"] == 0


def test_two_processes_fill_a_store_at_once(tmp_path):
    found = driver("together", tmp_path)
    assert {one["sha"] for one in found["both"]} == {found["whole"]["sha"]} == {found["after"]["sha"]}
    assert found["after"]["computed"] == 0
    # They took over from each other.
    assert sum(one["computed"] for one in found["both"]) < 2 * 600 * 0.95


def test_memory_does_not_grow_with_the_number_of_inputs(tmp_path):
    found = driver("flat", tmp_path)
    assert found["10000"]["computed"] == 0
    # The ten thousand hold 123 MB.
    assert found["10000"]["peak"] - found["1000"]["peak"] < 25e6


def test_a_full_disk_in_earnest(tmp_path):
    found = driver("full", tmp_path)
    assert "activation store must be" in found["stopped"]["error"]
    assert 0 < found["again"]["reused"] <= 20
    assert found["again"]["sha"] == found["whole"]["sha"]
