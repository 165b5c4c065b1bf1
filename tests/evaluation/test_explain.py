"""Grad-CAM: finds the place that decides, copes with maps, tokens and neither, and leaves the network alone."""

import io

import numpy as np
import pytest
import torch
from judged_cases import picture
from PIL import Image
from torch import nn

from graft.errors import DataError
from graft.evaluation.explain import encode, grad_cam, overlay


class Pool(nn.Module):
    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return value.mean(dim=(2, 3))


def network() -> tuple[list[nn.Module], nn.Module]:
    """A network whose class 1 is fired by the first channel alone."""
    torch.manual_seed(0)
    convolution = nn.Conv2d(2, 2, 1, bias=False)
    head = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        convolution.weight.copy_(torch.eye(2)[:, :, None, None])
        head.weight.copy_(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    return [convolution, nn.ReLU(inplace=True), Pool()], head


def spot(row: int, column: int, channel: int) -> np.ndarray:
    image = np.zeros((1, 2, 8, 8), np.float32)
    image[0, channel, row, column] = 1.0
    return image


def test_the_heat_is_where_the_class_is():
    stages, head = network()
    both = spot(2, 5, 0) + spot(6, 1, 1)
    heat = grad_cam(stages, head, np.concatenate([both, both]), np.array([1, 0]))
    assert heat.shape == (2, 8, 8)
    assert np.unravel_index(heat[0].argmax(), (8, 8)) == (2, 5)
    assert np.unravel_index(heat[1].argmax(), (8, 8)) == (6, 1)
    assert heat.min() == 0.0
    assert heat.max() == 1.0


def test_it_equals_the_formula():
    torch.manual_seed(1)
    stages = [nn.Conv2d(3, 5, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(5, 6, 3)), Pool()]
    head, inputs = nn.Linear(6, 4), torch.randn(3, 3, 12, 12)
    maps = stages[1](stages[0](inputs)).detach().requires_grad_()
    head(stages[2](maps))[torch.arange(3), torch.tensor([3, 0, 1])].sum().backward()
    expected = torch.relu((maps.grad.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1)).detach().numpy()
    found = grad_cam(stages, head, inputs.numpy(), np.array([3, 0, 1]))
    for mine, theirs in zip(found, expected, strict=True):
        assert mine == pytest.approx(theirs / max(theirs.max(), 1e-30), abs=1e-5)


def test_the_network_is_left_as_it_was():
    stages, head = network()
    for module in (*stages, head):
        module.requires_grad_(False)
    inputs = spot(1, 1, 0)
    before = inputs.copy()
    assert grad_cam(stages, head, inputs, np.array([1])).max() == 1.0
    assert np.array_equal(inputs, before)
    assert all(p.grad is None and not p.requires_grad for module in (*stages, head) for p in module.parameters())


class Tokens(nn.Module):
    """A class token before a 4 x 4 grid; the class token alone is read, after one mixing block."""

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        grid = nn.functional.avg_pool2d(value, 2).flatten(2).transpose(1, 2)
        return torch.cat([torch.zeros_like(grid[:, :1]), grid], dim=1)


class Mix(nn.Module):
    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return torch.cat([value.mean(dim=1, keepdim=True), value[:, 1:]], dim=1)


class ClassToken(nn.Module):
    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return value[:, 0]


def test_tokens_become_a_grid_and_a_class_token_is_looked_behind():
    _, head = network()
    heat = grad_cam([Tokens(), Mix(), ClassToken()], head, spot(6, 3, 0), np.array([1]))
    assert heat.shape == (1, 4, 4)
    assert np.unravel_index(heat[0].argmax(), (4, 4)) == (3, 1)


class ChannelsLast(nn.Module):
    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return value.permute(0, 2, 3, 1)


class PoolLast(nn.Module):
    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return value.mean(dim=(1, 2))


def test_maps_with_channels_last_are_known():
    _, head = network()
    heat = grad_cam([ChannelsLast(), PoolLast()], head, spot(2, 5, 0), np.array([1]))
    assert np.unravel_index(heat[0].argmax(), (8, 8)) == (2, 5)


def test_without_a_map_there_is_nothing_to_show():
    assert grad_cam([], nn.Linear(4, 2), np.zeros((3, 4), np.float32), np.zeros(3, int)) is None
    assert grad_cam([nn.Flatten(1)], nn.Linear(6, 2), np.zeros((3, 2, 3), np.float32), np.zeros(3, int)) is None


def test_more_inputs_than_a_batch():
    stages, head = network()
    inputs = np.concatenate([spot(row % 8, 3, 0) for row in range(20)])
    heat = grad_cam(stages, head, inputs, np.ones(20, int))
    assert [one.argmax() // 8 for one in heat] == [row % 8 for row in range(20)]


def test_every_input_needs_a_class():
    with pytest.raises(DataError, match="targets must be 3 classes"):
        grad_cam([], nn.Linear(4, 2), np.zeros((3, 4), np.float32), np.zeros(2, int))


@pytest.mark.parametrize("given", ["array", "bytes"])
def test_the_overlay_is_warm_where_the_heat_is(given):
    grey = np.full((60, 90, 3), 120, np.uint8)
    heat = np.zeros((3, 3), np.float32)
    heat[0, 0] = 1.0
    found = Image.open(io.BytesIO(overlay(grey if given == "array" else encode(grey), heat, side=45))).convert("RGB")
    assert found.size == (45, 30)
    corner, far = np.asarray(found)[2, 2].astype(int), np.asarray(found)[-3, -3].astype(int)
    assert corner[0] > far[0] + 60
    assert far.max() < 130


def test_encoding_keeps_the_picture():
    pixels = picture(3)
    back = np.asarray(Image.open(io.BytesIO(encode(pixels, quality=95))).convert("RGB")).astype(int)
    assert np.abs(back - pixels).mean() < 4
