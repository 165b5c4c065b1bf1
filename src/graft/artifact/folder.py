"""The saved model: a folder of data, never code, that appears whole or not at all and is checked when it is loaded."""

import ctypes
import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from graft import backbones, exemplars, heads, preprocess, tasks
from graft.artifact import manifest as manifests
from graft.artifact.storage import Storage, decode, encode
from graft.backbones import Backbone, Stage
from graft.doubt import kept as doubt_file
from graft.doubt.judging import Doubt
from graft.errors import ArtifactError, must
from graft.exemplars import Exemplars
from graft.fusion import Beside
from graft.heads import Head
from graft.tasks import Task

WEIGHTS = "weights.safetensors"
NETWORK = "network.onnx"
BODY = "stages."
TOP = "head."
BESIDE = "beside."
AT_FDCWD = -100
RENAME_EXCHANGE = 2
"""Of <fcntl.h> and <linux/fs.h>."""


@dataclass(frozen=True)
class Assembled:
    """A model put together: the adapted backbone, the head module, and what the manifest says of them."""

    backbone: Backbone
    """Stages as they were adapted; it ends in what the head takes."""
    head: nn.Module
    task: Task
    manifest: Mapping[str, Any]
    beside: Beside | None = None
    """What the head takes beside the backbone's features."""
    doubt: Doubt | None = None
    """What the model does not know; None where that was not measured."""
    network: bytes | None = field(default=None, repr=False)
    """An ONNX file that gives what the backbone gives and is run instead of it; its stages then hold no weights."""

    exemplars: Exemplars | None = field(default=None, repr=False)
    """Training examples to be shown beside answers; None unless a person asked for them."""

    @property
    def cut(self) -> int:
        """Stages before it are as they were pretrained."""
        return int(self.manifest["cut"])


def adapted(backbone: Backbone, cut: int, suffix: nn.Sequential) -> Backbone:
    """Return the backbone with its stages from the cut on replaced by the trained ones."""
    modules = list(suffix)
    if cut == 0:
        # The first child of a whole network also normalises.
        modules[0] = cast(nn.Sequential, modules[0])[1]
    trained = [Stage(old.name, new, old.shape) for old, new in zip(backbone.stages[cut:], modules, strict=True)]
    return replace(backbone, stages=(*backbone.stages[:cut], *trained))


def describe(backbone: Backbone, cut: int, head: Head, task: Task, beside: Beside | None = None) -> dict[str, Any]:
    """Return the part of the manifest that loading needs."""
    shape = list(backbone.stages[-1].shape)
    return {
        "task": {"name": _file_name(task), **asdict(task), "classes": list(task.classes)},
        "modality": backbone.preprocess.modality,
        "preprocess": backbone.preprocess.to_json(),
        "backbone": {
            "name": backbone.name,
            "family": backbone.family,
            "weights": vars(backbone.weights),
            "settings": dict(backbone.settings),
            "stages": [stage.name for stage in backbone.stages],
        },
        "cut": cut,
        "head": {"name": _file_name(head), "settings": asdict(head)},
        "head_shape": shape if beside is None else [shape[0] + beside.width],
        "beside": {"features": beside.to_json(), "sha256": beside.fingerprint} if beside else {"features": []},
    }


def _file_name(plug_in: object) -> str:
    return type(plug_in).__module__.rpartition(".")[2]


def check_target(out: Path) -> None:
    """Raise ArtifactError unless a model can be written at ``out``; asked before any work begins."""
    do = "Take another --out"
    if out.exists() and not out.is_dir():
        raise ArtifactError(must("--out", "a folder", f"the file {out}", do))
    if out.is_dir() and any(out.iterdir()) and not (out / manifests.NAME).is_file():
        raise ArtifactError(
            must("--out", "a new folder or one that holds a Graft model", f"{out} with other files", do)
        )
    parent = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    if not parent.is_dir():
        raise ArtifactError(must("--out", "inside a folder", f"the file {parent}", do))
    try:
        probe = Path(tempfile.mkdtemp(prefix=".graft-", dir=parent))
    except OSError as error:
        raise ArtifactError(must("--out", "a folder that can be written", f"{out}: {error.strerror}", do)) from None
    probe.rmdir()


