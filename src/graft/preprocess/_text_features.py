"""What is known of a text without a network: hashed counts of its tokens, and a hash that near-equal texts share."""

import math

import numpy as np

WIDTH = 1024
"""Places that tokens and pairs of tokens are counted in."""
_ODD = np.uint64(0x9E3779B97F4A7C15)


def _mixed(values: np.ndarray) -> np.ndarray:
    """Return uint64 values whose bits depend on all bits of the given ones (the finaliser of MurmurHash3)."""
    mixed = values.astype(np.uint64)
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(factor)
    return np.asarray(mixed ^ (mixed >> np.uint64(33)))


def _shingles(ids: np.ndarray) -> np.ndarray:
    """Return hashes uint64 (..., 2 tokens - 1) of tokens and of neighbouring pairs; 0 where there is padding."""
    real = ids >= 0
    ones = np.where(real, ids, 0).astype(np.uint64) + np.uint64(1)
    single = np.where(real, _mixed(ones), np.uint64(0))
    pairs = _mixed(ones[..., :-1] * _ODD + ones[..., 1:])
    both = real[..., :-1] & real[..., 1:]
    return np.concatenate([single, np.where(both, pairs, np.uint64(0))], axis=-1)


def simple_features(ids: np.ndarray) -> np.ndarray:
    """Return float32 (WIDTH + 1,): log counts of tokens and pairs, hashed with signs, of length 1; and the log length.

    The hashing is that of Weinberger et al. 2009, "Feature hashing for large scale multitask learning".
    """
    hashes = _shingles(ids)
    found, counts = np.unique(hashes[hashes != 0], return_counts=True)
    places = (found % np.uint64(WIDTH)).astype(np.int64)
    signs = np.where((found >> np.uint64(40)) & np.uint64(1), 1.0, -1.0)
    features = np.zeros(WIDTH + 1, np.float32)
    np.add.at(features, places, (signs * (1 + np.log(counts))).astype(np.float32))
    features[:WIDTH] /= max(float(np.linalg.norm(features)), 1e-12)
    features[WIDTH] = math.log1p(int((ids >= 0).sum())) / 10
    return features


def perceptual_hashes(ids: np.ndarray) -> np.ndarray:
    """Return uint64 (n,) of token ids int32 (n, tokens): the simhash of tokens and pairs.

    Source: Charikar 2002, "Similarity estimation techniques from rounding algorithms".
    """
    # Most texts are far shorter than the longest that is taken, and padding has no say.
    hashes = _shingles(ids[:, : max(1, int((ids >= 0).sum(axis=1).max(initial=0)))])
    little = np.ascontiguousarray(hashes, "<u8").view(np.uint8).reshape(*hashes.shape, 8)
    # Padding's hash is 0 and adds nothing.
    votes = np.unpackbits(little, axis=-1, bitorder="little").sum(axis=1, dtype=np.int32)
    most = 2 * votes > np.count_nonzero(hashes, axis=1)[:, None]
    return np.packbits(most, axis=1, bitorder="little").view("<u8")[:, 0].astype(np.uint64)
