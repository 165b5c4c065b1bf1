"""WaveNet against a plain NumPy reading of the paper, its receptive field, and mu-law."""

import numpy as np
import pytest
import torch

from graft.backbones._nets.wavenet import WavenetSizes, mu_law, wavenet

SIZES = WavenetSizes(levels=32, residual=5, skip=7, layers=3, stacks=2, kernel=3)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        made = wavenet(SIZES).eval()
        made.embed.bias.data.normal_()
    return made.requires_grad_(False)


def samples(length, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, length)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def causal(x, weight, bias, dilation):
    """x (T, in), weight (out, in, taps): every output from its own and earlier inputs, one at a time."""
    taps = weight.shape[2]
    out = np.tile(bias, (len(x), 1))
    for t in range(len(x)):
        for tap in range(taps):
            past = t - (taps - 1 - tap) * dilation
            if past >= 0:
                out[t] += weight[:, :, tap] @ x[past]
    return out


def reference(network, x):
    """The outputs before pooling, (T, skip), in float64."""
    state = {name: tensor.numpy().astype(np.float64) for name, tensor in network.state_dict().items()}
    mu = SIZES.levels - 1
    pressed = np.sign(x) * np.log(1 + mu * np.abs(x)) / np.log(1 + mu)
    levels = np.floor((pressed + 1) / 2 * mu + 0.5).astype(int)
    one_hot = np.eye(SIZES.levels)[levels]
    stream = causal(one_hot, state["embed.weight"].transpose(2, 1, 0), state["embed.bias"], 1)
    skips = np.zeros((len(x), SIZES.skip))
    for index in range(SIZES.layers * SIZES.stacks):
        dilation = 2 ** (index % SIZES.layers)
        name = f"layer{index}"
        kernel, gate = (
            causal(stream, state[f"{name}.{part}.weight"], state[f"{name}.{part}.bias"], dilation)
            for part in ("filter", "gate")
        )
        z = np.tanh(kernel) * sigmoid(gate)
        skips += z @ state[f"{name}.aside.weight"].T + state[f"{name}.aside.bias"]
        stream = stream + z @ state[f"{name}.onward.weight"].T + state[f"{name}.onward.bias"]
    return np.maximum(np.maximum(skips, 0) @ state["skips.linear.weight"].T + state["skips.linear.bias"], 0)


def before_pool(network, x):
    y = torch.as_tensor(x, dtype=torch.float32)
    for name, stage in network.named_children():
        if name != "pool":
            y = stage(y)
    return y[..., :-1]


def test_it_is_the_published_network(network):
    x = samples(60)
    wanted = reference(network, x)
    got = before_pool(network, x[None])[0].numpy()
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-5)
    pooled = network(torch.as_tensor(x[None], dtype=torch.float32))[0].numpy()
    np.testing.assert_allclose(pooled, wanted.mean(axis=0), rtol=0, atol=1e-5)


def test_the_receptive_field_is_what_is_stated(network):
    field = SIZES.receptive_field
    assert field == 1 + 2 + 2 * 2 * (1 + 2 + 4)
    length, at = field + 20, field + 9
    x = samples(length)
    plain = before_pool(network, x[None])[0]
    for moved, changes in ((at - field, False), (at - field + 1, True), (at, True), (at + 1, False)):
        other = x.copy()
        other[moved] = -other[moved] + 0.1 * np.sign(-other[moved])
        found = before_pool(network, np.clip(other, -1, 1)[None])[0]
        assert bool((found[at] != plain[at]).any()) is changes, moved
        assert torch.equal(found[:moved], plain[:moved]), "a later sample changes an earlier output"


def test_the_default_sees_an_eighth_of_a_second():
    sizes = WavenetSizes()
    assert sizes.receptive_field == 2048
    assert sizes.receptive_seconds == 2048 / 16_000 == 0.128


def test_mu_law_is_that_of_g711():
    x = torch.tensor([-3.0, -1.0, -0.5, -0.01, 0.0, 0.01, 0.5, 1.0, 3.0])
    # 0.5 is pressed to ln(1 + 127.5) / ln 256 = 0.8756, and 127.5 (1 + 0.8756) + 0.5 = 239.6.
    assert mu_law(x, 256).tolist() == [0, 0, 16, 98, 128, 157, 239, 255, 255]
    assert mu_law(torch.linspace(-1, 1, 4001), 256).diff().min() >= 0
    assert mu_law(torch.linspace(-1, 1, 40001), 256).unique().numel() == 256


def test_silence_at_the_end_is_padding_and_silence_within_is_not(network):
    x = torch.as_tensor(samples(40), dtype=torch.float32)
    x[10:20] = 0
    padded = torch.cat([x, torch.zeros(25)])
    torch.testing.assert_close(network(padded[None]), network(x[None]), rtol=1e-5, atol=1e-6)
    assert network.embed(padded[None])[0, :, -1].sum() == 40
    assert not network(torch.zeros(1, 30)).any()
