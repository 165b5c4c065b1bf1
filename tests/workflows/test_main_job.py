"""The main job from end to end: fit, predict, evaluate, show; its JSON shapes; the same recipe gives the same model."""

import csv
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from quick_fit import PROBE, QUICK, TORCH, TUNE, make_photos


def same_weights(one, other):
    mine, theirs = load_file(one / "weights.safetensors"), load_file(other / "weights.safetensors")
    return mine.keys() == theirs.keys() and all(value.equal(theirs[name]) for name, value in mine.items())


def check_estimates(found, n=None):
    assert {"accuracy", "balanced_accuracy", "macro_f1", "log_loss", "roc_auc", "calibration_error"} <= found.keys()
    for name, one in found.items():
        assert set(one) == {"value", "low", "high", "n"}, name
        assert one["low"] <= one["value"] <= one["high"], name
        assert isinstance(one["n"], int)
        assert n is None or one["n"] == n


def plain_files(folder):
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}


@pytest.mark.parametrize("which", ["probe", "tuned"])
def test_fit_tells_what_was_promised(request, which):
    fitted = request.getfixturevalue(which)
    found = fitted.ran.json
    assert {
        *("model", "task", "modality", "backbone", "cut", "strategy", "classes"),
        *("test", "rungs", "seconds", "peak_rss_bytes"),
    } <= found.keys()
    assert found["model"] == str(fitted.folder)
    assert (found["task"], found["modality"]) == ("classification", "image")
    assert found["backbone"] == "test_efficientnet"
    assert found["classes"] == ["class0", "class1", "class2"]
    assert found["strategy"] == {"probe": "linear_probe", "tuned": "partial"}[which]
    assert (found["cut"] == 8) == (which == "probe")
    check_estimates(found["test"])
    assert found["test"]["accuracy"]["value"] == 1.0
    assert [one["strategy"] for one in found["rungs"]] == ["linear_probe", "partial"][: len(found["rungs"])]
    for one in found["rungs"]:
        assert {"strategy", "validation", "kept", "p_value", "seconds"} <= one.keys()
        check_estimates(one["validation"])
    assert found["rungs"][-1]["kept"] is True
    assert found["rungs"][0]["p_value"] is None
    assert found["seconds"]["total"] >= sum(found["seconds"][one] for one in ("reading", "extraction", "ladder")) > 0
    assert 10**8 < found["peak_rss_bytes"] < 10**11


def test_the_folder_holds_all_that_was_promised_and_nothing_executable(tuned):
    files = plain_files(tuned.folder)
    for name in ("graft.json", "weights.safetensors", "recipe.yaml", "report.html", "README.md", "set_aside.csv"):
        assert name in files
    assert any(name.startswith("events/") for name in files)
    assert {Path(name).suffix for name in files} - {".json", ".safetensors", ".yaml", ".html", ".md", ".csv"} <= {
        Path(name).suffix for name in files if name.startswith("events/")
    }
    page = (tuned.folder / "report.html").read_text("utf-8")
    assert "partial" in page
    assert 'src="http' not in page
    card = (tuned.folder / "README.md").read_text("utf-8")
    assert card.startswith("---\n")
    yaml.safe_load(card.split("---\n")[1])


