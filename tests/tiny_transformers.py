"""Tiny networks of transformers in folders, each with a tokenizer, made from a seed: no download, 10,000 parameters."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = [
    "where", "is", "my", "card", "the", "a", "transfer", "has", "not", "arrived", "yet",
    "i", "lost", "it", "please", "help", "top", "up", "failed", "why", "charged",
]  # fmt: skip
BERT = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}
CONFIGS = {
    "bert": {"model_type": "bert", "vocab_size": 40, "max_position_embeddings": 64, **BERT},
    "roberta": {"model_type": "roberta", "vocab_size": 40, "max_position_embeddings": 66, "pad_token_id": 1, **BERT},
    "xlm-roberta": {
        "model_type": "xlm-roberta", "vocab_size": 40, "max_position_embeddings": 66, "pad_token_id": 1, **BERT,
    },
    "camembert": {
        "model_type": "camembert", "vocab_size": 40, "max_position_embeddings": 66, "pad_token_id": 1, **BERT,
    },
    "electra": {
        "model_type": "electra", "vocab_size": 40, "max_position_embeddings": 64, "embedding_size": 8, **BERT,
    },
    "distilbert": {
        "model_type": "distilbert", "vocab_size": 40, "max_position_embeddings": 64, "dim": 16, "n_layers": 3,
        "n_heads": 2, "hidden_dim": 24,
    },
    "gpt2": {"model_type": "gpt2", "vocab_size": 40, "n_positions": 64, "n_embd": 16, "n_layer": 3, "n_head": 2},
    "llama": {
        "model_type": "llama", "vocab_size": 40, "max_position_embeddings": 64, "num_key_value_heads": 1, **BERT,
    },
    "albert": {"model_type": "albert", "vocab_size": 40, "max_position_embeddings": 64, "embedding_size": 8, **BERT},
}  # fmt: skip
"""One of each kind that is cut between its layers, and one that is not."""


def tokenizer() -> str:
    """Return the JSON of a tokenizer of whole words, with tokens around a text."""
    vocabulary = {word: number for number, word in enumerate(["[CLS]", "[PAD]", "[SEP]", "[UNK]", *WORDS])}
    made = Tokenizer(models.WordLevel(vocabulary, "[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 0), ("[SEP]", 2)])
    return made.to_str()


def write(folder: Path, kind: str, *, weights: bool = True, prefix: str = "") -> Path:
    """Write a tiny network of a kind into a folder, as ``save_pretrained`` would."""
    from transformers import AutoConfig, AutoModel

    folder.mkdir(parents=True, exist_ok=True)
    plain = CONFIGS[kind]
    (folder / "config.json").write_text(json.dumps(plain))
    (folder / "tokenizer.json").write_text(tokenizer())
    if weights:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            state = AutoModel.from_config(AutoConfig.for_model(**plain)).state_dict()
            # All tensors drawn, norms too: a norm that is left out would otherwise not be noticed.
            state = {f"{prefix}{name}": tensor + 0.1 * torch.randn_like(tensor) for name, tensor in state.items()}
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "model.safetensors")
    return folder
