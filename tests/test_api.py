"""The verbs in Python: the same body as the command line, with models and values instead of folders and words."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import graft as package
from graft import api, data
from graft.config import Recipe
from graft.errors import ArtifactError, DataError, GraftError, SettingError
from graft.types import Listener
from quick_fit import make_photos

QUICK = {
    "backbone": "test_efficientnet",
    "weights": "random",
    "runtime": "torch:float32",
    "strategy": "linear_probe",
}


@pytest.fixture(autouse=True)
def quick(one_thread):
    pass


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("api") / "photos")


def test_the_readme_in_python(home, tmp_path):
    model = package.fit(str(home), **QUICK)
    assert isinstance(model, package.Model)
    files = sorted(home.rglob("*.*"))[:3]
    assert [one.label for one in model.predict([str(file) for file in files])] == ["class0"] * 3
    assert model.embed(files).shape[0] == 3
    assert "accuracy" in str(model.report)
    model.save(tmp_path / "model")
    again = package.load(tmp_path / "model", runtime="torch:float32")
    assert np.array_equal(again.predict_proba(files), model.predict_proba(files))


def test_a_fit_without_a_folder_writes_nothing_but_the_store(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = api.fit(home, **QUICK)
    assert list(tmp_path.iterdir()) == []
    found = api.outcome(model)
    assert found["model"] is None
    assert found["strategy"] == "linear_probe"
    json.dumps(found, allow_nan=False)


def test_settings_are_fields_of_the_recipe(home):
    model = api.fit(home, **QUICK, seed=4, settings={"folds": 3})
    asked = model.manifest["asked"]
    assert (asked["seed"], asked["settings"]) == (4, {"folds": 3})
    recipe = Recipe.read(data=str(home), **QUICK, seed=4, settings={"folds": 3})
    assert api.fit(home, recipe=recipe).manifest["test"] == model.manifest["test"]
    with pytest.raises(SettingError, match="'backbone'"):
        api.fit(home, bakbone="resnet18")


def test_a_dataset_in_memory_is_data(home):
    files = sorted(home.rglob("*.*"))
    given = data.from_objects(files, [file.parent.name for file in files])
    assert api.fit(given, **QUICK).manifest["test"] == api.fit(home, **QUICK).manifest["test"]


def test_evaluate_takes_folders_and_models(home, tmp_path):
    model = api.fit(home, out=tmp_path / "model", **QUICK)
    one = api.evaluate(model, home)
    other = api.evaluate(tmp_path / "model", home, runtime="torch:float32")
    assert one.to_json()["test"] == other.to_json()["test"]
    assert other.model == str(tmp_path / "model")
    again = api.evaluate(model, home, seed=1).evaluation.metrics
    assert again["accuracy"] == one.evaluation.metrics["accuracy"]


def test_evaluate_sets_aside_and_refuses_what_it_must(probe, photos, tmp_path):
    source = photos()
    (source / "class0" / "000.png").write_bytes(b"")
    found = api.evaluate(probe.folder, source)
    assert found.evaluation.metrics["accuracy"].n == 35
    assert [one.input for one in found.set_aside] == [str(source / "class0" / "000.png")]
    for file in source.rglob("*.*"):
        file.write_bytes(b"broken")
    with pytest.raises(DataError, match=" must be "):
        api.evaluate(probe.folder, source)
    with pytest.raises(DataError):
        api.evaluate(probe.folder, tmp_path / "absent")


def test_evaluate_says_when_the_model_was_fitted_on_the_data(probe, tmp_path):
    """Its own photos are not unseen; others are."""
    own = api.evaluate(probe.folder, probe.photos)
    others = api.evaluate(probe.folder, make_photos(tmp_path / "others", seed=9))
    seen = [getattr(one, "seen", None) for one in (own, others)]
    assert seen[0] > 0
    assert seen[1] == 0


def test_one_class_is_enough_to_judge_by(probe, photos):
    source = photos()
    for name in ("class1", "class2"):
        for file in (source / name).iterdir():
            file.unlink()
        (source / name).rmdir()
    found = api.evaluate(probe.folder, source).to_json()["test"]
    assert found["accuracy"]["n"] == 12
    json.dumps(found, allow_nan=False)


def test_predict_takes_files_and_folders_in_order(probe):
    files = sorted((probe.photos / "class2").iterdir())
    found = api.predict(probe.folder, [files[3], probe.photos / "class1", str(files[0])])
    inputs = [one.input for one in found.predictions]
    assert (inputs[0], inputs[-1], len(inputs)) == (str(files[3]), str(files[0]), 14)
    assert found.set_aside == ()
    assert set(found.to_json()) == {"predictions", "set_aside"}


def test_inspect_passes_the_data_once_and_shows_classes(photos):
    found = api.inspect(photos(each=4), backbone="test_efficientnet", weights="random", runtime="torch:float32")
    assert found.files == 12
    assert found.classes == {"class0": 4, "class1": 4, "class2": 4}
    assert "small_class" in [one.kind for one in found.findings]
    json.dumps(found.to_json(), allow_nan=False)


def test_inspect_shows_even_what_cannot_be_fitted(photos):
    found = api.inspect(photos(each=1), backbone="test_efficientnet", weights="random", runtime="torch:float32")
    assert found.files == 3


def test_show_checks_every_hash(probe, tmp_path):
    assert api.show(str(probe.folder))["task"]["classes"] == ["class0", "class1", "class2"]
    with pytest.raises(ArtifactError):
        api.show(tmp_path)


@pytest.mark.parametrize("what", ["backbones", "strategies", "heads", "tasks"])
def test_listing_is_plain_data(what):
    json.dumps(api.listing(what, settings=True), allow_nan=False, default=list)


def test_a_listener_may_stop_a_fit_and_the_next_one_goes_on(home, tmp_path):
    class Stop(Exception):
        pass

    def say(sentence):
        if sentence.startswith("linear_probe"):
            raise Stop

    with pytest.raises(Stop):
        api.fit(home, out=tmp_path / "model", listener=Listener(say=say), **QUICK)
    assert list(tmp_path.iterdir()) == []
    assert api.fit(home, out=tmp_path / "model", **QUICK).report["accuracy"].value == 1.0


def test_what_is_refused_is_refused_before_any_work(photos, tmp_path):
    """Nothing is extracted for a fit that cannot end well."""
    told, source = [], photos()
    listener = Listener(progress=lambda *_: told.append(1))
    (tmp_path / "file").write_text("")
    for wrong in (
        {"out": tmp_path / "file" / "model"},
        {"strategy": "partial", "cut": "99"},
        {"strategy": "partial", "augment": "flipp"},
        {"settings": {"nonsense": 1}},
        {"head": "nonsense"},
        {"weights": str(tmp_path / "absent.pth")},
    ):
        with pytest.raises(GraftError):
            api.fit(source, listener=listener, **QUICK | wrong)
    assert told == []


@pytest.mark.parametrize(("given", "used"), [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7")])
def test_threads_that_wait_leave_their_core_soon_unless_a_person_says_how_long(given, used):
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"} | given
    words = [sys.executable, "-c", "import graft, os; print(os.environ['GOMP_SPINCOUNT'])"]
    assert subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.strip() == used


def test_random_numbers_of_the_caller_are_left_alone(home):
    import random

    import torch

    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    api.fit(home, **QUICK | {"strategy": "partial", "views": 1, "augment": "none"}, settings={"optimisation.epochs": 1})
    assert random.getstate() == before[0]
    assert (np.random.get_state()[1] == before[1]).all()
    assert torch.equal(torch.get_rng_state(), before[2])
    assert torch.get_num_threads() == 1
    assert torch.is_grad_enabled()
