"""The course of a fit: parts that stay when files are added, locked test data, the whole ladder, and the budget."""

import shutil

import numpy as np
import pytest

from graft import api, selection
from graft.config import Recipe
from graft.errors import LockedError
from graft.selection import ladder, rungs
from graft.types import Listener
from quick_fit import make_photos

SETTINGS = {
    "backbone": "test_efficientnet",
    "weights": "random",
    "runtime": "torch:float32",
    "augment": "none",
}


@pytest.fixture(autouse=True)
def quick(one_thread):
    pass


def look(source, **more):
    recipe = Recipe.read(data=str(source), strategy="auto", **SETTINGS, **more)
    plan = selection.plan(recipe.strategy, recipe.head, recipe.settings)
    dataset = api.read(source, recipe)
    backbone = selection.network(recipe, dataset.modality)
    return selection.look(recipe, plan, dataset, backbone, Listener())


def parts_of(gathered):
    names = [one.path.name + one.label for one in gathered.scanned.examples]
    return dict(zip(names, gathered.parts.of, strict=True))


def test_adding_files_moves_none(photos, tmp_path):
    before = parts_of(look(photos(each=40)))
    more = make_photos(tmp_path / "more", each=10, seed=5)
    for file in more.rglob("*.*"):
        shutil.copy(file, tmp_path / "photos" / file.parent.name / f"new-{file.name}")
    after = parts_of(look(tmp_path / "photos"))
    assert len(after) == len(before) + 30
    assert {name: after[name] for name in before} == before
    assert sum(one == "train" for one in after.values()) > 90


def test_another_seed_splits_otherwise(photos):
    source = photos(each=20)
    assert parts_of(look(source)) != parts_of(look(source, seed=1))
    assert parts_of(look(source)) == parts_of(look(source))


def test_rows_of_all_arrays_agree_after_files_were_set_aside(photos):
    source = photos(each=10)
    whole = look(source)
    (source / "class0" / "003.jpg").write_bytes(b"broken")
    (source / "class2" / "000.png").write_bytes(b"")
    left = look(source)
    assert len(left.set_aside) == 2
    kept = [one.source for one in left.scanned.examples]
    assert len(kept) == len(left.scanned.hashes) == left.top.shape[0] == 28
    rows = {one.source: row for row, one in enumerate(whole.scanned.examples)}
    same = whole.top.read(np.array([rows[one] for one in kept]))
    assert np.array_equal(left.top.read(np.arange(28)), same)
    same = whole.extraction.measures["simple_features"][[rows[one] for one in kept]]
    assert np.array_equal(left.extraction.measures["simple_features"], same)
    halves = left.halves
    assert set(left.development[halves.both]) == set(left.parts.train) | set(left.parts.val)
    assert list(left.targets(left.parts.train)) == [int(one[-1]) for one in left.labels(left.parts.train)]


def test_the_test_part_opens_once(photos):
    gathered = look(photos())
    gathered.parts.test.open()
    with pytest.raises(LockedError):
        gathered.parts.test.open()


def hard(folder, *, each=60, seed=0):
    """Pictures of three colours, a third of them under a wrong name: none gets these right, so all rungs are tried."""
    source = make_photos(folder, each=each, seed=seed)
    draw = np.random.default_rng(seed)
    files = sorted(source.rglob("*.*"))
    for number, file in enumerate(files):
        if draw.random() < 0.3:
            file.rename(source / f"class{draw.integers(3)}" / f"x{number}{file.suffix}")
    return source


MANY = {"partial.views": 64, "full.views": 64}
TUNING = {
    "optimisation.epochs": 1,
    "numerics.precision": "float32",
    "numerics.layout": "contiguous",
}


def test_the_whole_ladder(tmp_path):
    said = []
    model = api.fit(
        hard(tmp_path / "hard"),
        strategy="auto",
        views=1,
        settings=TUNING,
        out=tmp_path / "model",
        listener=Listener(say=said.append),
        **SETTINGS,
    )
    told = model.manifest
    names = [one["strategy"] for one in told["rungs"]]
    assert names[:4] == ["majority", "simple_features", "nearest_mean", "linear_probe"]
    assert "partial" in names
    assert told["rungs"][0]["validation"]["accuracy"]["value"] < 0.5
    assert all(one["p_value"] is not None for one in told["rungs"][1:])
    assert any("Fine-tuning was" in one for one in told["sentences"])
    assert "full" in names or any("Full was left out" in one for one in told["sentences"])
    assert all(any(one.startswith(f"{name}:") for one in said) for name in names)
    kept = [one["strategy"] for one in told["rungs"] if one["kept"] and one["cut"] is not None]
    assert told["strategy"] == (kept or names)[-1] or not kept
    assert 0.4 < told["test"]["accuracy"]["value"] < 0.95
    page = (tmp_path / "model" / "report.html").read_text("utf-8")
    assert all(name.replace("_", " ") in page for name in names)


