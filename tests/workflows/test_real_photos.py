"""The main job on real photos with the packaged weights: a good probe, a ladder that behaves, a warm second fit."""

import shutil

import pytest

from quick_fit import run_graft

pytestmark = pytest.mark.real_data


def test_clothing(real, tmp_path):
    words = ("fit", real / "clothing", "--out", tmp_path / "model", "--strategy", "linear_probe", "--json")
    found = run_graft(*words).json
    assert found["backbone"] == "tf_efficientnet_lite0"
    assert found["test"]["accuracy"]["value"] >= 0.84
    # The person's own test part, less copies of what is in training.
    assert 360 <= found["test"]["accuracy"]["n"] <= 372
    assert found["test"]["calibration_error"]["value"] < 0.1
    again = run_graft(*words).json
    assert again["test"] == found["test"]
    assert again["seconds"]["extraction"] < found["seconds"]["extraction"]


def test_a_few_hand_signs(real, tmp_path):
    """A hundred pictures of four signs: whatever is shipped is not below the probe beyond chance, and it says why."""
    for sign in "0147":
        (tmp_path / "signs" / sign).mkdir(parents=True)
        for file in sorted((real / "sign_digits" / sign).iterdir())[:25]:
            shutil.copy(file, tmp_path / "signs" / sign)
    words = ("--budget", "20s", "--set", "partial.optimisation.epochs=2", "--views", "1", "--json")
    found = run_graft("fit", tmp_path / "signs", "--out", tmp_path / "model", "--augment", "digits", *words).json
    rungs = {one["strategy"]: one for one in found["rungs"]}
    assert rungs["majority"]["validation"]["accuracy"]["value"] < 0.45
    assert rungs["linear_probe"]["validation"]["accuracy"]["value"] > 0.7
    shipped = rungs[found["strategy"]]
    assert shipped["validation"]["accuracy"]["high"] >= rungs["linear_probe"]["validation"]["accuracy"]["value"]
    assert any("ine-tuning" in one or "left out" in one for one in found["sentences"])
    judged = run_graft("evaluate", tmp_path / "model", tmp_path / "signs", "--json").json
    assert judged["test"]["accuracy"]["n"] == 100
    assert judged["test"]["accuracy"]["value"] > 0.8
