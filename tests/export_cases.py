"""Tiny fitted models over every family of backbones, for the tests of export: weights from a seed, heads drawn."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file

import tiny_sound
import tiny_transformers
from graft import artifact, heads
from graft.artifact import Assembled
from graft.backbones import REGISTRY, Backbone, WeightsInfo, load, tensors_of, with_tensors
from graft.backbones._load import _cut
from graft.backbones._nets.awd_lstm import AwdLstmSizes, awd_lstm
from graft.backbones._nets.elmo import ElmoSizes, elmo
from graft.backbones._nets.family import network
from graft.backbones._nets.wavenet import WavenetSizes, wavenet
from graft.preprocess import _text_own
from graft.preprocess._characters import Characters
from graft.preprocess.audio import Audio
from graft.preprocess.text import FREQUENT
from graft.preprocess.video import Video
from graft.tasks.classification import Classification

TIMM, TORCHVISION = "test_efficientnet", "squeezenet1_1"
Make = Callable[[Path], Backbone]


@dataclass(frozen=True)
class Case:
    """A model that is exported, and how much of it is expected to go."""

    family: str
    make: Make
    head: str = "linear"
    lengths: bool = False
    """Whether inputs of any length are expected to be taken."""


def drawn(name: str) -> Backbone:
    """Return a network with random weights in which every layer counts."""
    found = load(name, weights="random", seed=3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        tensors = {key: moved(key, one) for key, one in tensors_of(found).items()}
    return with_tensors(found, tensors, found.weights)


def moved(name: str, tensor: torch.Tensor) -> torch.Tensor:
    if not tensor.is_floating_point():
        return tensor
    if name.endswith("running_var"):
        return tensor * (0.5 + torch.rand_like(tensor))
    return tensor + 0.05 * torch.randn_like(tensor)


def tiny_text(kind: str) -> Make:
    return lambda home: load(str(tiny_transformers.write(home / kind, kind)))


def pooled_text(how: str) -> Make:
    return lambda home: load(f"{tiny_transformers.write(home / how, 'bert')}@{how}")


def long_texts(home: Path) -> Backbone:
    found = tiny_text("bert")(home)
    return found.given(replace(found.preprocess, max_length=16, max_windows=3))


def heard(name: str, seconds: float = 0.5, windows: int = 1) -> Make:
    def make(home: Path) -> Backbone:
        found = load(str(tiny_sound.write(home / name, name)))
        settled = found.preprocess.settled([(int(seconds * found.preprocess.rate), 1, found.preprocess.rate)])
        return found.given(replace(settled, windows=windows))

    return make


def drawn_sounds(home: Path) -> Backbone:
    found = drawn(TIMM)
    return found.given(replace(Audio.taking(found.preprocess), windows=3))


def frames(count: int, pooling: str = "mean") -> Make:
    def make(home: Path) -> Backbone:
        found = drawn(TIMM)
        return found.given(replace(Video.taking(found.preprocess), frames=count, pooling=pooling))

    return make


def vectors(name: str) -> Make:
    def make(home: Path) -> Backbone:
        words = dict.fromkeys(FREQUENT.lower().split())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            rows = torch.randn(len(words), 6)
        lines = (f"{word} {' '.join(f'{x:.4f}' for x in row)}" for word, row in zip(words, rows.tolist(), strict=True))
        (home / "vectors.txt").write_text("\n".join(lines) + "\n")
        return load(name, weights=str(home / "vectors.txt"))

    return make


def fastai(home: Path) -> Backbone:
    words = ["xxunk", "xxpad", "xxbos", "xxmaj", *dict.fromkeys(FREQUENT.lower().split())]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        made = awd_lstm(AwdLstmSizes(words=len(words), embedding=6, hidden=8))
    tokenizer = _text_own.written(_words(tuple(words)))
    found = _own("awd_lstm", network(made, tokenizer, asdict(AwdLstmSizes(words=len(words), embedding=6, hidden=8))))
    return found.given(replace(found.preprocess, max_length=24))


def _words(vocabulary: tuple[str, ...]):
    from graft.preprocess._words import Words, signs_of

    return Words(vocabulary=vocabulary, signs=signs_of(vocabulary))


def characters(home: Path) -> Backbone:
    sizes = ElmoSizes(filters=((1, 4), (3, 6)), character=3, projection=5, cell=7)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        made = elmo(sizes)
    return _own("elmo", network(made, _text_own.written(Characters()), asdict(sizes)))


def _own(name: str, built) -> Backbone:
    stages, classifier = _cut(REGISTRY.create(name), built)
    info = WeightsInfo("random:1", "", "unknown")
    return Backbone(name, name, built.normalise, stages, classifier, built.preprocess, info, settings=built.settings)


def samples(home: Path) -> Backbone:
    sizes = WavenetSizes(levels=64, residual=6, skip=10, layers=4, stacks=2, sample_rate=8000)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        made = wavenet(sizes)
    told = json.dumps({"graft": "wavenet", **asdict(sizes)})
    save_file(made.state_dict(), home / "wavenet.safetensors", {"config": told})
    found = load("wavenet", weights=str(home / "wavenet.safetensors"))
    return found.given(found.preprocess.settled([(3000, 1, 8000)]))


KINDS = [one for one in tiny_transformers.CONFIGS if one not in ("xlm-roberta", "camembert")]
"""What is left out computes as ``roberta`` does."""

CASES: dict[str, Case] = {
    "timm": Case("timm", lambda home: drawn(TIMM)),
    "timm-vit": Case("timm", lambda home: drawn("test_vit")),
    "timm-conv-head": Case("timm", lambda home: drawn(TIMM), "conv"),
    "torchvision": Case("torchvision", lambda home: drawn(TORCHVISION)),
    **{f"text-{kind}": Case("transformers", tiny_text(kind), lengths=True) for kind in KINDS},
    **{f"text-{how}": Case("transformers", pooled_text(how), lengths=True) for how in ("max", "last")},
    "text-rnn-head": Case("transformers", tiny_text("bert"), "rnn", lengths=True),
    "text-windows": Case("transformers", long_texts, lengths=True),
    "text-windows-rnn-head": Case("transformers", long_texts, "rnn", lengths=True),
    **{f"sound-{name}": Case("sound", heard(name)) for name in tiny_sound.CONFIGS if not name.endswith("-layer")},
    "sound-windows": Case("sound", heard("wav2vec2", windows=2)),
    "word2vec": Case("word2vec", vectors("word2vec"), lengths=True),
    "word2vec_sif": Case("word2vec", vectors("word2vec_sif"), lengths=True),
    "awd_lstm": Case("awd_lstm", fastai, lengths=True),
    "elmo": Case("elmo", characters, lengths=True),
    "wavenet": Case("wavenet", samples),
    "pictures-of-sound-windows": Case("timm", drawn_sounds),
    "frames": Case("timm", frames(4)),
    "frames-max": Case("timm", frames(3, "max")),
    "frames-rnn-head": Case("timm", frames(4), "rnn"),
}


def assembled(case: Case, home: Path) -> Assembled:
    """Return the model, sealed as a saved one is; its head is drawn from a seed."""
    settings = heads.REGISTRY.create(case.head)
    backbone = case.make(home).ending_in(settings.takes)
    task = Classification(classes=("card", "transfer", "other"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        top = settings.build(backbone.stages[-1].shape, task.outputs).eval().requires_grad_(False)
        for parameter in top.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    told = artifact.describe(backbone, backbone.n_stages, settings, task)
    return artifact.put(Assembled(backbone, top, task, told), {**told, "temperature": 1.3})
