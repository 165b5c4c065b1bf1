"""Your own weights from a file: a state dict and a safetensors file of one network, here with random values."""

import tempfile
from pathlib import Path

import torch
import torchvision
from safetensors.torch import save_file
from sklearn.datasets import load_digits

import graft
from graft.data import from_objects


def main() -> None:
    """Save the weights of a network in two formats and fit on each of them."""
    torch.manual_seed(0)
    network = torchvision.models.squeezenet1_1(weights=None)
    digits = load_digits(n_class=3)
    data = from_objects((digits.images[:90] * 255 / 16).round().astype("uint8"), digits.target[:90])

    with tempfile.TemporaryDirectory() as place:
        pickled, safe = Path(place) / "weights.pth", Path(place) / "weights.safetensors"
        torch.save(network.state_dict(), pickled)
        save_file(network.state_dict(), safe)
        for file in (pickled, safe):
            model = graft.fit(data, backbone="squeezenet1_1", weights=str(file), strategy="nearest_mean")
            told = model.manifest["backbone"]["weights"]
            print(f"{file.name}: sha-256 {told['sha256'][:12]}, licence {told['licence']}")
            print(f"accuracy on random features {model.report['accuracy']}")


if __name__ == "__main__":
    main()
