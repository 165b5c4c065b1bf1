"""Tensors as they are stored: half precision, bits with a scale, and what does not fit."""

import pytest
import torch

from graft.artifact.storage import Storage, decode, encode
from graft.errors import ArtifactError


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def binary(*shape):
    scale = drawn(shape[0], seed=1).abs() + 0.1
    signs = torch.where(drawn(*shape) >= 0, 1.0, -1.0)
    return signs * scale.reshape(-1, *[1] * (len(shape) - 1))


def test_nothing_is_changed_by_default():
    tensors = {"stages.0.weight": drawn(4, 3), "stages.0.count": torch.tensor(7)}
    stored = encode(tensors, Storage())
    assert all(torch.equal(stored[name], value) for name, value in tensors.items())
    assert set(decode(stored, Storage())) == set(tensors)


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_is_half_the_bytes_and_comes_back_as_float32(half):
    rounded = drawn(8, 5).to(getattr(torch, half)).float()
    stored = encode({"a": rounded, "n": torch.tensor([3])}, Storage(half=half))
    assert stored["a"].element_size() == 2
    assert stored["n"].dtype == torch.int64
    back = decode(stored, Storage(half=half))
    assert back["a"].dtype == torch.float32
    assert torch.equal(back["a"], rounded)


def test_what_float16_cannot_hold_stays_in_float32():
    large = torch.tensor([1e6, 1.0])
    stored = encode({"a": large}, Storage(half="float16"))
    assert stored["a"].dtype == torch.float32
    assert torch.equal(decode(stored, Storage(half="float16"))["a"], large)


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 3, 3), (1, 17), (6, 8)])
def test_bits_come_back_to_the_bit_in_a_thirty_second_of_the_room(shape):
    weight = binary(*shape)
    stored = encode({"w": weight}, Storage(bits=("w",)))
    assert stored["w#bits"].dtype == torch.uint8
    assert stored["w#bits"].numel() == shape[0] * -(-weight[0].numel() // 8)
    back = decode(stored, Storage(bits=("w",)))
    assert set(back) == {"w"}
    assert torch.equal(back["w"], weight)


def test_bits_of_more_than_a_sign_and_a_scale_are_a_fault_of_the_program():
    with pytest.raises(ValueError, match="more than a sign"):
        encode({"w": drawn(3, 4)}, Storage(bits=("w",)))


def test_bits_without_their_scale_are_refused():
    stored = encode({"w": binary(3, 4)}, Storage(bits=("w",)))
    del stored["w#scale"]
    with pytest.raises(ArtifactError, match="the bits of w must be"):
        decode(stored, Storage(bits=("w",)))


def test_what_is_said_of_the_storage_survives_json():
    storage = Storage(half="bfloat16", bits=("a", "b"))
    assert Storage.from_json(storage.to_json()) == storage
    assert Storage.from_json({}) == Storage()
