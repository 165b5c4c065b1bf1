"""BERT's encoder in plain torch, under the names that transformers gives its tensors.

The library's own takes six seconds of processor time to import, which every answer to one text would wait for; a test
holds this one to it. Source: Devlin et al. 2019, "BERT: pre-training of deep bidirectional transformers".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

ACTIVATIONS = {"gelu": nn.GELU, "relu": nn.ReLU}


@dataclass(frozen=True)
class Output:
    """What the network gives."""

    last_hidden_state: torch.Tensor


class Attention(nn.Module):
    """Queries, keys and values of one layer."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.heads = heads
        self.dropout = dropout

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (n, tokens, width); ``mask`` (n, 1, tokens or 1, tokens) is True where attention may go."""
        places = (*x.shape[:2], self.heads, -1)
        query, key, value = (one(x).view(places).transpose(1, 2) for one in (self.query, self.key, self.value))
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        return mixed.transpose(1, 2).reshape(x.shape)


class Joined(nn.Module):
    """A linear layer whose output is added to what came in earlier, and normalised."""

    def __init__(self, given: int, width: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.dense = nn.Linear(given, width)
        self.LayerNorm = nn.LayerNorm(width, eps=settings["layer_norm_eps"])
        self.dropout = nn.Dropout(settings["hidden_dropout_prob"])

    def forward(self, x: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        """Return (n, tokens, width)."""
        joined: torch.Tensor = self.LayerNorm(self.dropout(self.dense(x)) + before)
        return joined


class Layer(nn.Module):
    """One layer: attention and two linear layers, each added to its input."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        width, inner = settings["hidden_size"], settings["intermediate_size"]
        dropout = settings["attention_probs_dropout_prob"]
        attend = Attention(width, settings["num_attention_heads"], dropout)
        self.attention = nn.ModuleDict({"self": attend, "output": Joined(width, width, settings)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, inner)})
        self.activation = ACTIVATIONS[settings["hidden_act"]]()
        self.output = Joined(inner, width, settings)

    def forward(self, x: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return (n, tokens, width)."""
        attended = self.attention["output"](self.attention["self"](x, attention_mask), x)
        result: torch.Tensor = self.output(self.activation(self.intermediate["dense"](attended)), attended)
        return result


class Embeddings(nn.Module):
    """Words, places and the first kind of token, added and normalised."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        width = settings["hidden_size"]
        self.word_embeddings = nn.Embedding(settings["vocab_size"], width)
        self.position_embeddings = nn.Embedding(settings["max_position_embeddings"], width)
        self.token_type_embeddings = nn.Embedding(settings["type_vocab_size"], width)
        self.LayerNorm = nn.LayerNorm(width, eps=settings["layer_norm_eps"])
        self.dropout = nn.Dropout(settings["hidden_dropout_prob"])

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return (n, tokens, width) of ids (n, tokens)."""
        places = torch.arange(ids.shape[1], device=ids.device)[None]
        summed = self.word_embeddings(ids) + self.token_type_embeddings.weight[0] + self.position_embeddings(places)
        result: torch.Tensor = self.dropout(self.LayerNorm(summed))
        return result


class Bert(nn.Module):
    """Embeddings and layers; without the pooling layer of the next-sentence task."""

    base_model_prefix = "bert"

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        settings = {**DEFAULTS, **config}
        self.config = SimpleNamespace(**settings)
        self.embeddings = Embeddings(settings)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer(settings) for _ in range(settings[LAYERS]))})
        self.apply(self._draw)

    def _draw(self, module: nn.Module) -> None:
        """Draw initial weights as the paper does: normal ones, biases of zero."""
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, 0.0, float(self.config.initializer_range))
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Output:
        """Return the hidden states of ids (n, tokens) whose mask (n, tokens) is 1 for real tokens."""
        mask = (attention_mask > 0)[:, None, None, :]
        value = self.embeddings(input_ids)
        for layer in cast(nn.ModuleList, self.encoder["layer"]):
            value = layer(value, mask)
        return Output(value)


LAYERS = "num_hidden_layers"
DEFAULTS: dict[str, Any] = {
    "model_type": "bert", "vocab_size": 30522, "hidden_size": 768, LAYERS: 12, "num_attention_heads": 12,
    "intermediate_size": 3072, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512, "type_vocab_size": 2, "initializer_range": 0.02, "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}  # fmt: skip
"""What a configuration that leaves them out means; those of the published bert-base-uncased."""


def is_plain(config: Mapping[str, Any]) -> bool:
    """Say whether a configuration is that of an encoder as above."""
    settings = {**DEFAULTS, "position_embedding_type": "absolute", "is_decoder": False, **config}
    usual = settings["position_embedding_type"] == "absolute" and not settings["is_decoder"]
    return settings["model_type"] == "bert" and settings["hidden_act"] in ACTIVATIONS and usual
