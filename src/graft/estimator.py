"""The scikit-learn face of Graft: an estimator over paths, texts, arrays, PIL images, or ready features."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, Self, cast

import numpy as np
from PIL.Image import Image
from scipy.sparse import issparse
from scipy.special import logit
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data
from torch import nn

from graft import api, data
from graft.config import Recipe
from graft.errors import DataError, must
from graft.selection import ready
from graft.serving import Model


class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier by transfer learning.

    ``X`` is a sequence of paths, of (h, w) or (h, w, 3) uint8 arrays, of PIL images or of texts; they go
    through the backbone.
    A two-dimensional numeric array (n, features) is taken as ready features: the head alone is fitted, by the
    linear probe.

    ``y`` are labels (n,), or 0 and 1 (n, labels) where an input can have several labels or none; the answers then have
    that form too.

    ``settings`` are further ones of the recipe (``runtime``, ``device``, ``head``) and of the strategies, dotted.
    Nothing is held out: scikit-learn's own ``cross_val_score``, ``train_test_split`` and ``GridSearchCV`` do that.
    """

    def __init__(
        self,
        backbone: str = "auto",
        *,
        strategy: str = "linear_probe",
        weights: str = "auto",
        augment: str = "auto",
        class_weights: str = "none",
        settings: dict[str, Any] | None = None,
        budget: float = 900.0,
        seed: int = 0,
    ) -> None:
        self.backbone = backbone
        self.strategy = strategy
        self.weights = weights
        self.augment = augment
        self.class_weights = class_weights
        self.settings = settings
        self.budget = budget
        self.seed = seed

    def fit(self, X: Sequence[object] | np.ndarray, y: Sequence[object] | np.ndarray) -> Self:
        """Fit to n inputs and their labels. Raises ValueError where they do not make a task."""
        features = is_features(X)
        self.multilabel_ = _is_indicator(y)
        if features:
            X, y = validate_data(self, X, y, dtype=np.float64, multi_output=self.multilabel_)
        if self.multilabel_:
            return self._fit_sets(X, np.asarray(y), features=features)
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        self.classes_, encoded = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(must("y", "of two or more classes", f"one class: {self.classes_}", "Give more labels"))
        if features:
            self.head_: nn.Linear | None = ready.fit(np.asarray(X), encoded, len(self.classes_), seed=self.seed)
            self.model_: Model | None = None
        else:
            if len(X) != len(labels):
                raise DataError(must("y", f"as long as X, {len(X)}", len(labels), "Give one label an input"))
            self.head_ = None
            recipe = _recipe(self, self.settings or {}, class_weights=self.class_weights)
            self.model_ = api.fit(data.from_objects(X, [f"{number:06d}" for number in encoded]), recipe=recipe)
        return self

    def _fit_sets(self, X: Sequence[object] | np.ndarray, y: np.ndarray, *, features: bool) -> Self:
        """Fit to inputs with several labels each, ``y`` (n, labels) of 0 and 1."""
        self.classes_ = np.arange(y.shape[1])
        self._kind = y.dtype
        self.head_ = self.model_ = None
        if features:
            self.head_ = ready.fit_sets(np.asarray(X), y, seed=self.seed)
            return self
        if len(X) != len(y):
            raise DataError(must("y", f"as long as X, {len(X)}", len(y), "Give one row of labels an input"))
        sets = [data.joined([f"{number:06d}" for number in np.flatnonzero(row)]) for row in y]
        recipe = _recipe(self, self.settings or {}, class_weights=self.class_weights, task="multilabel")
        self.model_ = api.fit(data.from_objects(X, sets), recipe=recipe)
        return self

    def __sklearn_tags__(self) -> Any:
        """Say that several labels an input can be learned."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def decision_function(self, X: Sequence[object] | np.ndarray) -> np.ndarray:
        """Return logits (n, classes), or (n,) for two classes as scikit-learn wants it."""
        check_is_fitted(self)
        if self.multilabel_:
            found: np.ndarray = logit(np.clip(self.predict_proba(X), 1e-15, 1 - 1e-15))
            return found
        chances = np.log(np.clip(self.predict_proba(X), 1e-300, None))
        return cast(np.ndarray, chances[:, 1] - chances[:, 0]) if chances.shape[1] == 2 else chances

    def predict_proba(self, X: Sequence[object] | np.ndarray) -> np.ndarray:
        """Return probabilities (n, classes) in the order of ``classes_``; of several labels, each has its own."""
        check_is_fitted(self)
        if self.head_ is not None:
            table = validate_data(self, X, dtype=np.float64, reset=False)
            return ready.probabilities(self.head_, table, several=self.multilabel_)
        model = self.model_
        assert model is not None
        chances = np.zeros((len(X), len(self.classes_)))
        chances[:, [int(name) for name in model.classes]] = model.predict_proba(list(X))
        return chances

    def predict(self, X: Sequence[object] | np.ndarray) -> np.ndarray:
        """Return the most probable class of each input, (n,), or 0 and 1 (n, labels), 1 from a probability of 0.5."""
        check_is_fitted(self)
        if self.multilabel_:
            said: np.ndarray = (self.predict_proba(X) >= 0.5).astype(self._kind)
            return said
        found: np.ndarray = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return found


class Regressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Numbers by transfer learning.

    ``X`` and the settings are those of ``Classifier``; ``criterion`` is what training makes small: ``mse``, ``mae`` or
    ``huber``.
    """

    def __init__(
        self,
        backbone: str = "auto",
        *,
        strategy: str = "linear_probe",
        weights: str = "auto",
        augment: str = "auto",
        criterion: str = "mse",
        settings: dict[str, Any] | None = None,
        budget: float = 900.0,
        seed: int = 0,
    ) -> None:
        self.backbone = backbone
        self.strategy = strategy
        self.weights = weights
        self.augment = augment
        self.criterion = criterion
        self.settings = settings
        self.budget = budget
        self.seed = seed

    def fit(self, X: Sequence[object] | np.ndarray, y: Sequence[float] | np.ndarray) -> Self:
        """Fit to n inputs and their numbers. Raises ValueError where they do not make a task."""
        if is_features(X):
            table, values = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
            values = values.astype(np.float64)
            self.head_: nn.Linear | None = ready.fit_numbers(table, values, criterion=self.criterion, seed=self.seed)
            self.model_: Model | None = None
            return self
        values = column_or_1d(y, warn=True).astype(np.float64)
        if len(X) != len(values):
            raise DataError(must("y", f"as long as X, {len(X)}", len(values), "Give one number an input"))
        settings = {**(self.settings or {}), "task.criterion": self.criterion}
        recipe = _recipe(self, settings, task="regression")
        self.head_ = None
        self.model_ = api.fit(data.from_objects(X, [repr(float(one)) for one in values]), recipe=recipe)
        return self

    def predict(self, X: Sequence[object] | np.ndarray) -> np.ndarray:
        """Return the number of each input, (n,) float64."""
        check_is_fitted(self)
        if self.head_ is not None:
            return ready.numbers(self.head_, validate_data(self, X, dtype=np.float64, reset=False))
        assert self.model_ is not None
        return np.array([one.told["value"] for one in self.model_.predict(list(X))], np.float64)


