"""Networks over tokens from transformers: BERT, RoBERTa, DistilBERT, MiniLM, XLM-R, GPT-2 and others alike.

A name is one of the catalogue, a repository of the Hugging Face hub (``organisation/name``) or a folder with
``config.json``, ``tokenizer.json`` and weights; ``NAME@max`` pools in another way (mean, first, max, last).
"""

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import nn

from graft.backbones._bert import Bert, is_plain
from graft.backbones._catalog import entries
from graft.backbones._family import Family, Network, Piece, Pretrained
from graft.backbones._published import HUB_NAME, Find, files_of, is_folder, json_of, required, weight_files
from graft.backbones._transformer_stages import POOLINGS, Encoder, Pool, Pooling, Tokens, Whole, stages
from graft.backbones._weights import read_tensors
from graft.errors import SettingError, WeightsError, must
from graft.preprocess.text import Text

LONGEST = 512
"""Tokens: a network that could take more is not given more, since its cost grows with their square."""
OLD_NAMES = (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias"))
CONSTANT = re.compile(r"(^|\.)(position_ids|attn\.(masked_)?bias|rotary_emb\.inv_freq)$")
"""Tensors that older files hold and that every network makes itself."""
PUBLISHED_POOLINGS: dict[str, Pooling] = {
    "pooling_mode_cls_token": "first",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "last",
    "pooling_mode_mean_tokens": "mean",
}
"""What sentence-transformers calls them in ``1_Pooling/config.json``."""


@dataclass(frozen=True, kw_only=True)
class Transformers(Family):
    """Encoders and causal networks that transformers can build, each with its own tokenizer."""

    modality: ClassVar[str] = "text"
    precedence: ClassVar[int] = 50

    def names(self) -> tuple[str, ...]:
        """Return the names of the catalogue, sorted; repositories and folders are known beside them."""
        return tuple(sorted(name for name, entry in entries().items() if entry["family"] == "transformers"))

    def knows(self, name: str) -> bool:
        """Return whether the name is one of the catalogue, a folder with a ``config.json``, or like one of the hub."""
        bare, _, pooling = name.partition("@")
        if pooling and pooling not in POOLINGS:
            return False
        return bare in self.names() or is_folder(bare) or HUB_NAME.fullmatch(bare) is not None

    def build(self, name: str) -> Network:
        """Return the network of a configuration, with its tokenizer. Raises WeightsError where files are missing."""
        bare, _, pooling = name.partition("@")
        find, _ = files_of(bare, "transformers")
        config = json_of(required(find, "config.json", bare))
        file = find("tokenizer.json")
        if file is None:
            do = "Save it beside the weights, as save_pretrained of a fast tokenizer does"
            raise WeightsError(must(f"the tokenizer of {bare}", "a tokenizer.json", "none", do))
        settings = {"config": config, **_sentence(find, config)}
        if pooling:
            settings["pooling"] = pooling
        licence = str(entries().get(bare, {}).get("licence", "unknown"))
        return _network(settings, file.read_text("utf-8"), licence)

    def rebuild(self, name: str, settings: Mapping[str, Any]) -> Network:
        """Return the network of saved settings; its tokenizer is part of the preprocessing that was saved."""
        return _network(settings, "", "unknown")

    def cut(self, network: Network) -> tuple[tuple[Piece, ...], nn.Module]:
        """Return the embedding, the layers and the pooling as stages, where the kind of network is known."""
        whole = cast(Whole, network.model)
        config = whole.encoder.model.config
        tokens, width = network.preprocess.shape[0], int(config.hidden_size)
        return tuple(
            Piece(name, module, (width,) if name == "pool" else (tokens, width + 1))
            for name, module in stages(config.model_type, whole)
        ), nn.Identity()

    def check(self, network: Network, stages: Sequence[nn.Module], classifier: nn.Module, name: str) -> None:
        """Compare stages and network on two rows of tokens. Raises SettingError where they differ."""
        whole = cast(Whole, network.model)
        ids = torch.randint(0, int(whole.encoder.model.config.vocab_size), (2, min(12, network.preprocess.shape[0])))
        ids[1, 3:] = -1
        got, wanted = nn.Sequential(*stages, classifier)(ids), whole(ids)
        if not torch.allclose(got, wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max())):
            do = "Take another backbone; `graft list backbones --modality text` names some that can be cut"
            raise SettingError(must("backbone", "a network whose stages give what it gives", name, do))

    def pretrained(self, name: str) -> Pretrained:
        """Return the weights beside the configuration. Raises WeightsError where they are neither here nor in reach."""
        bare = name.partition("@")[0]
        find, source = files_of(bare, "transformers")
        tensors: dict[str, torch.Tensor] = {}
        for file in weight_files(find, bare):
            tensors |= read_tensors(file)
        return Pretrained(tensors, source)

    def renamed(self, network: Network, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """Return tensors of any model of this network under its names; heads and constants are left out."""
        return _named(tensors, network)


def _network(settings: Mapping[str, Any], tokenizer: str, licence: str) -> Network:
    """Return the network of settings that ``build`` or a saved model gave. Raises SettingError."""
    model = _model(settings["config"])
    pool = Pool(settings["pooling"], normalised=bool(settings["normalised"]))
    padding = model.config.pad_token_id
    whole = Whole(model.eval(), 0 if padding is None else int(padding), pool).eval()
    return Network(
        model=whole,
        classifier=(),
        normalise=Tokens(),
        preprocess=Text(max_length=int(settings["max_length"]), tokenizer=tokenizer),
        licence=licence,
        settings=dict(settings),
    )


def _model(plain: Mapping[str, Any]) -> Any:
    """Return the network of a configuration; nothing that the configuration names is run or fetched."""
    if is_plain(plain):
        return Bert(plain)
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    kind = str(plain.get("model_type"))
    do = "Take one of `graft list backbones --modality text`"
    if kind not in CONFIG_MAPPING:
        raise SettingError(must("backbone", "of a kind that transformers has", kind, do))
    # ``auto_map`` would have the library fetch code and ask whether to run it.
    config = CONFIG_MAPPING[kind].from_dict({key: value for key, value in plain.items() if key != "auto_map"})
    if getattr(config, "is_encoder_decoder", False) or type(config) not in MODEL_MAPPING:
        raise SettingError(must("backbone", "an encoder or a causal network", f"a {kind}", do))
    config.use_cache = False
    made = MODEL_MAPPING[type(config)]
    takes = inspect.signature(made.__init__).parameters
    return made(config, add_pooling_layer=False) if "add_pooling_layer" in takes else made(config)


def _sentence(find: Find, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return pooling, normalisation and length: what sentence-transformers wrote down, else what the kind suggests."""
    kind = str(config.get("model_type"))
    made = _positions(kind, config)
    settings: dict[str, Any] = {"pooling": "mean", "normalised": False, "max_length": min(LONGEST, made)}
    modules = find("modules.json")
    if modules is None:
        return {**settings, "pooling": _usual_pooling(kind)}
    kinds = {str(one["type"]).rpartition(".")[2]: str(one["path"]) for one in json_of(modules)}
    settings["normalised"] = "Normalize" in kinds
    if "Pooling" in kinds and (file := find(f"{kinds['Pooling']}/config.json")) is not None:
        told = json_of(file)
        settings["pooling"] = next((how for key, how in PUBLISHED_POOLINGS.items() if told.get(key)), "mean")
    if (file := find("sentence_bert_config.json")) is not None:
        settings["max_length"] = min(settings["max_length"], int(json_of(file).get("max_seq_length") or made))
    return settings


def _usual_pooling(kind: str) -> Pooling:
    """Return the last token for a causal network, whose earlier tokens have not seen the later ones, else the mean."""
    if kind == "bert":
        return "mean"
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED

    return "last" if kind in CAUSAL and kind not in MASKED else "mean"


def _positions(kind: str, config: Mapping[str, Any]) -> int:
    """Return how many tokens a network has places for; RoBERTa's begin behind the number of its padding token."""
    found = config.get("max_position_embeddings") or config.get("n_positions") or LONGEST
    begin = int(config.get("pad_token_id") or 1) + 1 if kind in ("roberta", "xlm-roberta", "camembert") else 0
    return int(found) - begin


def _named(tensors: Mapping[str, torch.Tensor], network: Network) -> dict[str, torch.Tensor]:
    """Return tensors under the network's names; heads, and what every network makes itself, are left out."""
    encoder: Encoder = cast(Whole, network.model).encoder
    prefix = f"{encoder.model.base_model_prefix}."
    own = {name.partition(".")[0] for name in encoder.model.state_dict()}
    found: dict[str, torch.Tensor] = {}
    for given, tensor in tensors.items():
        name = given if given.partition(".")[0] in own else given.removeprefix(prefix)
        for old, new in OLD_NAMES:
            name = name.replace(old, new)
        if name.partition(".")[0] in own and not CONSTANT.search(name):
            found[f"encoder.model.{name}"] = tensor
    return found
