"""From clips to a model: makes short films of moving squares, fits on them, and asks about one more."""

# It needs the extra for video: pip install 'graft-ml[video]'.

import tempfile
from pathlib import Path

import av
import numpy as np

import graft

COLOURS = {"red": (210, 60, 60), "green": (60, 200, 60), "blue": (70, 70, 220)}


def film(file: Path, colour: tuple[int, int, int], draw: np.random.Generator) -> None:
    """Write a second of video: a square of that colour moves over a noisy ground."""
    ground = draw.normal(70, 8, (96, 128, 3))
    place, step = draw.uniform(10, 80, 2), draw.uniform(-4, 4, 2)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libvpx" if file.suffix == ".webm" else "mpeg4", rate=12)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        for number in range(12):
            frame = ground.copy()
            top, left = (int(one) for one in np.clip(place + number * step, 0, 80))
            frame[top : top + 16, left : left + 16] = colour
            picture = av.VideoFrame.from_ndarray(np.clip(frame, 0, 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


with tempfile.TemporaryDirectory() as folder:
    clips = Path(folder) / "clips"
    draw = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (clips / name).mkdir(parents=True)
        for number in range(8):
            film(clips / name / f"{number}.{('mp4', 'webm')[number % 2]}", colour, draw)
    settings = {"preprocess.frames": 4}
    model = graft.fit(clips, strategy="linear_probe", settings=settings)
    print(f"test accuracy {model.report['accuracy']}")

    film(Path(folder) / "new.mp4", COLOURS["green"], draw)
    answer = model.predict([Path(folder) / "new.mp4"])[0]
    print(f"new.mp4 is {answer.label}, probability {answer.probability:.2f}")
