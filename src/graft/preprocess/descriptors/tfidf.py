"""Of a text: its words and pairs of words, weighed by how rare they are, in a few dimensions."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from graft.errors import DataError, must
from graft.preprocess._base import Preprocess
from graft.preprocess.descriptors._base import Descriptor, Learned

SIGNS = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORDS = rf"[{SIGNS}]|[^\W{SIGNS}]+"
"""A word; of scripts without blanks, a sign: pairs of signs then stand for words."""
CHARACTERS = 100_000
"""Of a text that are looked at."""


@dataclass(frozen=True, kw_only=True)
class Tfidf(Descriptor):
    """TF-IDF of the training texts, its first principal directions kept (latent semantic analysis, Deerwester 1990)."""

    modality: ClassVar[str | None] = "text"
    stored: ClassVar[bool] = False

    dimensions: int = 128
    """Features that are kept, so that a probe costs hardly more than without them."""
    terms: int = 10_000
    """Words and pairs of words that are counted, the most frequent ones."""

    def measure(self, preprocess: Preprocess, decoded: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        """Return the text itself, UTF-8 as uint8 (bytes,)."""
        return decoded

    def learn(self, measures: Sequence[np.ndarray], seed: int) -> Learned:
        """Return the terms, their weights and the directions. Raises DataError where the texts share no word."""
        from sklearn.decomposition import TruncatedSVD

        texts = [_text(one) for one in measures]
        vectoriser = _vectoriser(max_features=self.terms, min_df=2)
        try:
            counts = vectoriser.fit_transform(texts)
        except ValueError:  # scikit-learn's word for an empty vocabulary
            do = "Leave it out"
            raise DataError(must("The texts for tfidf", "ones that share words", "none that two share", do)) from None
        # One direction fewer than there are rows or terms: its solver asks for so much.
        few = max(1, min(self.dimensions, counts.shape[1] - 1, counts.shape[0] - 1))
        directions = TruncatedSVD(few, random_state=seed).fit(counts).components_ if min(counts.shape) > 1 else None
        return {
            "terms": np.frombuffer("\n".join(vectoriser.get_feature_names_out()).encode("utf-8"), np.uint8),
            "weights": vectoriser.idf_.astype(np.float64),
            "directions": (np.eye(1, counts.shape[1]) if directions is None else directions).astype(np.float32),
        }

    def encode(self, measures: Sequence[np.ndarray], learned: Learned) -> np.ndarray:
        """Return the coordinates of the texts in the learned directions, float32 (n, dimensions at most).

        Without scikit-learn, which a server does not have: as its ``TfidfVectorizer`` counts and weighs.
        """
        places, weights = _places(learned["terms"].tobytes()), learned["weights"]
        directions = learned["directions"]
        found = np.zeros((len(measures), len(directions)), np.float32)
        for row, one in enumerate(measures):
            words = re.findall(WORDS, _text(one).lower())
            pairs = (f"{first} {second}" for first, second in pairwise(words))
            counts = Counter(places[term] for term in (*words, *pairs) if term in places)
            if counts:
                terms = np.fromiter(counts, np.int64)
                values = (1 + np.log(np.fromiter(counts.values(), np.float64))) * weights[terms]
                found[row] = directions[:, terms] @ (values / np.linalg.norm(values))
        return found


@lru_cache(maxsize=8)
def _places(terms: bytes) -> Mapping[str, int]:
    """Return where each learned term stands."""
    return {term: place for place, term in enumerate(terms.decode("utf-8").split("\n"))}


def _text(measure: np.ndarray) -> str:
    return measure.tobytes().decode("utf-8")[:CHARACTERS]


def _vectoriser(**settings: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(token_pattern=WORDS, ngram_range=(1, 2), sublinear_tf=True, **settings)
