"""What our own networks promise: their stages are the network, keep the mask, and never look at padding."""

import copy
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from graft.backbones import Backbone, WeightsInfo, sha256_of, tensors_of, with_tensors
from graft.backbones._nets.awd_lstm import AwdLstmSizes, awd_lstm
from graft.backbones._nets.elmo import ElmoSizes, elmo
from graft.backbones._nets.staged import Staged
from graft.backbones._nets.wavenet import WavenetSizes, wavenet
from graft.backbones._nets.word_vectors import word_vectors
from graft.errors import WeightsError

TOKENS = 9
LENGTHS = (9, 4, 1, 0)
"""Real tokens of the texts in a batch."""


def words():
    return texts(torch.randint(0, 30, (len(LENGTHS), TOKENS), dtype=torch.int32), -1)


def characters():
    # A text of ELMo has a sign for its beginning and one for its end: fewer than three rows hold no word.
    return texts(torch.randint(1, 262, (len(LENGTHS), TOKENS, 12), dtype=torch.int32), -1)


def samples():
    return texts(torch.rand(len(LENGTHS), TOKENS) * 2 - 1, 0)


def texts(x, padding):
    for row, length in enumerate(LENGTHS):
        x[row, length:] = padding
    return x


def small_elmo():
    return elmo(ElmoSizes(filters=((1, 4), (3, 6)), character=3, per_word=12, highways=2, projection=5, cell=7))


def small_wavenet():
    return wavenet(WavenetSizes(levels=16, residual=4, skip=6, layers=3, stacks=2))


CASES = {
    "word2vec": (lambda: word_vectors(30, 6, sif=False), words, ["embed", "pool"]),
    "word2vec_sif": (lambda: word_vectors(30, 6, sif=True), words, ["embed", "pool"]),
    "awd_lstm": (
        lambda: awd_lstm(AwdLstmSizes(words=30, embedding=6, hidden=8, layers=3)),
        words,
        ["embed", "layer0", "layer1", "layer2", "pool"],
    ),
    "elmo": (small_elmo, characters, ["embed", "layer0", "layer1", "mix", "pool"]),
    "wavenet": (small_wavenet, samples, ["embed", *(f"layer{i}" for i in range(6)), "skips", "pool"]),
}


@dataclass(frozen=True)
class Case:
    name: str
    network: Staged
    x: torch.Tensor
    backbone: Backbone


@pytest.fixture(params=CASES)
def case(request):
    make, inputs, names = CASES[request.param]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        network, x = make(), inputs()
        for name, tensor in network.state_dict().items():
            if name.startswith(("mix.", "pool.", "embed.bias")):
                tensor.normal_()
    stages = network.cut(tuple(x.shape[1:]), x.dtype)
    assert [stage.name for stage in stages] == names
    preprocess = SimpleNamespace(shape=tuple(x.shape[1:]))
    info = WeightsInfo("random:2", "", "unknown")
    backbone = Backbone(request.param, "own", nn.Identity(), stages, nn.Identity(), preprocess, info)
    return Case(request.param, network, x, backbone)


def activations(case):
    found = [case.x]
    with torch.no_grad():
        for stage in case.backbone.stages:
            before = found[-1].clone()
            found.append(stage.module(found[-1]))
            assert torch.equal(found[-2], before), f"{stage.name} changes its input"
    return found


def test_stages_are_the_network(case):
    with torch.no_grad():
        whole = case.network(case.x)
    assert whole.shape == (len(LENGTHS), *case.backbone.stages[-1].shape)
    assert whole.dtype == torch.float32
    assert whole[0].std() > 0
    assert torch.equal(activations(case)[-1], whole)
    assert not any(p.requires_grad for p in case.network.parameters())
    assert not any(one.training for stage in case.backbone.stages for one in stage.module.modules())


def test_every_stage_gives_the_shape_it_says(case):
    found = activations(case)
    assert [tuple(y.shape[1:]) for y in found[1:]] == [stage.shape for stage in case.backbone.stages]
    assert [len(stage.shape) for stage in case.backbone.stages[-2:]] == [2, 1]


def test_every_cut_gives_what_the_whole_gives(case):
    found, n = activations(case), case.backbone.n_stages
    with torch.no_grad():
        for cut in range(n + 1):
            activation = case.backbone.prefix(cut)(case.x)
            assert torch.equal(activation, found[cut])
            assert cut == n or torch.equal(case.backbone.suffix(cut)(activation), found[n])


def test_the_mask_goes_through_every_stage_but_the_last(case):
    lengths = torch.tensor(LENGTHS)
    for stage, y in zip(case.backbone.stages[:-1], activations(case)[1:-1], strict=True):
        # ELMo's mix takes off the signs for the beginning and the end.
        wanted = (lengths - 2).clamp(min=0) if stage.name == "mix" else lengths
        assert torch.equal(y[..., -1].sum(1).long(), wanted)
        assert torch.equal(y[..., -1], y[..., -1].sort(descending=True)[0])


def test_padding_and_neighbours_change_nothing(case):
    with torch.no_grad():
        together = case.network(case.x)
        for row, length in enumerate(LENGTHS[:2]):
            alone = case.network(case.x[row : row + 1, :length])
            torch.testing.assert_close(alone[0], together[row], rtol=1e-5, atol=1e-6)
        # Unless what is padded is empty, its vector is not that of another text.
        assert not torch.allclose(together[0], together[1])


def test_an_empty_text_is_finite_and_the_same_every_time(case):
    with torch.no_grad():
        empty = case.network(case.x[-1:])
    assert torch.equal(empty, torch.zeros_like(empty))


def test_no_two_stages_share_a_name_and_every_tensor_counts_in_the_hash(case):
    modules = [stage.module for stage in case.backbone.stages]
    names = [name for module in modules for name in module.state_dict()]
    assert len(names) == len(set(names))
    assert set(names) == set(case.network.state_dict())
    twins = copy.deepcopy(modules)
    seen = {sha256_of(twins)}
    for module in twins:
        for tensor in module.state_dict().values():
            tensor.reshape(-1)[0] += 1
            seen.add(sha256_of(twins))
    assert len(seen) == len(names) + 1


def test_tensors_travel_bit_equal_and_wrong_ones_are_refused(case):
    make, _, _ = CASES[case.name]
    torch.manual_seed(7)
    stages = make().cut(tuple(case.x.shape[1:]), case.x.dtype)
    other = Backbone(
        case.name, "own", nn.Identity(), stages, nn.Identity(), case.backbone.preprocess, case.backbone.weights
    )
    tensors = tensors_of(case.backbone)
    filled = with_tensors(other, tensors)
    with torch.no_grad():
        assert torch.equal(filled.prefix(filled.n_stages)(case.x), activations(case)[-1])
    name = next(iter(tensors))
    with pytest.raises(WeightsError, match=f"{name} is missing"):
        with_tensors(other, {key: tensor for key, tensor in tensors.items() if key != name})


def test_what_is_after_a_cut_learns(case):
    found = activations(case)
    cut = case.backbone.n_stages - 2
    suffix = copy.deepcopy(case.backbone.suffix(cut)).requires_grad_(True).train()
    suffix(found[cut]).square().sum().backward()
    gradients = [parameter.grad for parameter in suffix.parameters()]
    assert all(one is not None and one.isfinite().all() for one in gradients)
    assert not gradients or any(one.abs().sum() > 0 for one in gradients)
