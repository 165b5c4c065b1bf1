"""Graft as a scikit-learn estimator: cross-validation and a grid search over pictures, with one pass of the network."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score

import graft


def pictures(count: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Return (count, 8, 8) uint8 pictures of the digits 0 to 4, and their labels."""
    digits = load_digits(n_class=5)
    return (digits.images[:count] * 255 / 16).round().astype("uint8"), digits.target[:count]


def main() -> None:
    """Score with cross-validation, then choose between two strategies."""
    X, y = pictures()
    classifier = graft.Classifier(augment="digits")
    scores = cross_val_score(classifier, X, y, cv=2)
    print(f"linear probe: {scores.mean():.3f} mean accuracy of {len(scores)} folds, chance is {1 / 5:.3f}")

    # Every fold and every trial finds the features in the activation store.
    search = GridSearchCV(classifier, {"strategy": ["nearest_mean", "linear_probe"]}, cv=2).fit(X, y)
    print(f"best: {search.best_params_['strategy']}, {search.best_score_:.3f}")
    print("answers:", *search.predict(X[:5]), "truth:", *y[:5])


if __name__ == "__main__":
    main()
