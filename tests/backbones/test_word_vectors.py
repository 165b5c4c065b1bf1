"""Word vectors: means, SIF weights and the direction that texts share, against NumPy and against the paper's recipe."""

import numpy as np
import torch

from graft.backbones._nets.word_vectors import shared_direction, sif_tensors, word_vectors, zipf

WORDS, CHANNELS = 60, 12


def table(seed=0):
    return np.random.default_rng(seed).normal(0.3, 1, (WORDS, CHANNELS)).astype(np.float32)


def test_the_mean_is_over_the_words_that_are_there():
    vectors = table()
    network = word_vectors(WORDS, CHANNELS, sif=False).eval()
    network.load_state_dict({"embed.table": torch.from_numpy(vectors)})
    ids = torch.tensor([[3, 3, 8, -1], [59, -1, -1, -1]], dtype=torch.int32)
    with torch.no_grad():
        got = network(ids).numpy()
    np.testing.assert_allclose(got[0], (2 * vectors[3] + vectors[8]) / 3, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(got[1], vectors[59])


def test_sif_is_the_papers_weighted_mean_without_its_common_direction():
    vectors, chances = table(), zipf(WORDS)
    network = word_vectors(WORDS, CHANNELS, sif=True).eval()
    network.load_state_dict(sif_tensors(vectors, chances))
    text = [5, 0, 17, 40]
    with torch.no_grad():
        got = network(torch.tensor([[*text, -1, -1]])).numpy()[0]
    weighted = np.mean([1e-3 / (1e-3 + chances[i]) * vectors[i].astype(float) for i in text], axis=0)
    direction = network.pool.direction.numpy().astype(float)
    np.testing.assert_allclose(got, weighted - direction * (direction @ weighted), rtol=0, atol=1e-6)
    assert abs(got @ direction) < 1e-6
    assert abs(np.linalg.norm(direction) - 1) < 1e-6


def test_zipf_falls_and_sums_to_one():
    chances = zipf(1000)
    assert abs(chances.sum() - 1) < 1e-12
    np.testing.assert_allclose(chances[0] / chances[[1, 9, 99]], [2, 10, 100])


def test_the_direction_is_the_first_singular_vector_of_many_texts():
    vectors, chances, words = table(), zipf(WORDS), 10
    weighted = vectors * (1e-3 / (1e-3 + chances))[:, None]
    rng = np.random.default_rng(1)
    texts = weighted[rng.choice(WORDS, (40_000, words), p=chances)].mean(axis=1)
    wanted = np.linalg.svd(texts, full_matrices=False)[2][0]
    assert abs(wanted @ shared_direction(weighted, chances, words=words)) > 0.99
