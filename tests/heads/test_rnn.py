"""The recurrent head: padding has no say, order has one, and the cells and pooling are what they are called."""

import pytest
import torch
from torch import nn

from graft.backbones import real_tokens
from graft.errors import SettingError
from graft.heads.rnn import Attention, Rnn

WIDTH = 6
EVERY = [(cell, pooling, ways) for cell in ("gru", "lstm") for pooling in ("attention", "mean", "max", "last")
         for ways in (True, False)]  # fmt: skip


def tokens(n=4, length=9, seed=0):
    return torch.randn(n, length, WIDTH, generator=torch.Generator().manual_seed(seed))


def padded(inputs, lengths):
    """Return (n, T, C + 1): the mask as the last channel, noise where there is no token."""
    mask = (torch.arange(inputs.shape[1])[None] < torch.tensor(lengths)[:, None]).float()
    return torch.cat([inputs, mask[..., None]], 2)


def built(channels, outputs=3, length=9, **settings):
    torch.manual_seed(0)
    module = Rnn(hidden=5, **settings).build((length, channels), outputs).eval()
    # A fresh top layer is nearly zero, so that a difference in what it takes would hardly be seen.
    nn.init.normal_(module.top.weight)
    return module


@pytest.mark.parametrize(("cell", "pooling", "both_ways"), EVERY)
def test_padding_has_no_say(cell, pooling, both_ways):
    module = built(WIDTH + 1, cell=cell, pooling=pooling, both_ways=both_ways, layers=2)
    lengths = [9, 4, 1, 6]
    whole = padded(tokens(), lengths)
    answers = module(whole)
    other = torch.where(whole[..., -1:] > 0, whole, torch.cat([50 * tokens(seed=1), whole[..., -1:]], 2))
    torch.testing.assert_close(module(other), answers)
    for row, length in enumerate(lengths):
        torch.testing.assert_close(module(whole[row : row + 1, :length]), answers[row : row + 1])


@pytest.mark.parametrize(("cell", "pooling", "both_ways"), EVERY)
def test_real_tokens_have_a_say_whatever_their_place(cell, pooling, both_ways):
    module = built(WIDTH + 1, cell=cell, pooling=pooling, both_ways=both_ways)
    whole = padded(tokens(), [6] * 4)
    before = module(whole)
    heard = 0
    for place in range(6):
        changed = whole.clone()
        changed[:, place, :-1] = tokens(seed=2)[:, 0] * 3
        heard += int((module(changed) - before).abs().max() > 1e-4)
    assert heard == 6


def test_order_matters():
    module = built(WIDTH)
    inputs = tokens()
    assert (module(inputs) - module(inputs.flip(1))).abs().max() > 1e-3


def test_both_ways_is_torchs_own_bidirectional_layer():
    module = built(WIDTH, cell="lstm", pooling="mean")
    own = nn.LSTM(WIDTH, 5, batch_first=True, bidirectional=True)
    state = dict(module.forwards[0].state_dict())
    state |= {f"{name}_reverse": value for name, value in module.backwards[0].state_dict().items()}
    own.load_state_dict(state)
    inputs = tokens()
    expected = module.top(own(module.norm(inputs))[0].mean(1))
    torch.testing.assert_close(module(inputs), expected)


def test_attention_weights_are_shares_of_the_real_tokens():
    torch.manual_seed(0)
    attention = Attention(WIDTH)
    real = (torch.arange(9)[None] < torch.tensor([[9], [4], [1]])).float()
    weights = attention.weights(tokens(3), real)
    torch.testing.assert_close(weights.sum(1), torch.ones(3))
    assert (weights[real == 0] == 0).all()
    assert (weights[real > 0] > 0).all()
    assert weights[0].max() - weights[0].min() > 1e-3


def test_the_mask_is_known_from_any_other_channel():
    features = tokens()
    assert (real_tokens(features) == 1).all()
    assert (real_tokens(features.relu() * torch.tensor([1.0] * (WIDTH - 1) + [0.0])) == 1).all(), "a dead channel"
    masked = padded(features, [9, 4, 1, 6])
    assert real_tokens(masked).sum(1).tolist() == [9, 4, 1, 6]
    mixed = torch.lerp(masked.flip(0), masked, 0.25)
    assert real_tokens(mixed)[1].tolist() == [1.0] + [0.25] * 3 + [0.0] * 5


def test_bad_settings_are_told():
    for settings in ({"hidden": 0}, {"layers": 0}, {"dropout": 1.0}):
        with pytest.raises(SettingError, match="must be"):
            Rnn(**settings)


def test_learns_what_only_the_order_tells():
    """Whether a mark comes before another one: any mean over tokens is the same for both kinds."""
    draw = torch.Generator().manual_seed(0)
    inputs = 0.1 * torch.randn(120, 8, WIDTH, generator=draw)
    kinds = torch.arange(120) % 2
    for row, kind in enumerate(kinds.tolist()):
        first, second = sorted(torch.randperm(8, generator=draw)[:2].tolist())
        inputs[row, first, kind] += 3
        inputs[row, second, 1 - kind] += 3
    torch.manual_seed(0)
    module = Rnn(hidden=16, dropout=0.0).build((8, WIDTH), 2)
    optimiser = torch.optim.Adam(module.parameters(), 0.02)
    for _ in range(60):
        optimiser.zero_grad()
        nn.functional.cross_entropy(module(inputs[:80]), kinds[:80]).backward()
        optimiser.step()
    right = (module.eval()(inputs[80:]).argmax(1) == kinds[80:]).float().mean()
    assert right > 0.8
