"""Numbers and sets of labels from the table to the answer, through the command line, on pictures made from a seed."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

import graft as package
from graft.artifact import load
from quick_fit import PROBE, QUICK, fit_table, one_thread, run_graft

N = 90
COLOURS = {"red": 0, "green": 1, "blue": 2}
TUNED = (
    *("--strategy", "partial", "--augment", "none", "--views", "1", "--set", "partial.optimisation.epochs=3"),
    *("--set", "partial.numerics.precision=float32", "--set", "partial.numerics.layout=contiguous"),
)


def make_table(home, task):
    """Write pictures and a table: how bright each is, or which of three colours of stripe are in it."""
    draw = np.random.default_rng(0)
    home.mkdir()
    lines = ["path,red,green,blue" if task == "multilabel" else "path,label"]
    for row in range(N):
        level, there = draw.uniform(40, 200), draw.integers(0, 2, 3)
        pixels = np.full((48, 48, 3), level if task == "regression" else 60.0)
        if task == "multilabel":
            for colour, one in enumerate(there):
                pixels[16 * colour : 16 * colour + 16, :, colour] += 150 * one
        Image.fromarray(np.clip(pixels + draw.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8)).save(
            home / f"{row}.png"
        )
        said = ",".join(map(str, there)) if task == "multilabel" else f"{1000 + 5 * level:.2f}"
        lines.append(f"{row}.png,{said}")
    (home / "t.csv").write_text("\n".join(lines))
    return home / "t.csv"


def rows_of(table):
    return list(csv.DictReader(io.StringIO(table.read_text())))


@pytest.fixture(scope="module", params=["regression", "multilabel"])
def fitted(request, tmp_path_factory):
    home = tmp_path_factory.mktemp(request.param)
    table = make_table(home / "data", request.param)
    return request.param, fit_table(home, table, "--task", request.param, *QUICK)


@pytest.fixture
def numbers(fitted):
    if fitted[0] != "regression":
        pytest.skip("of numbers")
    return fitted[1]


@pytest.fixture
def sets(fitted):
    if fitted[0] != "multilabel":
        pytest.skip("of sets")
    return fitted[1]


def test_the_whole_ladder_is_climbed_and_learns(fitted):
    task, one = fitted
    told = one.ran.json
    assert told["task"] == task
    names = [rung["strategy"] for rung in told["rungs"]]
    assert names[:3] == ["majority", "simple_features", "linear_probe"]
    assert "nearest_mean" not in names
    metric = "r2" if task == "regression" else "item_f1"
    assert next(iter(told["test"])) == metric
    assert all(next(iter(rung["validation"])) == metric for rung in told["rungs"])
    best = max(rung["validation"][metric]["value"] for rung in told["rungs"][1:])
    assert best > told["rungs"][0]["validation"][metric]["value"] + 0.2
    assert told["test"][metric]["value"] > 0.6
    for one in told["test"].values():
        assert one["low"] <= one["value"] <= one["high"]
        assert one["n"] > 5


def test_report_and_card_are_written(fitted):
    task, one = fitted
    report = (one.folder / "report.html").read_text("utf-8")
    card = (one.folder / "README.md").read_text("utf-8")
    said = {"regression": "gives a number for each input", "multilabel": "says which of 3 labels an input has"}[task]
    assert said in report
    assert said in card
    assert "No label was contradicted" not in report or task == "multilabel"


def test_the_model_is_the_same_after_loading(fitted, graft):
    task, one = fitted
    assembled = load(one.folder)
    assert assembled.manifest["task"]["name"] == task
    assert assembled.task.outputs == (1 if task == "regression" else 3)
    again = graft("evaluate", one.folder, one.photos, "--json", "--runtime", "torch:float32").json
    assert set(again["test"]) == set(one.ran.json["test"])
    assert again["seen_in_training"] > 50
    shown = graft("show", one.folder)
    assert task in shown.out
    assert ("classes" in shown.out) == (task == "multilabel")


def test_numbers_are_predicted_with_their_range(numbers, graft):
    files = [numbers.photos.parent / f"{row}.png" for row in range(20)]
    found = graft("predict", numbers.folder, *files, "--json").json["predictions"]
    assert set(found[0]) == {"input", "value", "low", "high", "accepted", "reason"}
    truth = {row["path"]: float(row["label"]) for row in rows_of(numbers.photos)}
    said = np.array([one["value"] for one in found])
    real = np.array([truth[f"{row}.png"] for row in range(20)])
    assert np.corrcoef(said, real)[0, 1] > 0.9
    inside = [one["low"] <= value <= one["high"] for one, value in zip(found, real, strict=True)]
    assert sum(inside) >= 16
    rows = list(csv.DictReader(io.StringIO(graft("predict", numbers.folder, *files, "--csv").out)))
    assert [float(row["value"]) for row in rows] == pytest.approx(said.tolist(), rel=1e-4)
    model = package.load(numbers.folder)
    assert model.classes == ()
    assert "numbers" in repr(model)
    with pytest.raises(ValueError, match="must be one with probabilities"):
        model.predict_proba([files[0]])


def test_sets_are_predicted_label_by_label(sets, graft):
    files = [sets.photos.parent / f"{row}.png" for row in range(30)]
    found = graft("predict", sets.folder, *files, "--json").json["predictions"]
    assert set(found[0]) == {"input", "labels", "probability", "probabilities", "accepted", "reason"}
    table = rows_of(sets.photos)
    right = [
        set(one["labels"]) == {name for name in COLOURS if row[name] == "1"}
        for one, row in zip(found, table[:30], strict=True)
    ]
    assert sum(right) >= 20
    rows = list(csv.DictReader(io.StringIO(graft("predict", sets.folder, *files, "--csv").out)))
    assert [row["labels"].split("|") if row["labels"] else [] for row in rows] == [one["labels"] for one in found]
    assert package.load(sets.folder).predict_proba(files).shape == (30, 3)


def test_inspect_counts_labels_not_numbers(fitted, graft):
    task, one = fitted
    found = graft("inspect", one.photos, "--task", task, "--json").json
    assert set(found["classes"]) == (set() if task == "regression" else set(COLOURS))
    assert found["files"] == N
    if task == "regression":
        assert any(one["kind"].startswith("near_duplicate") for one in found["findings"])
        assert not any("labels differ" in one["message"] for one in found["findings"])


@pytest.mark.parametrize("criterion", ["mae", "huber"])
def test_other_criteria(tmp_path, graft, criterion):
    table = make_table(tmp_path / "data", "regression")
    words = ("--task", "regression", "--set", f"task.criterion={criterion}", *PROBE)
    told = graft("fit", table, "--out", tmp_path / "model", *words, "--json").json
    assert told["test"]["r2"]["value"] > 0.6
    assert load(tmp_path / "model").task.criterion == criterion


@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_fine_tuning(tmp_path, graft, task):
    table = make_table(tmp_path / "data", task)
    told = graft("fit", table, "--out", tmp_path / "model", "--task", task, *QUICK, *TUNED, "--json").json
    assert told["strategy"] == "partial"
    assert next(iter(told["test"].values()))["value"] > 0.4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--task", "regresion"), "'regression'"),
        (("--task", "regression", "--strategy", "nearest_mean"), "one that can learn regression"),
        (("--task", "regression", "--class-weights", "balanced"), "class_weights must be none"),
        (("--task", "regression", "--set", "task.criterion=l7"), "criterion"),
        (("--task", "regression", "--set", "task.centre=3"), "task"),
        (("--set", "task.criterion=mae"), "left out with the task classification"),
    ],
)
def test_what_fits_no_task_is_refused(tmp_path, graft, words, said):
    table = make_table(tmp_path / "data", "regression")
    assert said in graft("fit", table, "--out", tmp_path / "model", *QUICK, *words).complaint


def test_names_of_classes_are_no_numbers(tmp_path, photos, graft):
    told = graft("fit", photos(), "--out", tmp_path / "model", "--task", "regression", *PROBE).complaint
    assert "different numbers" in told


def test_folders_may_be_numbers(tmp_path, photos):
    home = photos()
    for number in range(3):
        (home / f"class{number}").rename(home / f"{number}.5")
    with one_thread():
        told = run_graft("fit", home, "--out", tmp_path / "model", "--task", "regression", *PROBE, "--json").json
    assert told["test"]["r2"]["value"] > 0.3
