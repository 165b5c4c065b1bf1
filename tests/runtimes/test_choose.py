"""Choosing a runtime: measured, checked, remembered, forced; small jobs stay in torch."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from graft import runtimes
from graft.backbones._windows import Each
from graft.errors import SettingError, UnknownNameError
from graft.runtimes import _choose, _memory
from graft.runtimes._base import Compiled
from graft.runtimes.openvino import Openvino
from graft.runtimes.torch import Torch

SAMPLE = np.random.default_rng(0).integers(0, 256, (8, 3, 16, 16), dtype=np.uint8)


class FromBytes(nn.Module):
    def forward(self, x):
        return x.float() / 255


def network():
    torch.manual_seed(0)
    return nn.Sequential(FromBytes(), nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


class Made(Compiled):
    """Stands for a compiled network: float32 torch, made faster, wrong or slow on purpose."""

    def __init__(self, module, change):
        self.batch = 8
        self.module = module
        self.change = change

    def stream(self, batches):
        for batch in batches:
            with torch.no_grad():
                yield self.change(self.module(torch.from_numpy(batch)).numpy())


@pytest.fixture
def compiled_as(monkeypatch):
    """Replace OpenVINO's compiling; what it was asked to compile is returned."""

    def make(changes):
        asked = []

        def compile_(self, module, example, *, batch, device, cache, axes=0):
            asked.append(self.precision)
            change = changes[self.precision]
            if isinstance(change, Exception):
                raise change
            return Made(module, change)

        monkeypatch.setattr(Openvino, "compile", compile_)
        monkeypatch.setattr(Openvino, "candidates", classmethod(lambda cls, device: ("bfloat16", "float32")))
        return asked

    monkeypatch.setattr(_choose, "ORDER", ("openvino",))
    monkeypatch.setattr(_choose, "CONVERSION_SECONDS", 0.0)
    # Rates are given, so that no timing decides a test.
    monkeypatch.setattr(
        _choose, "rate", lambda label, *_: {"torch:float32": 50.0, "torch:bfloat16": 55.0}.get(label, 500.0)
    )
    return make


def same(values):
    return values


def shuffled(values):
    return values[:, ::-1].copy() - values.mean()


def test_the_fastest_that_agrees_is_taken(compiled_as, tmp_path):
    compiled_as({"bfloat16": same})
    compiled, choice = runtimes.choose(network(), SAMPLE, expected=1000, cache=tmp_path)
    assert (choice.runtime, choice.precision, choice.batch) == ("openvino", "bfloat16", 8)
    assert choice.rates == {"torch:float32": 50.0, "openvino:bfloat16": 500.0}
    assert choice.agreement.n == 4  # a batch of torch
    assert "10.0 times as fast" in choice.sentence()
    assert compiled(SAMPLE).shape == (8, 8)


def test_what_does_not_agree_is_left_out_and_said_so(compiled_as, tmp_path):
    compiled_as({"bfloat16": shuffled, "float32": same})
    _, choice = runtimes.choose(network(), SAMPLE, expected=1000, cache=tmp_path)
    assert (choice.runtime, choice.precision) == ("openvino", "float32")
    assert any("openvino:bfloat16 was left out: cosine" in note for note in choice.notes)


@pytest.mark.parametrize("wrong", [lambda v: v * 1.5, lambda v: v * np.nan, lambda v: v[:, :4], lambda v: v * 0])
def test_wrong_scales_shapes_and_nans_do_not_agree(compiled_as, tmp_path, wrong):
    compiled_as({"bfloat16": wrong, "float32": wrong})
    _, choice = runtimes.choose(network(), SAMPLE, expected=1000, cache=tmp_path)
    assert choice.runtime == "torch"
    assert len([note for note in choice.notes if note.startswith("openvino")]) == 2


def test_what_cannot_be_converted_falls_to_the_next(compiled_as, tmp_path):
    fault = RuntimeError("no such operator")
    compiled_as({"bfloat16": fault, "float32": fault})
    _, choice = runtimes.choose(network(), SAMPLE, expected=1000, cache=tmp_path)
    assert choice.runtime == "torch"
    assert any("no such operator" in note for note in choice.notes)


