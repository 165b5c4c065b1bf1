"""Which training examples a model keeps to be shown beside its answers, where a person asked for that."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from graft.errors import GraftError
from graft.exemplars import LETTERS, SIDE, Exemplars
from graft.selection.doubting import features
from graft.selection.gather import Gathered
from graft.selection.shipping import Shipped
from graft.types import Example


def keeping(shipped: Shipped, gathered: Gathered, most: int, seed: int) -> Shipped:
    """Return the model with at most so many examples of the training part; of none it stays as it is."""
    fitted, rows = shipped.rung.fitted, gathered.development
    assert fitted is not None
    if not most:
        return shipped
    train = gathered.halves.train
    train = train[chosen([str(one) for one in gathered.labels(rows[train])], most, seed)]
    examples = [gathered.scanned.examples[row] for row in rows[train]]
    shown = [_shown(gathered, one) for one in examples]
    kept = Exemplars.of(
        features(gathered.at(fitted.cut, 1, rows, "examples to keep"), fitted, train),
        [str(one.label) for one in examples],
        [picture for picture, _ in shown],
        [text for _, text in shown],
    )
    return replace(shipped, assembled=replace(shipped.assembled, exemplars=kept))


def chosen(labels: Sequence[str], most: int, seed: int) -> np.ndarray:
    """Return the places of ``most`` labels or all, sorted: drawn at random, of each label as many as of the others.

    So a rare class has its examples too.
    """
    order = np.random.default_rng((seed, len(labels))).permutation(len(labels))
    turns: Counter[str] = Counter()
    turn = np.empty(len(labels), np.int64)
    for place in order.tolist():
        turn[place] = turns[labels[place]]
        turns[labels[place]] += 1
    return np.sort(order[np.argsort(turn[order], kind="stable")][:most])


def _shown(gathered: Gathered, example: Example) -> tuple[bytes, str]:
    """Return a thumbnail and an excerpt; empty what an input does not have."""
    form = gathered.backbone.preprocess
    try:
        content = example.read(in_place=form.in_place)
        text = form.excerpt(content)
        return (b"", text[: LETTERS + 1]) if text else (form.picture(content, SIDE) or b"", "")
    except (GraftError, OSError):  # its features were stored before, and are still true
        return b"", ""
