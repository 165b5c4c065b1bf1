"""Networks of sound from transformers: wav2vec 2.0, HuBERT, AST (the Audio Spectrogram Transformer), Whisper's encoder.

A name is one of the catalogue, a folder with ``config.json`` and weights, or a repository of the Hugging Face hub; with
a name of the catalogue ``--weights`` takes such a folder or file. ``NAME@max`` pools in another way (mean, first, max).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from torch import nn

from graft.backbones._base import followed
from graft.backbones._catalog import entries
from graft.backbones._family import Family, Network, Piece, Pretrained
from graft.backbones._published import HUB_NAME, Find, files_of, in_folder, is_folder, json_of, required, weight_files
from graft.backbones._sound_stages import KINDS, Floats, WholeSound
from graft.backbones._transformer_stages import Pool, Pooling
from graft.backbones._weights import out_of_reach, read_tensors
from graft.errors import SettingError, WeightsError, must
from graft.preprocess._audio_mels import FRAME, HOP
from graft.preprocess._audio_waves import Waves

FAMILY = "sound"
POOLINGS: tuple[Pooling, ...] = ("mean", "first", "max")
NAMES_OF_SOUND = re.compile(r"(^|[/_-])(wav2vec2?|hubert|whisper|ast)([_-]|$)", re.IGNORECASE)
"""What a repository of the hub is called that holds such a network."""
OLD_NAMES = (
    (r"\.weight_g$", ".parametrizations.weight.original0"),
    (r"\.weight_v$", ".parametrizations.weight.original1"),
    (r"^encoder\.layer\.(\d+)\.", r"layers.\1."),
    (r"\.attention\.attention\.(query|key|value)\.", lambda found: f".attention.{found[1][0]}_proj."),
    (r"\.attention\.output\.dense\.", ".attention.o_proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"(?<=\d)\.output\.dense\.", ".mlp.fc2."),
)
"""What the published files call tensors that the library calls otherwise today."""
SHORT = 0.5
"""Seconds of sound on which a network of waves is compared with its stages."""
ELSEWHERE = "Take one of `graft list backbones --modality audio`"


@dataclass(frozen=True, kw_only=True)
class Sound(Family):
    """Networks of sound that transformers can build, each with the features that it was trained on."""

    modality: ClassVar[str] = "audio"
    precedence: ClassVar[int] = 45

    def names(self) -> tuple[str, ...]:
        """Return the names of the catalogue, sorted; folders and repositories are known beside them."""
        return tuple(sorted(name for name, entry in entries().items() if entry["family"] == FAMILY))

    def knows(self, name: str) -> bool:
        """Return whether it is of the catalogue, a folder of such a network, or called so on the hub."""
        bare, _, pooling = name.partition("@")
        if pooling and pooling not in POOLINGS:
            return False
        if is_folder(bare):
            return _kind(json_of(Path(bare).expanduser() / "config.json")) in KINDS
        known_there = HUB_NAME.fullmatch(bare) is not None and NAMES_OF_SOUND.search(bare) is not None
        return bare in self.names() or known_there

    def build(self, name: str) -> Network:
        """Return the network of a configuration, that of the catalogue where it is listed. Raises WeightsError."""
        bare = name.partition("@")[0]
        entry = entries().get(bare)
        if entry is not None and entry["family"] == FAMILY:
            return _network(_settings(entry["config"], {}, name), str(entry["licence"]))
        find, _ = files_of(bare, FAMILY)
        return _network(_described(find, name), "unknown")

    def rebuild(self, name: str, settings: Mapping[str, Any]) -> Network:
        """Return the network of saved settings; nothing is read."""
        return _network(settings, "unknown")

    def opened(self, name: str, path: Path) -> tuple[Network, Mapping[str, torch.Tensor]] | None:
        """Return the network of a folder, or of a file with a ``config.json`` beside it, and its tensors.

        None for a file alone: its network is that of the name. Raises WeightsError.
        """
        folder = path if path.is_dir() else path.parent
        if path.is_file() and not is_folder(str(folder)):
            return None
        find = in_folder(folder)
        network = _network(_described(find, name), "unknown")
        files = [path] if path.is_file() else weight_files(find, name)
        return network, self.renamed(network, _tensors(files))

    def cut(self, network: Network) -> tuple[tuple[Piece, ...], nn.Module]:
        """Return what makes frames, the layers and the pooling as stages."""
        names, modules = zip(*cast(WholeSound, network.model).stages(), strict=True)
        shapes = followed(modules, network.preprocess.shape, torch.float32)
        return tuple(Piece(*one) for one in zip(names, modules, shapes, strict=True)), nn.Identity()

    def check(self, network: Network, stages: Sequence[nn.Module], classifier: nn.Module, name: str) -> None:
        """Compare stages and network on two recordings. Raises SettingError where they differ."""
        sound = cast(Waves, network.preprocess)
        time, channels = sound.shape
        time = round(SHORT * sound.rate) if sound.stretches else time
        x = torch.randn(2, time, channels)
        x[..., -1] = 1
        x[1, time // 2 :] = 0
        got, wanted = nn.Sequential(*stages, classifier)(x), network.model(x)
        if not torch.allclose(got, wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max())):
            raise SettingError(must("backbone", "a network whose stages give what it gives", name, ELSEWHERE))

    def pretrained(self, name: str) -> Pretrained:
        """Return the published weights. Raises WeightsError that names the file where they are not within reach."""
        bare = name.partition("@")[0]
        find, source = files_of(bare, FAMILY)
        try:
            files = weight_files(find, bare)
        except WeightsError as error:
            kind, _, repository = source.partition(":")
            if kind != "hub":
                raise
            from huggingface_hub import constants

            url = f"{constants.ENDPOINT}/{repository}/resolve/main/model.safetensors"
            raise out_of_reach(bare, url) from error
        return Pretrained(_tensors(files), source)

    def renamed(self, network: Network, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """Return tensors of any model of this network under its names; heads and decoders are left out."""
        whole = cast(WholeSound, network.model)
        # The prefix of Whisper's own files is that of a model with a decoder.
        prefix = "model." if whole.kind == "whisper" else f"{whole.model.base_model_prefix}."
        own = {name.partition(".")[0] for name in whole.model.state_dict()}
        found = {}
        for given, tensor in tensors.items():
            name = given.removeprefix(prefix)
            if whole.kind == "whisper":
                if not name.startswith("encoder."):
                    continue
                name = name.removeprefix("encoder.")
            for old, new in OLD_NAMES:
                name = re.sub(old, new, name)
            if name.partition(".")[0] in own:
                found[f"model.{name}"] = tensor
        return found


def _kind(config: Any) -> str:
    return str(config.get("model_type")) if isinstance(config, Mapping) else ""


def _tensors(files: Sequence[Path]) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = {}
    for file in files:
        tensors |= read_tensors(file)
    return tensors


def _described(find: Find, name: str) -> dict[str, Any]:
    """Return the settings of a network from its ``config.json`` and what is told of its features beside it."""
    bare = name.partition("@")[0]
    config = json_of(required(find, "config.json", bare))
    told: Any = {}
    if (file := find("preprocessor_config.json")) is not None:
        told = json_of(file)
    elif (file := find("processor_config.json")) is not None:
        told = json_of(file).get("feature_extractor", {})
    return _settings(config, told, name)


def _settings(config: Mapping[str, Any], told: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what builds a network again, as plain data. Raises SettingError for a kind that is not known."""
    kind = _kind(config)
    if kind not in KINDS:
        raise SettingError(must("backbone", f"one of {', '.join(KINDS)}", f"a {kind}", ELSEWHERE))
    if config.get("add_adapter"):
        raise SettingError(must("backbone", "a network without an adapter on top", name, ELSEWHERE))
    # ``auto_map`` would have the library fetch code and ask whether to run it.
    plain = {key: value for key, value in config.items() if key != "auto_map"}
    return {"config": plain, "sound": _sound(kind, plain, told), "pooling": name.partition("@")[2]}


