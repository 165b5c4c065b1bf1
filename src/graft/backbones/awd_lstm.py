"""AWD-LSTM, the network of ULMFiT, with the weights that fastai has published (wt103), concat pooling on top."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from graft.backbones._family import Network
from graft.backbones._nets.awd_lstm import AwdLstmSizes, awd_lstm
from graft.backbones._nets.awd_lstm_file import read_awd_lstm
from graft.backbones._nets.family import OwnFamily, network
from graft.preprocess import _text_own
from graft.preprocess._words import Words, signs_of


@dataclass(frozen=True, kw_only=True)
class AwdLstm(OwnFamily):
    """``awd_lstm``: weights and vocabulary are a folder as fastai's archives hold them."""

    files: ClassVar[str] = "a folder with fastai's weights and vocabulary"

    def names(self) -> tuple[str, ...]:
        """Return the one name; sizes are those of the weights."""
        return ("awd_lstm",)

    def build(self, name: str) -> Network:
        """Raise WeightsError: without weights there is no vocabulary."""
        raise self.no_file(name)

    def rebuild(self, name: str, settings: Mapping[str, Any]) -> Network:
        """Return a network of these sizes."""
        return network(awd_lstm(AwdLstmSizes(**settings)), "", settings)

    def opened(self, name: str, path: Path) -> tuple[Network, Mapping[str, torch.Tensor]]:
        """Return the network of fastai's files, and its tensors. Raises WeightsError."""
        tensors, words, sizes = read_awd_lstm(path)
        tokenizer = _text_own.written(Words(vocabulary=words, signs=signs_of(words)))
        return network(awd_lstm(sizes), tokenizer, asdict(sizes)), tensors
