"""What a model does not know, from fit to every answer: promises, strange inputs, sets, ranges, watching."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

import graft as library
from graft.doubt import kept
from graft.errors import ArtifactError
from quick_fit import PROBE, fit_table, make_photos

REASONS = {None, "unsure", "unlike the training data"}


@pytest.fixture(scope="module")
def promised(tmp_path_factory):
    """Return a probe that promises at most a fifth of wrong answers, on 90 photos."""
    home = tmp_path_factory.mktemp("promised")
    photos = make_photos(home / "photos", each=40)
    return fit_table(home, photos, *PROBE, "--abstain", "0.2")


@pytest.fixture
def model(promised, tmp_path):
    """Return a copy of its folder that a test may change."""
    return shutil.copytree(promised.folder, tmp_path / "model")


@pytest.fixture
def strange(tmp_path):
    """Return a folder of pictures that are none of the classes: noise, all alike in having no colour."""
    draw = np.random.default_rng(5)
    (tmp_path / "strange").mkdir()
    for number in range(25):
        pixels = draw.integers(0, 2, (48, 48, 1), dtype=np.uint8).repeat(3, axis=2) * 255
        Image.fromarray(pixels).save(tmp_path / "strange" / f"{number}.png")
    return tmp_path / "strange"


def test_fit_says_what_it_promises_and_tests_it(promised):
    manifest = json.loads((promised.folder / "graft.json").read_text())
    told, parts = manifest["doubt"], manifest["data"]["parts"]
    abstain, test = told["abstain"], told["facts"]["test"]
    assert (abstain["asked"], abstain["certainty"]) == (0.2, 0.95)
    assert abstain["accepted"] >= 0.8 * abstain["n"]
    assert abstain["bound"] <= 0.2
    assert test["error"]["value"] <= 0.2
    assert test["share"]["n"] == parts["test"]
    assert set(told["facts"]["auroc"]) == {"mahalanobis", "nearest"}
    assert all(one["n"] == parts["val"] for one in told["facts"]["auroc"].values())
    assert any("Accepted answers are wrong at most 20 %" in one for one in promised.ran.json["sentences"])
    report, card = ((promised.folder / name).read_text("utf-8") for name in ("report.html", "README.md"))
    assert "What it does not know" in report
    assert "answers given" in report
    assert "Accepted answers are wrong at most 20" in card


def test_every_answer_says_whether_it_is_accepted(graft, promised, strange):
    found = graft("predict", promised.folder, promised.photos, strange, "--json").json["predictions"]
    assert all({"label", "probability", "accepted", "reason"} <= set(one) for one in found)
    assert {one["reason"] for one in found} <= REASONS
    assert all(one["accepted"] == (one["reason"] is None) for one in found)
    usual, odd = found[:-25], found[-25:]
    assert np.mean([one["accepted"] for one in usual]) > 0.9
    assert np.mean([one["reason"] == "unlike the training data" for one in odd]) > 0.9
    rows = list(csv.DictReader(graft("predict", promised.folder, strange, "--csv").out.splitlines()))
    assert list(rows[0]) == ["input", "label", "probability", "accepted", "reason"]
    assert rows[0]["accepted"] == "no"
    one = library.load(promised.folder).predict([next(strange.iterdir())])[0]
    assert (one.accepted, one.reason) == (False, "unlike the training data")


def test_the_promise_can_be_changed_later(graft, model, promised):
    before = {one.name: one.read_bytes() for one in model.iterdir() if one.is_file()}
    # 102 held-out answers, all right, cannot show that fewer than 1 of 100 are wrong.
    assert "too few" in graft("abstain", model, "0.01").out
    answers = graft("predict", model, promised.photos, "--json").json["predictions"]
    assert {one["reason"] for one in answers} <= {"unsure", "unlike the training data"}
    later = graft("predict", model, promised.photos, "--abstain", "0.3", "--json").json["predictions"]
    assert sum(one["accepted"] for one in later) > 100
    assert graft("abstain", model, "--off", "--json").json["abstain"] is None
    told = graft("show", model, "--json").json
    assert told["doubt"]["abstain"] is None
    assert [one["step"] for one in told["steps"]] == ["fit", "abstain", "abstain"]
    after = {one.name: one.read_bytes() for one in model.iterdir() if one.is_file()}
    assert {name for name in before if before[name] != after[name]} == {"graft.json", kept.NAME}


def test_evaluate_tells_coverage_and_error(graft, promised):
    found = graft("evaluate", promised.folder, promised.photos, "--sets", "0.1", "--json").json
    accepted, sets = found["accepted"], found["sets"]
    assert accepted["share"]["n"] == 120
    assert accepted["error"]["n"] == round(accepted["share"]["value"] * 120)
    assert accepted["error"]["low"] <= accepted["error"]["value"] <= accepted["error"]["high"]
    assert sets["coverage"]["value"] >= 0.9
    assert 1 <= sets["size"]["value"] <= 3
    shown = graft("evaluate", promised.folder, promised.photos, "--sets", "0.1").out
    assert all(words in shown for words in ("accepted answers", "wrong among accepted", "truth in the set"))


def test_sets_hold_the_likely_classes(graft, promised):
    found = graft("predict", promised.folder, promised.photos, "--sets", "0.05", "--json").json["predictions"]
    assert all(one["set"][0] == one["label"] for one in found)
    assert "set" not in graft("predict", promised.folder, promised.photos, "--json").json["predictions"][0]


def test_watch_tells_strange_folders_from_usual_ones(graft, promised, strange, tmp_path):
    usual = make_photos(tmp_path / "usual", each=12, seed=9)
    found = graft("watch", promised.folder, usual)
    assert (found.code, "No drift" in found.out) == (0, True), found.err
    table = tmp_path / "label.csv"
    found = graft("watch", promised.folder, strange, "--out", table, "--most", "7", "--json")
    assert found.code == 3
    told = json.loads(found.out)
    assert told["drift"]["alarm"] is True
    assert told["drift"]["p_value"] == 0.001
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert list(rows[0]) == ["path", "label", "said", "probability", "unlike", "reason"]
    assert len(rows) == len(told["strange"]) == 7
    scores = [float(row["unlike"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    for number, row in enumerate(rows):
        row["label"] = f"class{number % 2}"
    with table.open("w") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    from graft import data

    assert len(data.read(table).examples) == 7


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("abstain",), "given a share or --off"),
        (("abstain", "0.1", "--off"), "given a share or --off"),
        (("abstain", "1.5"), "a share between 0 and 1"),
        (("watch",), "given DATA or --log"),
        (("watch", "absent/"), "that exists"),
        (("watch", "--log", "absent.json"), "can be read"),
        (("watch", "--log", "absent.json", "--out", "x.csv"), "left out with --log"),
        (("watch", "PHOTOS", "--false-alarm", "0"), "from 0.002"),
        (("predict", "PHOTOS", "--sets", "2"), "a share between 0 and 1"),
    ],
)
def test_what_cannot_be_is_refused(graft, promised, words, said):
    verb, *rest = (promised.photos if one == "PHOTOS" else one for one in words)
    assert said in graft(verb, promised.folder, *rest).complaint


def test_few_inputs_are_no_drift(graft, promised, tmp_path):
    few = make_photos(tmp_path / "few", each=2)
    assert "20 or more" in graft("watch", promised.folder, few).complaint


def test_an_older_folder_answers_without_saying(graft, model):
    from graft.artifact import manifest as manifests

    told = json.loads((model / "graft.json").read_text())
    del told["doubt"], told["files"][kept.NAME], told["checksum"]
    (model / kept.NAME).unlink()
    told["format"] = 2
    told["checksum"] = manifests._checksum(told)
    (model / "graft.json").write_text(json.dumps(told))
    loaded = library.load(model)
    found = loaded.predict([np.zeros((40, 40, 3), np.uint8)])[0]
    assert (found.accepted, found.reason) == (None, None)
    with pytest.raises(ArtifactError, match="older"):
        loaded.asking(sets=0.1)
    assert "older" in graft("abstain", model, "0.1").complaint


def test_a_changed_file_is_refused(graft, model):
    content = bytearray((model / kept.NAME).read_bytes())
    content[-3] ^= 1
    (model / kept.NAME).write_bytes(content)
    assert "sha-256" in graft("predict", model, model).complaint


def test_trained_stages_are_judged_on_validation_data(tuned):
    told = json.loads((tuned.folder / "graft.json").read_text())["doubt"]
    assert told["unlike"]["n"] == json.loads((tuned.folder / "graft.json").read_text())["data"]["parts"]["val"]


def test_numbers_get_ranges_and_no_promise(graft, tmp_path):
    draw = np.random.default_rng(0)
    photos = make_photos(tmp_path / "photos", classes=2, each=40)
    files = sorted(photos.rglob("*.*"))
    table = tmp_path / "table.csv"
    lines = [f"{file},{draw.normal() + 3 * (file.parent.name == 'class1')}" for file in files]
    table.write_text("\n".join(["path,label", *lines]))
    words = ("fit", table, "--task", "regression", *PROBE, "--out", tmp_path / "model", "--json")
    assert "left out with the task regression" in graft(*words, "--abstain", "0.1").complaint
    graft(*words)
    plain, wide = (
        graft("predict", tmp_path / "model", files[0], *more, "--json").json["predictions"][0]
        for more in ((), ("--sets", "0.5"))
    )
    assert plain["high"] - plain["low"] > wide["high"] - wide["low"] > 0
    assert plain["accepted"] in (True, False)
    found = graft("evaluate", tmp_path / "model", table, "--sets", "0.2", "--json").json
    assert found["sets"]["coverage"]["value"] > 0.7
    assert "one class" in graft("abstain", tmp_path / "model", "0.1").complaint
    assert "at least" in graft("predict", tmp_path / "model", files[0], "--sets", "0.001").complaint
