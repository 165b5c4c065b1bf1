"""A transformer over tokens as stages: what embeds, one stage a layer, and the pooling of all tokens to one vector.

Activations between the stages are (n, tokens, C + 1): the last channel is 1 for a real token and 0 for padding, so that
each stage makes its own attention mask and takes one tensor.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional

Pooling = Literal["mean", "first", "max", "last"]
POOLINGS: tuple[Pooling, ...] = ("mean", "first", "max", "last")


def present(ids: torch.Tensor) -> torch.Tensor:
    """Return which tokens are real, bool (n, tokens); the first always is: attention to nothing is not a number."""
    real = ids >= 0
    return torch.cat([torch.ones_like(real[:, :1]), real[:, 1:]], dim=1)


def marked(hidden: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Return (n, tokens, C + 1) of hidden states (n, tokens, C) and a mask (n, tokens)."""
    return torch.cat([hidden, real[..., None].to(hidden.dtype)], dim=-1)


class Tokens(nn.Module):
    """Token ids as they are stored, int32 with -1 for padding, to what the first stage takes."""

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return (n, tokens) int64."""
        return ids.to(torch.int64)


class Embed(nn.Module):
    """Token ids (n, tokens) to marked embeddings (n, tokens, C + 1)."""

    def __init__(self, embeddings: nn.Module, padding: int) -> None:
        super().__init__()
        self.embeddings = embeddings
        self.padding = padding

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return embeddings, padding marked."""
        real = present(ids)
        return marked(self.embeddings(torch.where(ids >= 0, ids, self.padding)), real)


class Placed(nn.Module):
    """Embeddings of tokens plus those of their places, as GPT-2 has them."""

    def __init__(self, tokens: nn.Module, places: nn.Module, dropout: nn.Module) -> None:
        super().__init__()
        self.tokens = tokens
        self.places = places
        self.dropout = dropout

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return (n, tokens, C)."""
        where = torch.arange(ids.shape[1], device=ids.device)[None]
        summed: torch.Tensor = self.dropout(self.tokens(ids) + self.places(where))
        return summed


class Layer(nn.Module):
    """One layer, marked tokens in and out; the last one brings the network's closing norm."""

    def __init__(self, layer: nn.Module, *, causal: bool, rotary: nn.Module | None, norm: nn.Module | None) -> None:
        super().__init__()
        self.layer = layer
        self.causal = causal
        self.rotary = rotary
        self.norm = norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, tokens, C + 1)."""
        hidden, mark = x[..., :-1], x[..., -1:]
        places = torch.arange(hidden.shape[1], device=x.device)
        mask = (mark[..., 0] > 0)[:, None, None, :]
        if self.causal:
            mask = mask & (places[None, :] <= places[:, None])[None, None]
        settings: dict[str, Any] = {"attention_mask": mask}
        if self.rotary is not None:
            settings["position_embeddings"] = self.rotary(hidden, position_ids=places[None])
        out = self.layer(hidden, **settings)
        out = out if isinstance(out, torch.Tensor) else out[0]
        return torch.cat([out if self.norm is None else self.norm(out), mark], dim=-1)


class Pool(nn.Module):
    """Marked tokens (n, tokens, C + 1) to one vector (n, C) for each row."""

    def __init__(self, how: Pooling, *, normalised: bool) -> None:
        super().__init__()
        self.how = how
        self.normalised = normalised

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean, first, largest or last of the real tokens, of length 1 where the network was trained so."""
        hidden, mark = x[..., :-1], x[..., -1:]
        if self.how == "mean":
            vector = (hidden * mark).sum(1) / mark.sum(1)
        elif self.how == "first":
            vector = hidden[:, 0]
        elif self.how == "max":
            vector = hidden.masked_fill(mark <= 0, torch.finfo(hidden.dtype).min).amax(1)
        else:
            last = (mark > 0).sum(1, keepdim=True) - 1
            vector = hidden.gather(1, last.expand(-1, 1, hidden.shape[2]))[:, 0]
        return functional.normalize(vector, dim=1) if self.normalised else vector


class Encoder(nn.Module):
    """A whole network of transformers, token ids (n, tokens) to marked hidden states (n, tokens, C + 1)."""

    def __init__(self, model: Any, padding: int) -> None:
        super().__init__()
        self.model = model
        self.padding = padding

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return what the library's own forward gives."""
        real = present(ids)
        found = self.model(input_ids=torch.where(ids >= 0, ids, self.padding), attention_mask=real.to(torch.int64))
        return marked(found.last_hidden_state, real)


class Whole(nn.Module):
    """The original network and its pooling: what the stages together must give."""

    def __init__(self, model: Any, padding: int, pool: Pool) -> None:
        super().__init__()
        self.encoder = Encoder(model, padding)
        self.pool = pool

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return vectors (n, C) of token ids (n, tokens)."""
        vector: torch.Tensor = self.pool(self.encoder(ids))
        return vector


@dataclass(frozen=True)
class Parts:
    """Where a network has its embeddings and its layers."""

    embeddings: nn.Module
    layers: str
    """Qualified name of the list of layers."""
    causal: bool = False
    rotary: nn.Module | None = None
    norm: nn.Module | None = None


def _encoder(model: Any) -> Parts:
    return Parts(model.embeddings, "encoder.layer")


def _electra(model: Any) -> Parts:
    project = getattr(model, "embeddings_project", None)
    return Parts(model.embeddings if project is None else nn.Sequential(model.embeddings, project), "encoder.layer")


def _distilbert(model: Any) -> Parts:
    return Parts(model.embeddings, "transformer.layer")


def _gpt2(model: Any) -> Parts:
    return Parts(Placed(model.wte, model.wpe, model.drop), "h", causal=True, norm=model.ln_f)


def _llama(model: Any) -> Parts:
    return Parts(model.embed_tokens, "layers", causal=True, rotary=model.rotary_emb, norm=model.norm)


LAYERED = {
    "bert": _encoder,
    "roberta": _encoder,
    "xlm-roberta": _encoder,
    "camembert": _encoder,
    "electra": _electra,
    "distilbert": _distilbert,
    "gpt2": _gpt2,
    "llama": _llama,
}
"""The kinds of networks (``model_type``) that are cut between their layers; tests compare each with the original."""


def stages(kind: str, whole: Whole) -> Iterator[tuple[str, nn.Module]]:
    """Yield the named stages of a network; one of a kind that is not known is one stage up to its pooling."""
    encoder = whole.encoder
    if kind not in LAYERED:
        yield "features", encoder
    else:
        parts = LAYERED[kind](encoder.model)
        layers = list(encoder.model.get_submodule(parts.layers))
        yield "embed", Embed(parts.embeddings, encoder.padding)
        for number, layer in enumerate(layers):
            norm = parts.norm if number == len(layers) - 1 else None
            yield f"{parts.layers}.{number}", Layer(layer, causal=parts.causal, rotary=parts.rotary, norm=norm)
    yield "pool", whole.pool
