"""The scikit-learn face: its own checks, and cross-validation, search, pipelines and clones over pictures."""

import pickle

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from graft import Classifier

TINY = {"backbone": "test_efficientnet", "weights": "random", "augment": "none"}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True, scope="module")
def store(tmp_path_factory):
    """One store for all, so that the same pictures pass the network once."""
    return tmp_path_factory.mktemp("estimator")


@pytest.fixture(autouse=True)
def shared_cache(cache, store, monkeypatch):
    monkeypatch.setenv("GRAFT_CACHE", str(store))


def make_pictures(n=36, classes=3, side=32, seed=0):
    """Return arrays (n, side, side, 3) uint8 and the number of each one's colour."""
    draw = np.random.default_rng(seed)
    kinds = np.arange(n) % classes
    colours = np.array([(200, 60, 60), (60, 200, 60), (60, 60, 200)])[kinds]
    pixels = colours[:, None, None] + draw.normal(0, 25, (n, side, side, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8), kinds


@pytest.fixture(scope="module")
def pictures():
    return make_pictures()


@parametrize_with_checks([Classifier()])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def as_paths(arrays, folder):
    folder.mkdir()
    for number, pixels in enumerate(arrays):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return [folder / f"{number}.png" for number in range(len(arrays))]


KINDS = ["array", "list of arrays", "grey arrays", "pictures", "paths", "strings", "object array"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_input(pictures, tmp_path, kind):
    arrays, kinds = pictures
    given = {
        "array": lambda: arrays,
        "list of arrays": lambda: list(arrays),
        "grey arrays": lambda: [np.full((24, 24), 40 + 80 * one + row, np.uint8) for row, one in enumerate(kinds)],
        "pictures": lambda: [Image.fromarray(one) for one in arrays],
        "paths": lambda: as_paths(arrays, tmp_path / "files"),
        "strings": lambda: [str(one) for one in as_paths(arrays, tmp_path / "files")],
        "object array": lambda: np.array([str(one) for one in as_paths(arrays, tmp_path / "files")], dtype=object),
    }[kind]()
    model = Classifier(**TINY).fit(given, kinds)
    assert (model.predict(given) == kinds).mean() > 0.9
    chances = model.predict_proba(given)
    assert chances.shape == (36, 3)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert (model.classes_[chances.argmax(axis=1)] == model.predict(given)).all()
    assert model.decision_function(given).shape == (36, 3)
    assert model.score(given, kinds) > 0.9


@pytest.mark.parametrize(
    "names",
    [
        np.array([10, -3, 7]),
        np.array([0.5, 1.5, 2.5]) * 2,
        np.array(["b", "ä 猫", "a/b\n"]),
        np.array([2**40, 1, 0]),
        np.array(["u", "v", "w"], dtype=object),
    ],
    ids=["int", "float", "str", "long", "object"],
)
def test_labels_come_back_as_they_were(pictures, names):
    arrays, kinds = pictures
    labels = names[kinds]
    model = Classifier(**TINY).fit(arrays, labels)
    found = model.predict(arrays)
    assert found.dtype == labels.dtype
    assert (found == labels).mean() > 0.9
    assert list(model.classes_) == sorted(names.tolist())


def test_two_classes_and_booleans():
    arrays, kinds = make_pictures(24, classes=2)
    model = Classifier(**TINY).fit(arrays, kinds == 1)
    assert model.predict(arrays).dtype == bool
    scores = model.decision_function(arrays)
    assert scores.shape == (24,)
    assert ((scores > 0) == model.predict(arrays)).all()


def test_cross_validation_and_splits(pictures):
    arrays, kinds = pictures
    assert cross_val_score(Classifier(**TINY), arrays, kinds, cv=3).mean() > 0.9
    seen, unseen, seen_kinds, unseen_kinds = train_test_split(arrays, kinds, random_state=0, stratify=kinds)
    assert Classifier(**TINY).fit(seen, seen_kinds).score(unseen, unseen_kinds) > 0.8


def test_search_over_strategy_backbone_and_settings(pictures, tmp_path):
    arrays, kinds = pictures
    paths = as_paths(arrays, tmp_path / "files")
    grid = [
        {"strategy": ["linear_probe", "nearest_mean"]},
        {"backbone": ["test_resnet"], "settings": [{"strength": 0.1}, {"strength": 10.0}]},
    ]
    found = GridSearchCV(Classifier(**TINY), grid, cv=2, error_score="raise").fit(paths, kinds)
    assert found.best_score_ > 0.8
    assert len(found.cv_results_["params"]) == 4
    assert (found.predict(paths) == kinds).mean() > 0.9


def test_a_pipeline_and_its_parameters(pictures):
    arrays, kinds = pictures
    darker = FunctionTransformer(lambda X: (X // 2).astype(np.uint8))
    steps = Pipeline([("darker", darker), ("graft", Classifier(**TINY))])
    steps.set_params(graft__seed=3)
    assert steps.fit(arrays, kinds).score(arrays, kinds) > 0.9
    assert steps.named_steps["graft"].seed == 3


def test_a_clone_is_unfitted_and_fits_the_same(pictures):
    arrays, kinds = pictures
    first = Classifier(**TINY, settings={"folds": 3}).fit(arrays, kinds)
    second = clone(first)
    assert second.get_params() == first.get_params()
    with pytest.raises(NotFittedError):
        second.predict(arrays)
    second.fit(arrays, kinds)
    heads = [one.model_.assembled.head.state_dict() for one in (first, second)]
    assert all(value.equal(heads[1][name]) for name, value in heads[0].items())


def test_fitting_changes_nothing_that_was_given(pictures):
    arrays, kinds = pictures
    before = arrays.copy()
    settings = {"folds": 3}
    model = Classifier(**TINY, settings=settings)
    model.fit(arrays, kinds)
    assert (arrays == before).all()
    assert model.settings is settings
    assert settings == {"folds": 3}


def test_a_fitted_model_travels(pictures):
    arrays, kinds = pictures
    model = Classifier(**TINY).fit(arrays, kinds)
    model.predict(arrays)
    again = pickle.loads(pickle.dumps(model))
    # Each measures which runtime is fastest, so the last digits may differ.
    np.testing.assert_allclose(again.predict_proba(arrays), model.predict_proba(arrays), atol=0.02)


def test_ready_features_need_no_network():
    draw = np.random.default_rng(0)
    features = draw.normal(size=(60, 5))
    labels = np.where(features[:, 0] > 0, "up", "down")
    model = Classifier().fit(features, labels)
    assert model.model_ is None
    assert model.score(features, labels) > 0.9
    assert model.n_features_in_ == 5
    with pytest.raises(ValueError, match="features"):
        model.predict(features[:, :4])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda X, y: (X, y[:-1]), "as long as X"),
        (lambda X, y: (X, np.zeros(len(y))), "one class"),
        (lambda X, y: (X, y + 0.5), "continuous"),
        (lambda X, y: (X.astype(np.float32), y), "uint8"),
        (lambda X, y: (np.tile(X, 2)[..., :5], y), "channels"),
        (lambda X, y: (["absent.png"] * len(y), y), "absent.png"),
        (lambda X, y: (X[y], y), "validation part"),
        (lambda X, y: ([], []), "Expected 2D array"),
        (lambda X, y: ([*X[:-1], 3], y), "must be"),
        (lambda X, y: ([*X[:-1], None], y), "must be"),
    ],
    ids=["length", "one class", "continuous", "floats", "channels", "absent", "copies", "empty", "number", "none"],
)
def test_what_cannot_be_fitted(pictures, change, said):
    X, y = change(*pictures)
    with pytest.raises((ValueError, TypeError), match=said):
        Classifier(**TINY).fit(X, y)


@pytest.mark.parametrize(
    "wrong",
    [
        {"backbone": "test_eficientnet"},
        {"strategy": "linear"},
        {"settings": {"fold": 3}},
        {"seed": -1},
        {"budget": 0},
        {"class_weights": "some"},
        {"augment": "flipp"},
    ],
)
def test_wrong_settings_are_told_when_fitting(pictures, wrong):
    arrays, kinds = pictures
    model = Classifier(**TINY | wrong)
    with pytest.raises((ValueError, LookupError), match="must be"):
        model.fit(arrays, kinds)


def test_broken_inputs_when_asked(pictures, tmp_path):
    arrays, kinds = pictures
    model = Classifier(**TINY).fit(arrays, kinds)
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="file must be"):
        model.predict([tmp_path / "broken.png"])
