"""Batches: one length each, every view in exactly one of them, those of a length one after another."""

from itertools import groupby

import numpy as np
import pytest

from graft.features.batching import FIRST, MOST, Batch, Piece, held, in_batches
from graft.features.decoding import Decoded, Job
from graft.runtimes._lengths import room
from graft.types import Example


def pieces(lengths):
    for number, length in enumerate(lengths):
        key = np.frombuffer(number.to_bytes(32, "big"), np.uint8)
        ends = Decoded(Job(number, Example(str(number)), "", (0,)))
        yield Piece(np.full(length, number, np.int32), key, ends)


def size(shape):
    return room(32, 1, shape)


LENGTHS = np.random.default_rng(0).choice([8, 12, 16, 40, 200], 3000, p=[0.2, 0.4, 0.3, 0.09, 0.01]).tolist()


@pytest.mark.parametrize("most", [1, 100, MOST])
def test_every_view_is_in_one_batch_of_its_length(most):
    batches: list[Batch] = list(in_batches(pieces(LENGTHS), size, most=most))
    seen = []
    for batch in batches:
        numbers = batch.inputs[:, 0].tolist()
        length = batch.inputs.shape[1]
        assert {LENGTHS[one] for one in numbers} == {length}
        assert len(numbers) <= size((length,))
        assert [int.from_bytes(key.tobytes(), "big") for key in batch.keys] == numbers
        assert [one.job.row for one in batch.ends] == numbers
        seen += numbers
    assert sorted(seen) == list(range(len(LENGTHS)))
    short = [one for one in batches if len(one.inputs) < size(one.inputs.shape[1:])]
    assert len(short) <= len(set(LENGTHS))


def test_held_inputs_come_length_by_length():
    def changes(most):
        shapes = [batch.inputs.shape[1] for batch in in_batches(pieces(LENGTHS), size, most=most)]
        return len(list(groupby(shapes)))

    assert changes(MOST) < changes(1) / 2


def test_the_first_batches_wait_for_few_inputs_and_later_ones_for_no_more_than_most():
    taken = 0

    def counted():
        nonlocal taken
        for one in pieces(LENGTHS * 3):
            taken += 1
            yield one

    given, first = 0, True
    for batch in in_batches(counted(), size, most=MOST):
        if first:
            assert taken == FIRST
        first = False
        given += len(batch.inputs)
        assert taken - given <= MOST


def test_inputs_of_one_shape_are_run_as_soon_as_a_batch_is_full():
    found = in_batches(pieces([5] * 20), lambda _: 8)
    assert [len(one.inputs) for one in found] == [8, 8, 4]


def test_large_inputs_are_held_in_smaller_numbers():
    assert held(1024) == MOST
    assert held(256 * 50 * 4) == 163
    assert held(1 << 30) == 1


@pytest.mark.parametrize(
    ("length", "rows"), [(4, 64), (8, 64), (12, 32), (16, 32), (32, 16), (64, 8), (256, 2), (512, 1), (4096, 1)]
)
def test_short_inputs_are_run_more_at_once(length, rows):
    assert room(32, 1, (length,)) == rows
    assert room(32, 2, (4, length)) == room(32, 1, (4 * length,))
    # What is spelt out, as a token's characters, is no further input.
    assert room(32, 1, (length, 50)) == rows
    assert room(8, 0, (length,)) == 8 and room(1, 1, (length,)) == 1