def test_standard_output_is_one_object_in_a_process_of_its_own(tmp_path):
    """What libraries print behind Python's back would show here; the runtime is chosen as by default."""
    source = make_photos(tmp_path / "photos")
    words = ["fit", source, "--out", tmp_path / "model", "--json", "--strategy", "linear_probe", *QUICK[:4]]
    done = subprocess.run(
        [sys.executable, "-m", "graft", *words], check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert json.loads(done.stdout)["test"]["accuracy"]["value"] == 1.0
    assert "linear_probe: accuracy" in done.stderr
    assert "Warning" not in done.stderr


def test_from_fit_to_evaluate(graft, probe):
    told = graft("show", probe.folder, "--json", "--seed", 1).json
    assert told["test"] == probe.ran.json["test"]
    assert told["backbone"]["weights"]["source"] == "random:0"
    judged = graft("evaluate", probe.folder, probe.photos, "--json", "--seed", 1).json
    check_estimates(judged["test"], 36)
    assert judged["model"] == str(probe.folder)
    answers = graft("predict", probe.folder, probe.photos, "--json", "--seed", 1).json["predictions"]
    assert len(answers) == 36
    assert all(set(one) == {"input", "label", "probability", "accepted", "reason"} for one in answers)
    right = [one["label"] == Path(one["input"]).parent.name for one in answers]
    assert sum(right) / 36 == judged["test"]["accuracy"]["value"]
    assert all(1 / 3 <= one["probability"] <= 1 for one in answers)


def test_answers_as_csv_say_the_same(graft, probe):
    files = sorted((probe.photos / "class1").iterdir())[:5]
    answers = graft("predict", probe.folder, *files, "--json", *TORCH).json["predictions"]
    assert [one["input"] for one in answers] == [str(file) for file in files]
    rows = list(csv.DictReader(graft("predict", probe.folder, *files, "--csv", *TORCH).out.splitlines()))
    assert [row["label"] for row in rows] == [one["label"] for one in answers]
    assert [float(row["probability"]) for row in rows] == [one["probability"] for one in answers]
    alone = graft("predict", probe.folder, files[2], "--json", *TORCH).json["predictions"]
    assert alone[0]["label"] == answers[2]["label"]
    assert math.isclose(alone[0]["probability"], answers[2]["probability"], abs_tol=1e-5)


def test_inspect_shows_what_is_odd(graft, photos):
    source = photos(each=6)
    shutil.copy(source / "class0" / "000.png", source / "class0" / "copy.png")
    shutil.copy(source / "class0" / "001.jpg", source / "class1" / "liar.jpg")
    (source / "class2" / "zero.png").write_bytes(b"")
    (source / "class2" / "002.png").rename(source / "class2" / "002.jpg")
    found = graft("inspect", source, "--json", "--seed", 0).json
    assert found["files"] == 21
    assert found["classes"] == {"class0": 7, "class1": 7, "class2": 6}
    kinds = {one["kind"]: one["files"] for one in found["findings"]}
    assert all(isinstance(file, str) for files in kinds.values() for file in files)
    assert {Path(one).name for one in kinds["duplicate"]} == {"000.png", "copy.png"}
    assert {Path(one).name for one in kinds["conflicting_labels"]} == {"001.jpg", "liar.jpg"}
    assert [Path(one).name for one in kinds["zero_size"]] == ["zero.png"]
    assert any("002.jpg" in file for files in kinds.values() for file in files)


def test_cache_counts_and_clears(graft, photos, tmp_path, cache):
    empty = graft("cache", "--json").json
    assert empty["folder"] == str(cache)
    assert empty["bytes"] == 0
    graft("fit", photos(), "--out", tmp_path / "model", *PROBE)
    full = graft("cache", "--json", "--seed", 0).json
    assert full["bytes"] > 36 * 100
    # Further ones are of validation photos that were spoilt to see whether the model notices.
    assert any(36 <= one["records"] < 2 * 36 and "test_efficientnet" in one["what"] for one in full["shelves"])
    assert "test_efficientnet" in graft("cache").out
    cleared = graft("cache", "--clear", "--json").json
    assert (cleared["freed"], cleared["bytes"], cleared["shelves"]) == (full["bytes"], 0, [])


@pytest.mark.parametrize("what", ["backbones", "strategies", "heads", "tasks"])
def test_lists(graft, what):
    found = graft("list", what, "--settings", "--json", "--seed", 0).json
    assert list(found) == [what]
    names = [one["name"] for one in found[what]]
    assert len(names) == len(set(names)) > 0
    shown = graft("list", what, "--settings")
    assert shown.code == 0
    if what == "backbones":
        default = next(one for one in found[what] if one["default"])
        assert default["name"] == "tf_efficientnet_lite0"
        assert default["here"] is True
        assert all(one["licence"] and one["source"] for one in found[what])
        # Of networks whose sizes a file decides, nothing is known before.
        assert all(one["parameters"] > 0 for one in found[what] if not one["source"].startswith("file:"))
    else:
        assert all(one["summary"] and one["name"] in shown.out for one in found[what])
        assert all(setting["doc"] for one in found[what] for setting in one["settings"])


def test_the_same_recipe_gives_the_same_model_again(graft, tuned, tmp_path):
    recipe = tuned.folder / "recipe.yaml"
    again = graft("fit", "--recipe", recipe, "--out", tmp_path / "again", "--json").json
    assert again["test"] == tuned.ran.json["test"]
    assert same_weights(tuned.folder, tmp_path / "again")
    written = [yaml.safe_load((folder / "recipe.yaml").read_text()) for folder in (tuned.folder, tmp_path / "again")]
    for one in written:
        # Rates and seconds are of the machine.
        one["resolved"].pop("runtime")
    assert written[0] == written[1]
    assert written[0]["resolved"]["cut"] == tuned.ran.json["cut"]


@pytest.mark.parametrize("words", [PROBE, TUNE], ids=["probe", "tuned"])
def test_the_seed_decides_everything(graft, photos, tmp_path, words):
    source = photos()
    tests = []
    for name, seed in (("one", 7), ("same", 7), ("other", 8)):
        # The network is the same, so that the seed of split, folds and training is what is seen.
        found = graft("fit", source, "--out", tmp_path / name, "--json", "--seed", seed, *words).json
        tests.append(found["test"])
        if name == "one":
            graft("cache", "--clear")
    assert tests[0] == tests[1]
    assert same_weights(tmp_path / "one", tmp_path / "same")
    assert not same_weights(tmp_path / "one", tmp_path / "other")


def test_settings_come_from_the_recipe_then_from_set_then_from_flags(graft, photos, tmp_path):
    (tmp_path / "recipe.yaml").write_text("seed: 1\nval_share: 0.2\nbudget: 10m\nsettings: {folds: 3, strength: 1}\n")
    words = (
        "--recipe",
        tmp_path / "recipe.yaml",
        "--set",
        "seed=2",
        "--set",
        "val_share=0.25",
        "--set",
        "strength=0.5",
    )
    graft("fit", photos(), "--out", tmp_path / "model", *words, "--seed", 3, *PROBE)
    asked = graft("show", tmp_path / "model", "--json").json["asked"]
    assert (asked["seed"], asked["val_share"], asked["budget"]) == (3, 0.25, 600.0)
    assert asked["settings"] == {"folds": 3, "strength": 0.5}


def test_a_table_of_any_kind_gives_the_model_of_the_folder(graft, probe, tmp_path):
    import pyarrow
    from pyarrow import parquet

    files = sorted(probe.photos.rglob("*.*"))
    rows = [{"file": str(one), "kind": one.parent.name} for one in files]
    with (tmp_path / "list.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["file", "kind"])
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "list.parquet")
    for suffix in ("csv", "jsonl", "parquet"):
        out = tmp_path / suffix
        words = ("--input", "file", "--label", "kind", "--out", out, "--json", *PROBE)
        assert graft("fit", tmp_path / f"list.{suffix}", *words).json["test"] == probe.ran.json["test"]
        assert same_weights(probe.folder, out)


def test_the_parts_that_a_person_gives_are_kept(graft, tmp_path):
    make_photos(tmp_path / "own" / "train", each=9, seed=1)
    make_photos(tmp_path / "own" / "test", each=4, seed=2)
    found = graft("fit", tmp_path / "own", "--out", tmp_path / "model", "--json", *PROBE).json
    check_estimates(found["test"], 12)
    parts = graft("show", tmp_path / "model", "--json").json["data"]["parts"]
    assert parts["test"] == 12
    assert parts["train"] + parts["val"] == 27


@pytest.mark.parametrize("words", [PROBE, TUNE], ids=["probe", "tuned"])
def test_a_slim_model_answers_as_the_full_one(graft, request, tmp_path, words):
    full = request.getfixturevalue("probe" if words == PROBE else "tuned")
    graft("fit", full.photos, "--out", tmp_path / "slim", "--slim", *words)
    size = [(folder / "weights.safetensors").stat().st_size for folder in (full.folder, tmp_path / "slim")]
    assert size[1] < size[0]
    for verb in ("predict", "evaluate"):
        one, other = (
            graft(verb, folder, full.photos, "--json", *TORCH).json for folder in (full.folder, tmp_path / "slim")
        )
        assert {**one, "model": ""} == {**other, "model": ""}


def test_a_slim_model_refuses_other_frozen_weights(graft, photos, tmp_path):
    import timm

    def weights(seed):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            save_file(timm.create_model("test_efficientnet").state_dict(), tmp_path / "mine.safetensors")

    weights(1)
    source = photos()
    words = ("--backbone", "test_efficientnet", "--weights", tmp_path / "mine.safetensors", *PROBE[4:])
    ran = graft("fit", source, "--out", tmp_path / "slim", "--slim", *words)
    assert ran.code == 0, ran.err
    picture = source / "class0" / "000.png"
    assert graft("predict", tmp_path / "slim", picture, "--json").json["predictions"]
    weights(2)
    assert "frozen weights" in graft("predict", tmp_path / "slim", picture).complaint
    (tmp_path / "mine.safetensors").unlink()
    assert "mine.safetensors" in graft("predict", tmp_path / "slim", picture).complaint


def test_a_new_model_takes_the_place_of_the_old_one(graft, photos, tmp_path):
    source = photos()
    for seed in (1, 2):
        graft("fit", source, "--out", tmp_path / "model", "--seed", seed, *PROBE)
        assert graft("show", tmp_path / "model", "--json").json["asked"]["seed"] == seed
    assert sorted(one.name for one in tmp_path.iterdir()) == ["model", "photos"]
    assert (tmp_path / "model").stat().st_mode & 0o055 == 0o055


def test_a_model_works_wherever_it_lies(graft, probe, tmp_path, monkeypatch):
    picture = probe.photos / "class0" / "000.png"
    before = graft("predict", probe.folder, picture, "--json", *TORCH).json
    moved = shutil.copytree(probe.folder, tmp_path / "elsewhere" / "ein Modell 猫")
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "new cache"))
    monkeypatch.chdir(moved.parent)
    assert graft("predict", moved.name, picture, "--json", *TORCH).json == before
    assert graft("predict", Path("..") / "elsewhere" / moved.name, picture, "--json", *TORCH).json == before