def save(
    out: Path,
    model: Assembled,
    *,
    slim: bool = False,
    extras: Callable[[Path], None] = lambda folder: None,
) -> Assembled:
    """Write the model folder and return the model with its sealed manifest; ``extras`` adds report and card.

    The folder is filled beside its place and moved there in one step, so a kill leaves the old model or the new one.
    ``slim`` leaves the tensors before the cut out and names their source. Raises ArtifactError.
    """
    check_target(out)
    out = out.absolute()
    work: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _sweep(out)
        work = Path(tempfile.mkdtemp(prefix=f".{out.name}-{os.getpid()}-", dir=out.parent))
        tensors = backbones.tensors_of(model.backbone) if model.network is None else {}
        if slim:
            kept = tuple(f"{BODY}{i}." for i in range(model.cut, model.backbone.n_stages))
            tensors = {name: value for name, value in tensors.items() if name.startswith(kept)}
        tensors |= {f"{TOP}{name}": value for name, value in model.head.state_dict().items()}
        tensors = encode(tensors, Storage.from_json(model.manifest.get("storage", {})))
        learned = model.beside.arrays() if model.beside else {}
        tensors |= {f"{BESIDE}{name}": torch.tensor(value) for name, value in learned.items()}
        save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, work / WEIGHTS)
        files = [work / WEIGHTS, *([doubt_file.write(work, model.doubt)] if model.doubt else [])]
        if model.exemplars is not None:
            files.append(exemplars.write(work / exemplars.NAME, model.exemplars))
        if model.network is not None:
            (work / NETWORK).write_bytes(model.network)
            files.append(work / NETWORK)
        hashes = {one.name: manifests.file_hash(one) for one in files}
        sealed = manifests.write(work, {**model.manifest, "slim": slim, **_known(model), "files": hashes})
        extras(work)
        # What mkdtemp and safetensors make is for the owner alone; a model folder is as any other folder.
        work.chmod(0o755)
        for one in files:
            one.chmod(0o644)
        _swap(work, out)
    except OSError as error:
        do = "Free some space or take another --out; what was computed is kept in the activation store"
        raise ArtifactError(must("--out", "a folder that can be written", f"{out}: {error.strerror}", do)) from None
    finally:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)
    return replace(model, manifest=sealed)


