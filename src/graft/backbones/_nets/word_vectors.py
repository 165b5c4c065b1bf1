"""Word vectors as a network: a table of vectors, and the mean of a text's words, plain or weighted as SIF weighs them.

SIF: Arora, Liang and Ma 2017, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings". A word that has no vector
is left out of the text (``preprocess/_words.py``); a text of such words alone is the zero vector.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from graft.backbones._nets.staged import Staged
from graft.backbones._nets.tokens import MeanPool, marked, mean

SMOOTHING = 1e-3
"""The paper's ``a``: a word of probability p weighs a / (a + p)."""
TEXT_WORDS = 10
"""Words of the texts for which the direction that all texts share is computed."""


class EmbedVectors(nn.Module):
    """Word numbers int (n, tokens), -1 for padding, to marked vectors (n, tokens, C + 1)."""

    def __init__(self, words: int, channels: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(words, channels).normal_())

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the vectors."""
        return marked(functional.embedding(ids.clamp(min=0), self.table), ids >= 0)


class SifPool(nn.Module):
    """The mean of weighted vectors without the direction that all texts share: (n, tokens, C + 1) to (n, C)."""

    direction: torch.Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("direction", torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the means less their part along ``direction``, which has length 1 (or 0: nothing is taken away)."""
        pooled = mean(x)
        return pooled - (pooled * self.direction).sum(1, keepdim=True) * self.direction


def word_vectors(words: int, channels: int, *, sif: bool) -> Staged:
    """Return the network with random vectors: words int (n, tokens), -1 for padding, to (n, channels)."""
    pool = SifPool(channels) if sif else MeanPool()
    return Staged([("embed", EmbedVectors(words, channels)), ("pool", pool)])


def zipf(words: int) -> np.ndarray:
    """Return the probability of each of ``words`` words in falling order of frequency, float64, by Zipf's law.

    Files of vectors say no counts, but are written in that order.
    """
    shares: np.ndarray = 1.0 / np.arange(1, words + 1)
    shares /= shares.sum()
    return shares


def sif_tensors(table: np.ndarray, probabilities: np.ndarray) -> dict[str, torch.Tensor]:
    """Return the tensors of ``word_vectors(sif=True)`` for a table float32 (words, channels).

    The weights a / (a + p) are multiplied into the table, so that the plain mean is the weighted one.
    """
    weighted = table * (SMOOTHING / (SMOOTHING + probabilities))[:, None].astype(np.float32)
    direction = shared_direction(weighted, probabilities)
    return {"embed.table": torch.from_numpy(weighted), "pool.direction": torch.from_numpy(direction)}


def shared_direction(weighted: np.ndarray, probabilities: np.ndarray, *, words: int = TEXT_WORDS) -> np.ndarray:
    """Return the first principal direction, float32 (channels,) of length 1, of texts of ``words`` independent words.

    The paper takes the first singular vector of the means of the texts at hand. A backbone is fixed before any text
    is seen, so this is the same vector for texts drawn by ``probabilities``: the mean of k independent words has the
    second moment E[v v'] / k + (1 - 1/k) E[v] E[v]'.
    """
    vectors = weighted.astype(np.float64)
    centre = probabilities @ vectors
    second = (vectors * probabilities[:, None]).T @ vectors
    moment = second / words + (1 - 1 / words) * np.outer(centre, centre)
    direction: np.ndarray = np.linalg.eigh(moment)[1][:, -1].astype(np.float32)
    return direction
