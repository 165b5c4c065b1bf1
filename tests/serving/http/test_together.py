"""Which inputs a server runs at once, and how its threads share what waits."""

import asyncio
import threading

import numpy as np
import pytest

from graft.serving.http.batching import Batcher
from graft.serving.http.lengths import STEP, TOKENS, in_order, padded, together


def drawn(count: int, longest: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.arange(size, dtype=np.int32) for size in rng.integers(1, longest, count)]


@pytest.mark.parametrize("longest", [2, 30, 200, 3 * TOKENS])
def test_each_input_is_run_once_with_its_like(longest: int) -> None:
    arrays = drawn(50, longest)
    batches = list(together(arrays, 16))
    assert sorted(place for batch in batches for place in batch) == list(range(50))
    for batch in batches:
        whole = padded([arrays[place] for place in batch], (2000,))
        assert len(batch) in (1, 2, 4, 8, 16)
        assert whole.shape[1] % STEP == 0 or whole.shape[1] == 2000
        assert whole.size <= TOKENS + STEP * len(batch) or len(batch) == 1
        for row, place in zip(whole, batch, strict=True):
            assert row[: len(arrays[place])].tolist() == arrays[place].tolist()
            assert (row[len(arrays[place]) :] == -1).all()
    longest_of = [max(len(arrays[place]) for place in batch) for batch in batches]
    assert longest_of == sorted(longest_of)


def test_few_short_inputs_are_one_batch() -> None:
    assert len(list(together(drawn(16, 30), 16))) == 1


def test_no_input_is_padded_beyond_what_the_network_takes() -> None:
    assert padded([np.ones(9, np.int32)], (10,)).shape == (1, 10)


def test_windows_are_padded_on_both_axes() -> None:
    whole = padded([np.ones((2, 3), np.int32), np.ones((1, 5), np.int32)], (4, 64))
    assert whole.shape == (2, 2, 8)
    assert int((whole == 1).sum()) == 11


def test_inputs_of_one_shape_keep_their_order() -> None:
    assert list(in_order(5, 2)) == [[0, 1], [2, 3], [4]]
    assert list(in_order(0, 2)) == []


@pytest.mark.parametrize(("waiting", "sizes"), [(2, [1, 1]), (8, [4, 4]), (12, [8, 4]), (32, [16, 16])])
def test_threads_that_are_free_share_what_waits(waiting: int, sizes: list[int]) -> None:
    seen: list[int] = []
    both = threading.Barrier(2, timeout=30)

    def work(jobs: list[int]) -> list[int]:
        seen.append(len(jobs))
        # Neither is done before the other has taken its share.
        if len(seen) <= 2:
            both.wait()
        return [10 * one for one in jobs]

    batcher: Batcher[int, int] = Batcher(work, 16, 2)

    async def asked() -> list[int | Exception]:
        task = asyncio.create_task(batcher.ask(range(waiting), 30))
        await asyncio.sleep(0)
        batcher.start()
        return await task

    try:
        assert asyncio.run(asked()) == [10 * one for one in range(waiting)]
        assert sorted(seen, reverse=True) == sizes
    finally:
        batcher.close()
        batcher.join(5)