def _sweep(out: Path) -> None:
    """Remove what saves to the same place left beside it when they were killed."""
    for left in out.parent.glob(f".{glob.escape(out.name)}-*-*"):
        pid = left.name.removeprefix(f".{out.name}-").partition("-")[0]
        if pid.isdecimal() and not _runs(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _runs(pid: int) -> bool:
    """Return whether a process of that number is there, or cannot be asked for."""
    if os.name != "posix":  # where asking by a signal would send one
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _swap(work: Path, out: Path) -> None:
    """Put ``work`` where ``out`` is; the old folder goes only after the new one is in place."""
    if out.exists() and _exchange(work, out):
        return
    old = out.with_name(f".{out.name}-old-{os.getpid()}")
    if out.exists():
        out.rename(old)
    try:
        work.rename(out)
    except OSError:
        with suppress(OSError):
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step where the system can (Linux: renameat2(2)); return whether it was done."""
    try:
        call = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    return bool(call(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0)


def put(model: Assembled, manifest: Mapping[str, Any]) -> Assembled:
    """Return the model with another manifest, sealed."""
    return replace(model, manifest=manifests.seal({"files": {}, "slim": False, **manifest, **_known(model)}))


def _known(model: Assembled) -> dict[str, Any]:
    return {
        "doubt": doubt_file.told(model.doubt) if model.doubt else None,
        "exemplars": exemplars.told(model.exemplars) if model.exemplars else None,
    }


def doubting(folder: Path, change: Callable[[Doubt], Doubt]) -> manifests.Manifest:
    """Write what a model does not know anew, as ``change`` makes it, and return the manifest; the weights stay.

    The folder is exchanged in one step, as ``save`` does. Raises ArtifactError for a folder without such a file.
    """
    manifest, out = check(folder), folder.absolute()
    if doubt_file.NAME not in manifest["files"]:
        raise ArtifactError(must(str(folder), f"a model with {doubt_file.NAME}", "an older one", "Fit again"))
    doubt = change(doubt_file.read(folder / doubt_file.NAME))
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}-{os.getpid()}-", dir=out.parent))
    try:
        shutil.copytree(out, work, dirs_exist_ok=True, copy_function=_linked)
        for name in (doubt_file.NAME, manifests.NAME):
            (work / name).unlink()
        told = {**manifest, "doubt": doubt_file.told(doubt), "steps": [*manifest.get("steps", []), _step(doubt)]}
        told["files"] = {**manifest["files"], doubt_file.NAME: manifests.file_hash(doubt_file.write(work, doubt))}
        sealed = manifests.write(work, told)
        work.chmod(0o755)
        _swap(work, out)
    except OSError as error:
        do = "Free some space, or make the folder writable"
        raise ArtifactError(must(str(folder), "a folder that can be written", f"{error.strerror}", do)) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return sealed


def _step(doubt: Doubt) -> dict[str, Any]:
    return {"step": "abstain", "share": doubt.abstain.asked if doubt.abstain else None}


def _linked(source: str, target: str) -> str:
    """Give a file a second name, or copy it where the disk cannot."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def check(folder: Path) -> manifests.Manifest:
    """Return the manifest of a folder after every hash in it was checked. Raises ArtifactError."""
    manifest = manifests.read(folder)
    manifests.check_files(folder, manifest)
    return manifest


def load(folder: Path) -> Assembled:
    """Return the model of a folder after its format, hashes, names and shapes were checked. Raises ArtifactError."""
    manifest = check(folder)
    try:
        tensors = decode(load_file(folder / WEIGHTS), Storage.from_json(manifest.get("storage", {})))
    except SafetensorError as error:
        raise ArtifactError(must(str(folder / WEIGHTS), "a safetensors file", error, "Fit again")) from None
    told = manifest["backbone"]
    if manifest["slim"]:
        source = _pretrained(told, manifest)
    else:
        source = backbones.skeleton(told["name"], told["family"], told.get("settings"))
    specification = preprocess.REGISTRY.get(manifest["modality"]).from_json(manifest["preprocess"])
    head_settings = heads.REGISTRY.create(manifest["head"]["name"], manifest["head"]["settings"])
    source = source.given(specification).ending_in(head_settings.takes)
    file = _network(folder, manifest)
    network = replace(
        _filled(source, tensors, manifest) if file is None else _hollow(source),
        weights=backbones.WeightsInfo(**told["weights"]),
    )
    told_task = {key: value for key, value in manifest["task"].items() if key != "name"}
    task = tasks.REGISTRY.create(manifest["task"]["name"], told_task)
    head = head_settings.build(manifest["head_shape"], task.outputs).eval().requires_grad_(False)
    _fill(head, {n.removeprefix(TOP): value for n, value in tensors.items() if n.startswith(TOP)}, folder)
    learned = {n.removeprefix(BESIDE): value.numpy() for n, value in tensors.items() if n.startswith(BESIDE)}
    doubt = doubt_file.read(folder / doubt_file.NAME) if doubt_file.NAME in manifest["files"] else None
    shown = exemplars.read(folder / exemplars.NAME) if exemplars.NAME in manifest["files"] else None
    return Assembled(network, head, task, manifest, _beside(manifest["beside"], learned, folder), doubt, file, shown)


def _filled(source: Backbone, tensors: Mapping[str, torch.Tensor], manifest: Mapping[str, Any]) -> Backbone:
    """Return the backbone with the tensors of a folder, in the sizes that pruning left."""
    body = {name: value for name, value in tensors.items() if name.startswith(BODY)}
    if manifest["slim"]:
        body = backbones.tensors_of(source) | body
    if manifest.get("pruned"):
        source = backbones.resized(source, {name: tuple(value.shape) for name, value in body.items()})
    return backbones.with_tensors(source, body)


def _hollow(source: Backbone) -> Backbone:
    """Return the backbone with stages that have no content, so that none is computed with by mistake."""
    for stage in source.stages:
        stage.module.to("meta")
    return source


def _network(folder: Path, manifest: Mapping[str, Any]) -> bytes | None:
    """Return the file that is run instead of the stages, whose hash was checked, or None. Raises ArtifactError."""
    if not manifest.get("network"):
        return None
    if NETWORK not in manifest["files"]:
        do = "Restore the folder from where it came, or compress again"
        raise ArtifactError(must(f"the files of {folder}", f"with {NETWORK} among them", "others", do))
    return (folder / NETWORK).read_bytes()


def _beside(told: Mapping[str, Any], learned: Mapping[str, np.ndarray], folder: Path) -> Beside | None:
    """Return what the head takes beside the backbone's features. Raises ArtifactError where it is another."""
    if not told["features"]:
        return None
    beside = Beside.from_json(told["features"], learned)
    if beside.fingerprint != told["sha256"]:
        do = "Restore the folder from where it came, or fit again"
        raise ArtifactError(must(f"the features beside the network's in {folder}", "as saved", "others", do))
    return beside


def _pretrained(told: Mapping[str, Any], manifest: Mapping[str, Any]) -> Backbone:
    """Load the frozen tensors that a slim folder leaves out, and check that they are the same ones."""
    source = str(told["weights"]["source"])
    kind, _, rest = source.partition(":")
    weights = {"file": rest, "random": "random"}.get(kind, "auto")
    seed = int(rest) if kind == "random" else 0
    network = backbones.load(f"{told['family']}:{told['name']}", weights=weights, seed=seed)
    if network.weights.sha256 != told["weights"]["sha256"]:
        do = f"Bring the weights that it was fitted on ({source})"
        raise ArtifactError(must("the frozen weights of a slim model", told["weights"]["sha256"], network.weights, do))
    return network


def _fill(head: nn.Module, tensors: Mapping[str, torch.Tensor], folder: Path) -> None:
    want = {name: tuple(value.shape) for name, value in head.state_dict().items()}
    have = {name: tuple(value.shape) for name, value in tensors.items()}
    if want != have:
        do = "Fit again with this version"
        raise ArtifactError(must(f"the head in {folder / WEIGHTS}", str(want), str(have), do))
    head.load_state_dict(dict(tensors))