def test_words_for_people(graft, tuned, photos, tmp_path):
    """Without --json there are tables, with the intervals and where to go next."""
    ran = graft("fit", photos(), "--out", tmp_path / "model", *PROBE)
    assert ran.code == 0
    for piece in ("accuracy", "95 % interval", "report.html", "graft predict"):
        assert piece in ran.out
    shown = graft("show", tuned.folder).out
    for piece in ("test_efficientnet", "partial", "class0, class1, class2", "fingerprint"):
        assert piece in shown
    assert "95 % interval" in graft("evaluate", tuned.folder, tuned.photos).out


def test_show_opens_the_report(graft, probe, tmp_path, monkeypatch):
    import typer

    opened = []
    monkeypatch.setattr(typer, "launch", opened.append)
    assert graft("show", probe.folder, "--open", "--json").json
    assert opened == [(probe.folder / "report.html").as_uri()]
    bare = shutil.copytree(probe.folder, tmp_path / "bare")
    (bare / "report.html").unlink()
    ran = graft("show", bare, "--open")
    assert ran.code == 1
    assert "report.html must be in the model folder" in ran.err


def test_the_demo_runs_on_its_own_data(graft, tmp_path, monkeypatch):
    from sklearn import datasets

    whole = datasets.load_digits()
    chosen = np.flatnonzero(whole.target % 4 == 3)[:90]
    whole.images, whole.target = whole.images[chosen], whole.target[chosen]
    monkeypatch.setattr(datasets, "load_digits", lambda: whole)
    found = graft("demo", "--out", tmp_path / "demo", "--budget", "1s", "--json", "--seed", 0).json
    assert found["classes"] == ["3", "7"]
    assert found["backbone"] == "tf_efficientnet_lite0"
    assert found["test"]["accuracy"]["value"] > 0.8
    assert len(list((tmp_path / "demo" / "photos").rglob("*.png"))) == 90


def test_no_test_part_when_none_is_wanted(graft, photos, tmp_path):
    found = graft("fit", photos(), "--out", tmp_path / "model", "--json", "--set", "test_share=0", *PROBE).json
    assert found["test"] == {}
    assert graft("show", tmp_path / "model").code == 0
    assert (tmp_path / "model" / "report.html").stat().st_size > 1000


def test_environment_decides_where_the_cache_lies(graft, tmp_path, monkeypatch):
    monkeypatch.delenv("GRAFT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert graft("cache", "--json").json["folder"] == str(tmp_path / "xdg" / "graft")
    assert not os.path.lexists(tmp_path / "xdg")
