"""OpenVINO: nothing calls home, what was compiled is kept whole, and what cannot be converted is said."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from graft.runtimes import _blob
from graft.runtimes import openvino as file
from graft.runtimes.openvino import Openvino

pytestmark = pytest.mark.skipif(Openvino.missing() is not None, reason="openvino is not installed")

SAMPLE = np.random.default_rng(0).integers(0, 256, (4, 3, 8, 8), dtype=np.uint8)


class Mean(nn.Module):
    def forward(self, x):
        return x.float().mean((2, 3))


def compiled(folder, module=None, sample=SAMPLE, batch=2):
    runtime = Openvino(precision="float32")
    return runtime.compile(module or Mean(), sample, batch=batch, device="cpu", cache=folder)


def test_a_second_start_converts_nothing(tmp_path, monkeypatch):
    first = compiled(tmp_path)(SAMPLE)
    monkeypatch.setattr(file, "convert", None)
    assert (compiled(tmp_path)(SAMPLE) == first).all()


@pytest.mark.parametrize("damage", [lambda b: b[:100], lambda b: b[:50] + b"x" + b[51:], lambda b: b""])
def test_a_damaged_blob_is_made_anew(tmp_path, damage):
    first = compiled(tmp_path)(SAMPLE)
    (path,) = tmp_path.glob("*.blob")
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert _blob.load(path) is None
    assert (compiled(tmp_path)(SAMPLE) == first).all()
    assert _blob.load(path) is not None


def test_a_blob_of_another_build_is_made_anew(tmp_path):
    first = compiled(tmp_path)(SAMPLE)
    (path,) = tmp_path.glob("*.blob")
    _blob.save(path, b"no compiled network")
    assert (compiled(tmp_path)(SAMPLE) == first).all()


def test_blobs_of_other_batches_and_shapes_lie_apart(tmp_path):
    compiled(tmp_path)
    compiled(tmp_path, batch=1)
    compiled(tmp_path, sample=SAMPLE[:, :, :4])
    assert len(list(tmp_path.glob("*.blob"))) == 3


def test_a_full_disk_costs_only_the_cache(tmp_path, monkeypatch):
    def save(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_blob, "save", save)
    assert compiled(tmp_path)(SAMPLE).shape == (4, 3)


def test_a_blob_that_cannot_be_written_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        _blob.save(tmp_path / "x.blob", b"1")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_converted_is_a_runtime_error():
    class Odd(nn.Module):
        def forward(self, x):
            return torch.linalg.eigvals(x.float()[:, 0]).real

    with pytest.raises(RuntimeError, match="OpenVINO cannot"):
        compiled(None, Odd())


QUIET = """
import os, socket, sys
def refuse(*arguments, **more):
    raise AssertionError("something calls home")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
import warnings
warnings.simplefilter("error")
import numpy as np
import torch
from graft.runtimes.openvino import Openvino
environment = dict(os.environ)
module = torch.nn.Conv2d(3, 4, 3).eval()
sample = np.zeros((1, 3, 8, 8), np.float32)
compiled = Openvino(precision="float32").compile(module, sample, batch=1, device="cpu", cache=None)
assert compiled(sample).shape == (1, 4, 6, 6)
import openvino.tools.ovc.telemetry_utils as used
assert "openvino_telemetry" not in sys.modules
assert used.tm.__name__ == "openvino.tools.ovc.telemetry_stub", used.tm
assert dict(os.environ) == environment
"""


def test_nothing_calls_home_nothing_is_printed_and_the_environment_stays(tmp_path):
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr == ""
