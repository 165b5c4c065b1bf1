"""What the pages of docs/ speak of, small and from a seed: photos, tables, recordings, clips, tickets, networks."""

import csv
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

import clips
import quick_fit
import sounds
import tiny_sound
from graft.backbones._nets.awd_lstm import AwdLstmSizes, awd_lstm
from graft.backbones._nets.elmo import ElmoSizes, elmo
from graft.backbones._nets.wavenet import WavenetSizes, wavenet

SAID = {
    "card": ("where is my card", "my card has not arrived", "I lost my card"),
    "transfer": ("the transfer failed", "why has the transfer not arrived", "top up failed"),
}
WORDS = sorted({word.lower() for texts in SAID.values() for text in texts for word in text.split()})


def made(folder: Path) -> Path:
    """Fill a folder with all of it."""
    folder.mkdir()
    photos(folder)
    tickets(folder)
    sounds.make_sounds(folder / "recordings", classes=2, each=10)
    clips.make_clips(folder / "clips", classes=2, each=8)
    shutil.copy(folder / "clips" / "class0" / "000.mp4", folder / "clip.mp4")
    networks(folder)
    return folder


def photos(folder: Path) -> None:
    """Write folders and tables of cats and dogs."""
    for name in ("photos", "more_photos"):
        home = quick_fit.make_photos(folder / name, classes=2, each=14)
        for number, label in enumerate(("cat", "dog")):
            (home / f"class{number}").rename(home / label)
    quick_fit.make_photos(folder / "again_photos", classes=3, each=4)
    files = sorted((folder / "photos").rglob("*.*"))
    for label in ("cat", "dog"):
        shutil.copy(next(one for one in files if one.parent.name == label), folder / "photos" / label / "1.jpg")
    (folder / "new_photos").mkdir()
    shutil.copy(files[1], folder / "new_photos" / "1.jpg")
    # Fewer than 20 are too few to say whether they are like the training data.
    for number, one in enumerate(files[2:26]):
        shutil.copy(one, folder / "new_photos" / f"{number:03}{one.suffix}")
    shutil.copy(files[1], folder / "a.jpg")
    shutil.copy(files[0], folder / "b.png")
    rows = [
        (
            one.relative_to(folder),
            one.parent.name,
            number,
            1 - dog,
            number % 2,
            dog,
            3.5 + number % 3,
            "xyz"[number % 3],
        )
        for number, one in enumerate(files)
        for dog in (int(one.parent.name == "dog"),)
    ]
    write(folder / "labels.csv", ["path", "kind", "patient", "sea", "sun", "dog", "weight", "maker"], rows)
    prices = [(one.relative_to(folder), 10 * (one.parent.name == "dog") + n % 5) for n, one in enumerate(files)]
    write(folder / "prices.csv", ["path", "price"], prices)


def tickets(folder: Path) -> None:
    """Write tables and a file of lines of what customers say."""
    draw = np.random.default_rng(0)
    every = [text for texts in SAID.values() for text in texts]
    rows = [
        # Half of the words say nothing of the label, and the price nearly all.
        (f"{(texts if n % 2 else every)[n % 3]} {' '.join(draw.choice(WORDS, 2))} {n}", label, price + n % 3, brand)
        for (label, texts), price in zip(SAID.items(), (1, 9), strict=True)
        for n, brand in enumerate(draw.choice(("acme", "nova"), 32))
    ]
    write(folder / "tickets.csv", ["text", "label", "price", "brand"], rows)
    write(folder / "new.csv", ["question", "price", "brand"], [("where is it", 3, "acme"), ("it failed", "", "other")])
    (folder / "questions.txt").write_text("where is my card?\ntop up failed\n", "utf-8")


def write(path: Path, columns: list[str], rows: list[tuple[object, ...]]) -> None:
    """Write a table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])


def networks(folder: Path) -> None:
    """Write tiny networks in the layouts that docs/weights.md names, with random weights."""
    import torchvision

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = torchvision.models.resnet18().state_dict()
        torch.save(state, folder / "resnet18.pth")
        save_file(state, folder / "resnet18.safetensors")
        vectors = np.random.default_rng(0).normal(size=(len(WORDS), 8)).astype(np.float32)
        lines = [f"{word} {' '.join(f'{one:.4f}' for one in row)}" for word, row in zip(WORDS, vectors, strict=True)]
        (folder / "vectors.txt").write_text("\n".join(lines) + "\n", "utf-8")
        body = b"".join(word.encode() + b" " + row.tobytes() for word, row in zip(WORDS, vectors, strict=True))
        (folder / "vectors.bin").write_bytes(f"{len(WORDS)} 8\n".encode() + body)
        vocabulary = ["xxunk", "xxpad", "xxbos", *WORDS]
        (folder / "wt103").mkdir()
        ours = awd_lstm(AwdLstmSizes(words=len(vocabulary), embedding=6, hidden=10))
        save_file(ours.state_dict(), folder / "wt103" / "weights.safetensors")
        (folder / "wt103" / "vocab.json").write_text(json.dumps(vocabulary))
        characters(folder / "elmo")
        tiny_sound.write(folder / "whisper", "whisper")
        sizes = WavenetSizes(levels=16, residual=4, skip=6, layers=3, stacks=2)
        told = {"config": json.dumps({"graft": "wavenet", **asdict(sizes)})}
        save_file(wavenet(sizes).state_dict(), folder / "wavenet.safetensors", told)


def characters(folder: Path) -> None:
    """Write a small ELMo."""
    sizes = ElmoSizes(filters=((1, 4), (2, 6)), character=5, highways=1, projection=7, cell=11)
    told = {
        "lstm": {
            "use_skip_connections": True, "projection_dim": 7, "cell_clip": 3, "proj_clip": 3, "dim": 11, "n_layers": 2,
        },
        "char_cnn": {
            "activation": "relu", "filters": [[1, 4], [2, 6]], "n_highway": 1, "embedding": {"dim": 5},
            "n_characters": 262, "max_characters_per_token": 50,
        },
    }  # fmt: skip
    folder.mkdir()
    (folder / "options.json").write_text(json.dumps(told))
    save_file(elmo(sizes).state_dict(), folder / "weights.safetensors")