def test_a_budget_that_is_spent_leaves_out_and_says_so(tmp_path):
    model = api.fit(hard(tmp_path / "hard"), strategy="auto", budget=0.5, settings=TUNING | MANY, **SETTINGS)
    assert "partial" not in [one["strategy"] for one in model.manifest["rungs"]]
    assert any("Partial was left out" in one and "s left" in one for one in model.manifest["sentences"])


def test_full_fine_tuning_is_left_out_where_it_would_eat_the_budget(tmp_path, monkeypatch):
    monkeypatch.setattr(rungs, "LEVEL", 1.1)
    monkeypatch.setattr(ladder, "LEVEL", 1.1)
    source = hard(tmp_path / "hard")
    asked = {"strategy": "auto", "views": 1, "settings": TUNING, **SETTINGS}
    monkeypatch.setattr(rungs, "_tuning_seconds", lambda gathered, strategy: 89.0)
    within = api.fit(source, **asked)
    monkeypatch.setattr(rungs, "_tuning_seconds", lambda gathered, strategy: 95.0)
    beyond = api.fit(source, **asked)
    assert "full" in [one["strategy"] for one in within.manifest["rungs"]]
    assert "full" not in [one["strategy"] for one in beyond.manifest["rungs"]]
    said = "Full was left out: it would take about 95 s, over a tenth of the budget: ask for it with --budget 16m"
    assert any(one.startswith(said) for one in beyond.manifest["sentences"])


def test_perfect_probes_are_not_tuned(photos):
    model = api.fit(photos(), strategy="auto", **SETTINGS)
    assert any("could not be told from chance" in one for one in model.manifest["sentences"])


def test_progress_only_rises_and_ends_complete(photos):
    told = {}
    listener = Listener(progress=lambda what, done, total: told.setdefault(what, []).append((done, total)))
    api.fit(photos(), strategy="linear_probe", listener=listener, **SETTINGS)
    assert {"reading files", "training"} <= set(told)
    for seen in told.values():
        assert [done for done, _ in seen] == sorted(done for done, _ in seen)
        assert seen[-1][0] == seen[-1][1]


def test_a_probe_of_several_views(photos):
    source = photos()
    recipe = {**SETTINGS, "augment": "photos", "strategy": "linear_probe"}
    one, other = (api.fit(source, views=views, **recipe).manifest["rungs"][-1] for views in (1, 3))
    assert other["settings"]["views"] == 3
    assert one["validation"] != other["validation"]
    assert other["validation"]["accuracy"]["value"] > 0.9


def test_balanced_weights_raise_the_rare_class(tmp_path):
    source = hard(tmp_path / "hard", each=40)
    for file in sorted((source / "class2").iterdir())[8:]:
        file.unlink()
    recalls = []
    for weights in ("none", "balanced"):
        model = api.fit(source, strategy="linear_probe", class_weights=weights, **SETTINGS)
        recalls.append(model.manifest["rungs"][-1]["validation"]["balanced_accuracy"]["value"])
    assert recalls[0] != recalls[1]


def test_a_model_that_joins_both_kinds_of_features_answers(tmp_path, one_thread):
    """The joined probe may ship, and must then load and answer."""
    from graft.selection.rungs import JOINED

    source = make_photos(tmp_path / "photos", each=30)
    # A network that sees nothing: the colours are in the simple features alone.
    recipe = {**SETTINGS, "strategy": "auto"}
    model = api.fit(hard(tmp_path / "hard", each=50), out=tmp_path / "model", settings=TUNING, views=1, **recipe)
    names = [one["strategy"] for one in model.manifest["rungs"]]
    assert JOINED in names
    loaded = api.load(tmp_path / "model", runtime="torch:float32")
    files = sorted(source.rglob("*.*"))
    assert np.array_equal(loaded.predict_proba(files), model.predict_proba(files))
