"""Word vectors of word2vec, GloVe or fastText, from a file: the mean of a text's words, plain or as SIF weighs them.

The word as it is written is looked up, then in small letters, then its parts (``preprocess/_words.py``). A word that is
not found is left out; a text of such words alone is the zero vector. Chinese is cut into words by jieba.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from graft.backbones._family import Network
from graft.backbones._nets.family import OwnFamily, network
from graft.backbones._nets.vectors_file import VectorsFile
from graft.backbones._nets.word_vectors import sif_tensors, word_vectors, zipf
from graft.preprocess import _text_own
from graft.preprocess._chinese import has_han
from graft.preprocess._words import Words

CHINESE = 0.2
"""Share of words with Chinese characters from which text is cut by jieba."""


@dataclass(frozen=True, kw_only=True)
class Word2vec(OwnFamily):
    """``word2vec`` pools by the plain mean, ``word2vec_sif`` by smooth inverse frequency (Arora et al. 2017)."""

    files: ClassVar[str] = "a file of word vectors"

    def names(self) -> tuple[str, ...]:
        """Return the two ways of pooling."""
        return ("word2vec", "word2vec_sif")

    def build(self, name: str) -> Network:
        """Raise WeightsError: without a file of vectors there is no vocabulary."""
        raise self.no_file(name)

    def rebuild(self, name: str, settings: Mapping[str, Any]) -> Network:
        """Return a network of so many words and channels."""
        model = word_vectors(int(settings["words"]), int(settings["channels"]), sif=name.endswith("_sif"))
        return network(model, "", settings)

    def opened(self, name: str, path: Path) -> tuple[Network, Mapping[str, torch.Tensor]]:
        """Return the network of a file of vectors, and its table. Raises WeightsError."""
        with VectorsFile(path) as file:
            words, table = file.words, file.table()
        sif = name.endswith("_sif")
        tensors = sif_tensors(table, zipf(len(words))) if sif else {"embed.table": torch.from_numpy(table)}
        chinese = sum(has_han(word) for word in words) > CHINESE * len(words)
        tokenizer = _text_own.written(Words(vocabulary=words, chinese=chinese))
        settings = {"words": len(words), "channels": int(table.shape[1])}
        return network(word_vectors(*settings.values(), sif=sif), tokenizer, settings), tensors