def test_a_small_job_stays_in_torch_until_it_grows(compiled_as, monkeypatch, tmp_path):
    asked = compiled_as({"bfloat16": same})
    monkeypatch.setattr(_choose, "CONVERSION_SECONDS", 1.5)
    _, choice = runtimes.choose(network(), SAMPLE, expected=40, cache=tmp_path)
    assert (choice.runtime, choice.precision, choice.small) == ("torch", "float32", True)
    assert asked == []
    assert runtimes.recall(tmp_path, expected=40) == choice
    assert runtimes.recall(tmp_path, expected=1000) is None
    _, grown = runtimes.choose(network(), SAMPLE, expected=1000, cache=tmp_path)
    assert grown.runtime == "openvino"
    assert runtimes.recall(tmp_path, expected=40) == grown


def test_the_choice_is_remembered_and_not_measured_again(compiled_as, monkeypatch, tmp_path):
    compiled_as({"bfloat16": same})
    _, first = runtimes.choose(network(), SAMPLE, expected=1000, cache=tmp_path)
    monkeypatch.setattr(_choose, "_Trial", None)
    _, second = runtimes.choose(network(), SAMPLE, expected=1000, cache=tmp_path)
    assert second == first == runtimes.recall(tmp_path, expected=1000)
    assert runtimes.recall(None, expected=1000) is None
    assert runtimes.recall(tmp_path / "other", expected=1000) is None


def test_a_remembered_choice_that_fails_is_made_anew(compiled_as, tmp_path):
    compiled_as({"bfloat16": same})
    runtimes.choose(network(), SAMPLE, expected=1000, cache=tmp_path)
    compiled_as({"bfloat16": RuntimeError("gone"), "float32": RuntimeError("gone")})
    _, choice = runtimes.choose(network(), SAMPLE, expected=1000, cache=tmp_path)
    assert choice.runtime == "torch"
    assert runtimes.recall(tmp_path, expected=1000) == choice


def test_another_version_of_the_library_or_another_machine_chooses_anew(compiled_as, monkeypatch, tmp_path):
    compiled_as({"bfloat16": same})
    runtimes.choose(network(), SAMPLE, expected=1000, cache=tmp_path)
    with monkeypatch.context() as other:
        other.setattr(_memory, "machine", lambda: "another")
        assert runtimes.recall(tmp_path, expected=1000) is None
    with monkeypatch.context() as other:
        other.setattr(Openvino, "version", classmethod(lambda cls: "1"))
        assert runtimes.recall(tmp_path, expected=1000) is None
    assert runtimes.recall(tmp_path, expected=1000) is not None


def test_the_bits_of_torch_do_not_depend_on_the_number_of_threads():
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            compiled, choice = runtimes.choose(network(), SAMPLE, expected=9, runtime="torch:float32")
            found.append((choice.threads, compiled(np.concatenate([SAMPLE] * 5)).tobytes()))
            compiled.close()
    finally:
        torch.set_num_threads(before)
    assert len(set(found)) == 1
    assert found[0][0] == 1


def test_torch_with_another_number_of_threads_is_another_choice(monkeypatch, tmp_path):
    _, first = runtimes.choose(network(), SAMPLE, expected=9, runtime="torch:float32", cache=tmp_path)
    assert runtimes.recall(tmp_path, expected=9, runtime="torch:float32") == first
    monkeypatch.setattr(Torch, "threads", classmethod(lambda cls, device, batch: 17))
    assert runtimes.recall(tmp_path, expected=9, runtime="torch:float32") is None
    assert runtimes.choose(network(), SAMPLE, expected=9, runtime="torch:float32", cache=tmp_path)[1].threads == 17


def test_of_two_processes_the_first_choice_holds_for_both(compiled_as, tmp_path):
    compiled_as({"bfloat16": same})
    _, first = runtimes.choose(network(), SAMPLE, expected=1000, cache=tmp_path)
    wish = {"device": "cpu", "runtime": "auto", "precision": "auto"}
    assert _memory.remember(tmp_path, wish, replace(first, runtime="torch", precision="float32")) == first


def test_a_torn_memory_is_written_again(compiled_as, tmp_path):
    compiled_as({"bfloat16": same})
    _, choice = runtimes.choose(network(), SAMPLE, expected=1000, cache=tmp_path)
    (path,) = tmp_path.glob("choice-*.json")
    path.write_text(path.read_text()[:50])
    assert runtimes.recall(tmp_path, expected=1000) is None
    assert runtimes.choose(network(), SAMPLE, expected=1000, cache=tmp_path)[1] == choice
    assert json.loads(path.read_text())["runtime"] == "openvino"


def test_a_choice_survives_json(compiled_as):
    compiled_as({"bfloat16": same})
    _, choice = runtimes.choose(network(), SAMPLE, expected=1000)
    assert runtimes.Choice.from_json(json.loads(json.dumps(choice.to_json()))) == choice


