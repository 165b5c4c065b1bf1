"""Reads the weights of AWD-LSTM as fastai has published them (wt103, of all its versions) and as Graft writes them.

Only tensors are read, never code. fastai keeps each recurrent matrix twice: ``weight_hh_l0_raw`` is the trained one,
``weight_hh_l0`` a copy that dropout has gone through. The decoder, which predicts the next word, is left out.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch

from graft.backbones._nets.awd_lstm import AwdLstmSizes
from graft.backbones._nets.words_file import read_words
from graft.backbones._weights import read_tensors
from graft.errors import WeightsError, must

RECURRENT = re.compile(r"rnns\.(\d+)\.(?:module\.)?(weight_hh_l0_raw|(?:weight|bias)_[ih]h_l0)")
OWN = re.compile(r"embed\.weight|layer\d+\.(?:weight|bias)_[ih]h_l0")
COPIES = ("encoder_with_dropout.embed.weight", "encoder_dp.emb.weight")
"""The embeddings a second time, as fastai 0.7 and later versions name them."""
VOCABULARIES = ("*itos*.pkl", "*itos*.json", "*itos*.txt", "vocab*.json", "vocab*.txt")
PADDING = ("xxpad", "_pad_")


def _wrong(path: Path, wanted: str, got: str) -> WeightsError:
    do = "Give fastai's wt103 weights and, beside them, their itos file"
    return WeightsError(must(f"AWD-LSTM's weights {str(path)!r}", wanted, got, do))


def read_awd_lstm(path: Path) -> tuple[dict[str, torch.Tensor], tuple[str, ...], AwdLstmSizes]:
    """Return the tensors under the names of ``awd_lstm``, the vocabulary, and the sizes that both have.

    ``path`` is the weights, or a folder that holds them; the vocabulary lies beside the weights. Raises WeightsError.
    """
    file = _weights(path)
    if "bwd" in file.name:
        raise _wrong(file, "those of the network that reads forwards", "the one that reads texts from their end")
    tensors = renamed(read_tensors(file), file)
    words = read_words(_vocabulary(file))
    sizes = sizes_of(tensors, words, file)
    return tensors, words, sizes


def _weights(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = sorted(one for one in path.iterdir() if one.suffix in (".safetensors", ".pth", ".pt", ".h5"))
    if len(found) != 1:
        raise _wrong(path, "one file of weights", f"a folder with {len(found)} (.safetensors, .pth, .pt or .h5)")
    return found[0]


def _vocabulary(file: Path) -> Path:
    found = sorted({one for pattern in VOCABULARIES for one in file.parent.glob(pattern)})
    if len(found) != 1:
        named = ", ".join(one.name for one in found) or "none"
        raise _wrong(file, "with one vocabulary beside it (itos*.pkl, itos*.json or itos*.txt)", named)
    return found[0]


def renamed(tensors: Mapping[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a fastai state dict under the names of ``awd_lstm``. Raises WeightsError."""
    if tensors and all(OWN.fullmatch(name) for name in tensors):
        return dict(tensors)
    found: dict[str, torch.Tensor] = {}
    strange: list[str] = []
    for full, tensor in tensors.items():
        name = full.removeprefix("0.").removeprefix("module.")
        match = RECURRENT.fullmatch(name)
        if name == "encoder.weight":
            found["embed.weight"] = tensor
        elif match is not None:
            layer, kind = match.groups()
            # The raw matrix counts, in whatever order the two come.
            if kind != "weight_hh_l0" or f"rnns.{layer}.weight_hh_l0_raw" not in _bare(tensors):
                found[f"layer{layer}.{kind.removesuffix('_raw')}"] = tensor
        elif name not in COPIES and not full.startswith(("1.", "decoder.")):
            strange.append(full)
    if strange:
        raise _wrong(path, "those of an LSTM in one direction", f"tensors such as {strange[0]!r}")
    if "embed.weight" not in found:
        raise _wrong(path, "with embeddings", "no encoder.weight")
    return found


def _bare(tensors: Mapping[str, torch.Tensor]) -> set[str]:
    return {name.removeprefix("0.").removeprefix("module.").replace(".module.", ".") for name in tensors}


def sizes_of(tensors: Mapping[str, torch.Tensor], words: tuple[str, ...], path: Path) -> AwdLstmSizes:
    """Return the sizes that the tensors have. Raises WeightsError where they, or the vocabulary, do not fit."""
    layers = sum(name.endswith("weight_hh_l0") for name in tensors)
    rows, embedding = tensors["embed.weight"].shape
    if not layers or f"layer{layers - 1}.weight_hh_l0" not in tensors:
        raise _wrong(path, "with layers numbered from 0", f"{layers} recurrent matrices")
    hidden = int(tensors["layer0.weight_hh_l0"].shape[1])
    if len(words) != rows:
        raise _wrong(path, f"with a vocabulary of {rows} words", f"one of {len(words)}")
    padding = next((words.index(one) for one in PADDING if one in words), None)
    if padding is None:
        raise _wrong(path, f"with a word for padding ({' or '.join(PADDING)}) in its vocabulary", "none")
    return AwdLstmSizes(words=rows, embedding=embedding, hidden=hidden, layers=layers, padding=padding)