def _recipe(asked: Classifier | Regressor, settings: dict[str, Any], **own: str) -> Recipe:
    """Return the recipe of an estimator's fit, in which nothing is held out for a test. Raises SettingError."""
    return Recipe.read(
        None,
        settings,
        test_share=0.0,
        backbone=asked.backbone,
        strategy=asked.strategy,
        weights=asked.weights,
        augment=asked.augment,
        budget=asked.budget,
        seed=asked.seed,
        **own,
    )


def _is_indicator(y: Any) -> bool:
    """Tell whether y is a dense table (n, labels) of 0 and 1."""
    table = np.asarray(y)
    return table.ndim == 2 and type_of_target(table) == "multilabel-indicator"


def is_features(X: Any) -> bool:
    """Tell whether X is a table of numbers (n, features) rather than a sequence of inputs."""
    if issparse(X):
        return True  # for scikit-learn to refuse with its own sentence
    if hasattr(X, "dtype") or hasattr(X, "columns"):
        return np.ndim(X) <= 2 and np.asarray(X).dtype.kind in "biufcOV" and not _holds_inputs(X)
    return not _holds_inputs(X)


def _holds_inputs(X: Any) -> bool:
    try:
        first = next(iter(X))
    except (StopIteration, TypeError):
        return False
    return isinstance(first, (str, PathLike, Image)) or (isinstance(first, np.ndarray) and first.ndim >= 2)
