"""What every runtime promises: the module's values, item by item, and nothing changed on the way."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from graft.runtimes import REGISTRY, agreement


def network():
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU6(), nn.Conv2d(8, 12, 3, 2, 1), nn.Hardswish()
    )
    return nn.Sequential(FromBytes(), body, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval().requires_grad_(False)


class FromBytes(nn.Module):
    def forward(self, x):
        return (x.float() - 127.5) / 127.5


INPUTS = np.random.default_rng(0).integers(0, 256, (21, 3, 16, 16), dtype=np.uint8)


@pytest.fixture(
    scope="module", params=[(n, p) for n in REGISTRY.names() for p in REGISTRY.get(n).precisions], ids=":".join
)
def runtime(request):
    name, precision = request.param
    if absent := REGISTRY.get(name).missing():
        pytest.skip(f"{absent} is not installed")
    return REGISTRY.create(name, {"precision": precision})


@pytest.fixture(scope="module")
def folder(runtime, tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module")
def compiled(runtime, folder):
    made = runtime.compile(network(), INPUTS, batch=8, device="cpu", cache=folder)
    yield made
    made.close()


@pytest.fixture(scope="module")
def reference():
    return network()(torch.from_numpy(INPUTS)).numpy()


def test_it_gives_what_torch_gives(compiled, runtime, reference):
    found = compiled(INPUTS)
    assert found.dtype == np.float32
    assert found.shape == reference.shape
    assert agreement(reference, found).good
    if runtime.precision == "float32":
        np.testing.assert_allclose(found, reference, atol=2e-5)


@pytest.mark.parametrize("n", [1, 3, 8, 9, 21])
def test_any_number_of_inputs_will_do(compiled, n):
    assert (compiled(INPUTS[:n]) == compiled(INPUTS)[:n]).all()


def test_a_result_does_not_depend_on_its_neighbours(compiled):
    whole = compiled(INPUTS)
    for row in (0, 5, 20):
        assert (compiled(INPUTS[row : row + 1])[0] == whole[row]).all()
        for others in ([1, 2], [row, row], [7, 3]):
            for place in range(3):
                rows = [*others[:place], row, *others[place:]]
                assert (compiled(INPUTS[rows])[place] == whole[row]).all()


def test_a_stream_keeps_its_order_and_takes_batches_of_any_length(compiled):
    cuts = [0, 8, 9, 12, 20, 21]
    batches = [INPUTS[a:b] for a, b in pairwise(cuts)]
    found = list(compiled.stream(iter(batches)))
    assert [len(one) for one in found] == [8, 1, 3, 8, 1]
    assert (np.concatenate(found) == compiled(INPUTS)).all()


def test_results_stay_as_they_are_when_more_is_run(compiled):
    first = compiled(INPUTS[:4])
    copy = first.copy()
    compiled(INPUTS[4:20])
    assert (first == copy).all()


def test_a_stream_can_be_left_in_the_middle(compiled):
    stream = compiled.stream(INPUTS[i : i + 8] for i in range(0, 16, 8))
    next(stream)
    stream.close()
    assert len(compiled(INPUTS[:3])) == 3


def test_a_fault_of_the_source_of_batches_comes_through(compiled):
    def source():
        yield INPUTS[:8]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(compiled.stream(source()))
    assert len(compiled(INPUTS[:3])) == 3


@pytest.mark.parametrize("n", [0, 9])
def test_a_batch_of_a_wrong_length_is_refused(compiled, n):
    with pytest.raises(ValueError, match="batch of 1 to 8"):
        list(compiled.stream([INPUTS[:n]]))


def test_a_second_start_gives_the_same_bits(compiled, runtime, folder):
    again = runtime.compile(network(), INPUTS, batch=8, device="cpu", cache=folder)
    assert (again(INPUTS) == compiled(INPUTS)).all()
    again.close()


def test_the_module_and_torch_stay_as_they_were(runtime, folder):
    module, threads = network(), torch.get_num_threads()
    before = {name: (t.clone(), t.stride(), t.data_ptr()) for name, t in module.state_dict().items()}
    runtime.compile(module, INPUTS, batch=8, device="cpu", cache=folder).close()
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name][0])
        assert (tensor.stride(), tensor.data_ptr()) == before[name][1:]


@pytest.mark.parametrize("name", REGISTRY.names())
def test_what_it_says_of_itself(name):
    kind = REGISTRY.get(name)
    if absent := kind.missing():
        assert absent
        return
    assert kind.version()
    assert "cpu" in kind.devices
    assert set(kind.candidates("cpu")) <= set(kind.precisions)
    assert kind.candidates("cpu")


class Means(nn.Module):
    """Takes tokens (n, any length, 6), or windows of them, and gives vectors."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 5)

    def forward(self, x):
        return torch.tanh(self.layer(x)).flatten(1, -2).mean(1)


@pytest.mark.parametrize("shapes", [[(4, 7), (2, 3), (4, 12)], [(4, 2, 7), (2, 1, 3), (1, 3, 12)]])
def test_inputs_of_several_lengths(runtime, shapes, tmp_path):
    torch.manual_seed(1)
    module = Means().eval().requires_grad_(False)
    rng = np.random.default_rng(1)
    batches = [rng.normal(size=(*shape, 6)).astype(np.float32) for shape in shapes]
    settings = {"batch": 4, "device": "cpu", "cache": tmp_path, "axes": len(shapes[0]) - 1}
    if type(runtime).__name__ == "Onnxruntime":
        with pytest.raises(RuntimeError, match="one length only"):
            runtime.compile(module, batches[0], **settings)
        return
    for _ in range(2):  # the second time from what was kept
        compiled = runtime.compile(module, batches[0], **settings)
        for batch, found in zip(batches, compiled.stream(iter(batches)), strict=True):
            assert agreement(module(torch.from_numpy(batch)).numpy(), found).good
        compiled.close()
