"""Tiny networks of sound in folders, as ``save_pretrained`` of the library writes them: no download, from a seed."""

import json
from pathlib import Path
from typing import Any

import torch

LAYERS = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}
WAVE: dict[str, Any] = {
    "conv_dim": [8, 8, 8], "conv_kernel": [10, 3, 2], "conv_stride": [5, 4, 4], "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4, **LAYERS,
}  # fmt: skip
STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "wav2vec2": ("wav2vec2", WAVE),
    "wav2vec2-layer": ("wav2vec2", {**WAVE, **STABLE}),
    "wav2vec2-masked": ("wav2vec2", {**WAVE, "feat_extract_norm": "layer"}),
    "hubert": ("hubert", WAVE),
    "hubert-layer": ("hubert", {**WAVE, **STABLE}),
    "ast": ("audio-spectrogram-transformer", {**LAYERS, "max_length": 64, "num_mel_bins": 32}),
    "whisper": (
        "whisper",
        {
            "d_model": 16, "encoder_layers": 3, "encoder_attention_heads": 2, "encoder_ffn_dim": 24, "num_mel_bins": 80,
            "decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 24, "vocab_size": 60,
            "max_source_positions": 50, "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3,
            "decoder_start_token_id": 2,
        },
    ),
}  # fmt: skip
"""By a name for the tests: the library's kind, and its configuration."""


def model(name: str, *, head: bool = False) -> Any:
    """Return the library's own model with all tensors drawn, norms too: one that is left out would be noticed."""
    from transformers import AutoConfig, AutoModel, AutoModelForAudioClassification

    kind, settings = CONFIGS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        made = AutoModel.from_config(AutoConfig.for_model(kind, **settings)).eval()
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        if not head:
            return made
        whole = AutoModelForAudioClassification.from_config(made.config).eval()
        inner = whole.encoder if kind == "whisper" else getattr(whole, whole.base_model_prefix)
        inner.load_state_dict((made.encoder if kind == "whisper" else made).state_dict())
        return whole


def extractor(name: str) -> Any:
    """Return the library's feature extractor for the model."""
    from transformers import ASTFeatureExtractor, Wav2Vec2FeatureExtractor, WhisperFeatureExtractor

    kind, settings = CONFIGS[name]
    if kind == "whisper":
        return WhisperFeatureExtractor(chunk_length=1, feature_size=80)
    if kind == "audio-spectrogram-transformer":
        return ASTFeatureExtractor(num_mel_bins=32, max_length=64)
    return Wav2Vec2FeatureExtractor(return_attention_mask=settings.get("feat_extract_norm") == "layer")


def write(folder: Path, name: str, *, head: bool = False) -> Path:
    """Write network and feature extractor into a folder."""
    model(name, head=head).save_pretrained(folder)
    extractor(name).save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["model_type"] == CONFIGS[name][0]
    return folder
