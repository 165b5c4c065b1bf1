"""The scikit-learn face where an input can have several labels."""

import numpy as np
import pytest
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import f1_score
from sklearn.multioutput import MultiOutputClassifier

import quick_fit
from graft import Classifier
from graft.errors import DataError

TINY = {"backbone": "test_efficientnet", "weights": "random", "augment": "none"}


def made():
    draw = np.random.default_rng(0)
    features = draw.normal(size=(240, 12))
    return features, (features[:, :4] + 0.3 * draw.normal(size=(240, 4)) > 0.4).astype(np.int64)


def test_answers_have_the_form_of_y():
    features, labels = made()
    model = Classifier().fit(features[:160], labels[:160])
    said = model.predict(features[160:])
    assert said.shape == (80, 4) and said.dtype == labels.dtype
    assert set(np.unique(said)) == {0, 1}
    assert f1_score(labels[160:], said, average="micro") > 0.85
    chances = model.predict_proba(features[160:])
    assert ((chances >= 0.5) == said).all()
    assert ((model.decision_function(features[160:]) >= 0) == said).all()
    assert chances.sum(axis=1).max() > 1.5, "each label has a probability of its own"
    assert list(model.classes_) == [0, 1, 2, 3]


def test_as_good_as_one_classifier_a_label():
    features, labels = make_multilabel_classification(400, n_features=20, n_classes=4, random_state=0)
    ours = Classifier().fit(features[:250], labels[:250]).predict(features[250:])
    theirs = MultiOutputClassifier(Classifier()).fit(features[:250], labels[:250]).predict(features[250:])
    scores = [f1_score(labels[250:], one, average="micro") for one in (ours, theirs)]
    assert scores[0] > scores[1] - 0.05


def test_a_label_that_no_input_has_and_an_input_without_labels(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path))
    photos = quick_fit.make_photos(tmp_path / "photos", classes=2, each=10)
    paths = sorted(str(one) for one in photos.rglob("*.*"))
    labels = np.array([[int("class0" in one), 0, int("class1" in one and not one.endswith("0.png"))] for one in paths])
    model = Classifier(**TINY, settings={"runtime": "torch:float32"}).fit(paths, labels)
    said = model.predict(paths)
    assert said.shape == labels.shape
    assert not said[:, 1].any()
    assert model.predict_proba(paths)[:, 1].max() == 0
    assert (said[:, 0] == labels[:, 0]).mean() > 0.8
    assert model.model_.manifest["task"]["name"] == "multilabel"
    with pytest.raises(DataError, match="as long as X, 20"):
        Classifier(**TINY).fit(paths, labels[:3])