def _sound(kind: str, config: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of ``Waves``, from those of the library's feature extractor or its defaults.

    Raises SettingError for frames of another length than all published networks have.
    """
    rate = int(told.get("sampling_rate", 16_000))
    if kind in ("wav2vec2", "hubert"):
        return {"rate": rate, "features": "wave", "normalised": bool(told.get("do_normalize", True))}
    if kind == "whisper":
        form = (int(told.get("n_fft", FRAME)), int(told.get("hop_length", HOP)))
        if form != (FRAME, HOP):
            raise SettingError(must("backbone", f"one with frames of {FRAME} samples, {HOP} apart", form, ELSEWHERE))
        frames = 2 * int(config.get("max_source_positions", 1500))
        bands, normalised = int(config.get("num_mel_bins", 80)), bool(told.get("do_normalize", False))
        seconds = frames * HOP / rate
        return {"rate": rate, "features": "log_mel", "normalised": normalised, "bands": bands, "seconds": seconds}
    frames, bands = int(config.get("max_length", 1024)), int(config.get("num_mel_bins", 128))
    return {
        "rate": rate, "features": "fbank", "normalised": bool(told.get("do_normalize", True)), "bands": bands,
        "seconds": ((frames - 1) * HOP + FRAME) / rate,
        "mean": float(told.get("mean", Waves.mean)), "std": float(told.get("std", Waves.std)),
    }  # fmt: skip


def _network(settings: Mapping[str, Any], licence: str) -> Network:
    """Return the network of settings that ``build`` or a saved model gave."""
    model = _model(settings["config"])
    kind, how = _kind(settings["config"]), settings["pooling"]
    pool = Pool(how, normalised=False) if how else KINDS[kind].pool()
    return Network(
        model=WholeSound(model, kind, pool).eval(),
        classifier=(),
        normalise=Floats(),
        preprocess=Waves(**settings["sound"]),
        licence=licence,
        settings=dict(settings),
    )


def _model(plain: Mapping[str, Any]) -> Any:
    """Return the network of a configuration; nothing that the configuration names is run or fetched."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    config = CONFIG_MAPPING[_kind(plain)].from_dict(dict(plain))
    # What is masked at random in training would be one more tensor, which some files have and others do not.
    config.mask_time_prob = config.mask_feature_prob = 0.0
    if config.model_type == "whisper":
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        return WhisperEncoder(config)
    return MODEL_MAPPING[type(config)](config)