def test_a_folder_that_cannot_be_written_is_no_fault(compiled_as, tmp_path):
    compiled_as({"bfloat16": same})
    (tmp_path / "file").write_text("")
    _, choice = runtimes.choose(network(), SAMPLE, expected=1000, cache=tmp_path / "file" / "x")
    assert choice.runtime == "openvino"


@pytest.mark.parametrize(
    ("wanted", "runtime", "precision"),
    [
        ("torch:float32", "torch", "float32"),
        ("torch:bfloat16", "torch", "bfloat16"),
        ("openvino:float32", "openvino", "float32"),
    ],
)
def test_a_runtime_can_be_forced_even_for_a_small_job(wanted, runtime, precision):
    compiled, choice = runtimes.choose(network(), SAMPLE, expected=1, runtime=wanted, batch=8)
    assert (choice.runtime, choice.precision) == (runtime, precision)
    with torch.no_grad():
        reference = network()(torch.from_numpy(SAMPLE)).numpy()
    assert runtimes.agreement(reference, compiled(SAMPLE)).good


def test_a_forced_runtime_falls_to_its_next_precision_but_not_to_another_runtime(compiled_as):
    compiled_as({"bfloat16": shuffled, "float32": same})
    assert runtimes.choose(network(), SAMPLE, expected=9, runtime="openvino")[1].precision == "float32"
    compiled_as({"bfloat16": RuntimeError("no"), "float32": RuntimeError("no")})
    with pytest.raises(RuntimeError, match="openvino cannot run this network"):
        runtimes.choose(network(), SAMPLE, expected=9, runtime="openvino")


@pytest.mark.parametrize("wanted", ["openvno", "openvino:int3", "auto:float32"])
def test_a_wrong_wish_is_one_clear_error(wanted):
    with pytest.raises((SettingError, UnknownNameError), match=r"must be .* Got .*"):
        runtimes.choose(network(), SAMPLE, expected=1, runtime=wanted)


def test_an_unknown_runtime_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'openvino'"):
        runtimes.choose(network(), SAMPLE, expected=1, runtime="openvno")


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert runtimes.resolve_device("auto") == "cpu"
    with pytest.raises(SettingError, match="one that this machine has"):
        runtimes.resolve_device("cuda")
    with pytest.raises(SettingError, match="auto, cpu, cuda or mps"):
        runtimes.resolve_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert runtimes.resolve_device("auto") == "cuda"
    assert _choose.wish("auto", "openvino").device == "cpu"
    with pytest.raises(SettingError, match="runs on cuda"):
        _choose.wish("cuda", "openvino")


def test_one_input_alone_is_run_alone():
    _, choice = runtimes.choose(network(), SAMPLE[:1], expected=1)
    assert (choice.runtime, choice.batch) == ("torch", 1)


def test_an_input_of_several_windows_counts_as_so_many():
    assert [runtimes.default_batch("cpu", windows=count) for count in (1, 4, 8, 16)] == [8, 2, 1, 1]
    assert runtimes.default_batch("cpu", axes=2, windows=8) == 32
    assert runtimes.default_batch("cuda", windows=8) == 8
    clips = np.stack([SAMPLE, SAMPLE[::-1]], axis=1)
    module = Each(network())
    _, choice = runtimes.choose(module, clips, expected=1000, runtime="torch:float32", windows=2)
    assert choice.batch == 4


def test_two_pieces_of_work_at_once_share_the_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        assert runtimes.at_once(torch.get_num_threads, torch.get_num_threads) == (2, 2)
        assert torch.get_num_threads() == 4
        with pytest.raises(ZeroDivisionError):
            runtimes.at_once(lambda: 1, lambda: 1 // 0)
        torch.set_num_threads(1)
        assert runtimes.at_once(threading.get_ident, threading.get_ident) == (threading.get_ident(),) * 2
    finally:
        torch.set_num_threads(before)


def test_torch_takes_bfloat16_only_where_it_is_clearly_faster(compiled_as, monkeypatch):
    compiled_as({"bfloat16": RuntimeError("no"), "float32": RuntimeError("no")})
    monkeypatch.setattr(Torch, "candidates", classmethod(lambda cls, device: ("float32", "bfloat16")))
    assert runtimes.choose(network(), SAMPLE, expected=1000)[1].precision == "float32"
    monkeypatch.setattr(_choose, "rate", lambda label, *_: 100.0 if "bfloat16" in label else 50.0)
    assert runtimes.choose(network(), SAMPLE, expected=1000)[1].precision == "bfloat16"
