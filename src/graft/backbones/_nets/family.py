"""What our own networks have in common as families: sizes beside the weights, stages that need no tracing."""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import nn

from graft.backbones._family import Family, Network, Piece, Pretrained
from graft.backbones._nets.staged import Staged
from graft.errors import SettingError, WeightsError, must
from graft.preprocess.text import Text

MAX_WORDS = 256
"""Words of a text that are used; a longer text is cut at its end, and that is said."""


class Numbers(nn.Module):
    """Numbers of words or characters as they are stored, int32, to what the first stage takes."""

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return int64 of the same shape."""
        return ids.to(torch.int64)


@dataclass(frozen=True, kw_only=True)
class OwnFamily(Family):
    """Networks over words that Graft builds itself; their weights are a person's files."""

    modality: ClassVar[str] = "text"
    files: ClassVar[str]
    """What a person gives by ``--weights``."""
    precedence: ClassVar[int] = 60

    def knows(self, name: str) -> bool:
        """Return whether the name is one of ``names``."""
        return name in self.names()

    @abstractmethod
    def rebuild(self, name: str, settings: Mapping[str, Any]) -> Network:
        """Return the network of saved sizes; its vocabulary is part of the preprocessing that was saved."""

    def pretrained(self, name: str) -> Pretrained:
        """Raise WeightsError: nobody but the person has the weights."""
        raise self.no_file(name)

    def no_file(self, name: str) -> WeightsError:
        """Return the error for a network that nobody gave files for."""
        return WeightsError(must(f"weights of {name}", self.files, "none", "Give the path by --weights FILE"))

    def cut(self, network: Network) -> tuple[tuple[Piece, ...], nn.Module]:
        """Return the network's own stages."""
        stages = cast(Staged, network.model).cut(network.preprocess.shape, torch.int64)
        return tuple(Piece(one.name, one.module, one.shape) for one in stages), nn.Identity()

    def check(self, network: Network, stages: Sequence[nn.Module], classifier: nn.Module, name: str) -> None:
        """Compare stages and network on two short texts. Raises SettingError where they differ."""
        ids = torch.zeros(2, 6, *network.preprocess.shape[1:], dtype=torch.int64)
        ids[1, 4:] = -1
        if not torch.equal(nn.Sequential(*stages, classifier)(ids), network.model(ids)):
            do = "Take another backbone; `graft list backbones --modality text` names some that can be cut"
            raise SettingError(must("backbone", "a network whose stages give what it gives", name, do))


def network(model: Staged, tokenizer: str, settings: Mapping[str, Any]) -> Network:
    """Return a network over the tokens that ``tokenizer`` (JSON) makes."""
    return Network(
        model=model.eval(),
        classifier=(),
        normalise=Numbers(),
        preprocess=Text(max_length=MAX_WORDS, tokenizer=tokenizer),
        licence="unknown",
        settings=json.loads(json.dumps(settings)),
    )
