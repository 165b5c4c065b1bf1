"""Features as vectors: maps and tokens averaged, whatever runtime they came from."""

import numpy as np


def pooled(features: np.ndarray) -> np.ndarray:
    """Return the mean over places or real tokens, (n, C), of vectors (n, C), maps (n, C, H, W) or tokens (n, T, C).

    Tokens say in their last channel which of them are real: 1, then 0 for padding. Where it is another channel (does
    not begin with exactly 1, rises, or falls below 0), all of them are.
    """
    if features.ndim == 2 or not len(features):
        return features
    if features.ndim == 4:
        means: np.ndarray = features.mean(axis=(2, 3))
        return means
    last = features[..., -1]
    told = (last[:, 0] == 1) & (last[:, 1:] <= last[:, :-1]).all(axis=1) & (last >= 0).all(axis=1)
    share = np.where(told[:, None], last, np.ones_like(last))[..., None]
    tokens: np.ndarray = (features * share).sum(axis=1) / share.sum(axis=1)
    return tokens
