"""The same ONNX file behind LitServe, with the same decoding and OpenVINO: run by benchmarks/serve.py."""

import sys
from pathlib import Path

import litserve
import numpy as np
from fastapi import UploadFile

from graft.preprocess.image import Image
from graft.serving.http.exported import opened
from graft.serving.http.runners import choose


class Photos(litserve.LitAPI):
    """A form's file in, the best class out; batches of up to 8, as LitServe's guide has it."""

    def setup(self, device):
        exported = opened(Path(sys.argv[1]))
        self.runner, _ = choose(exported)
        self.spec = Image.from_json(exported.told["preprocess"])
        self.classes = exported.told["task"]["classes"]

    def decode_request(self, request: UploadFile):
        return self.spec.fit_light(self.spec.decode(request.file.read()))

    def predict(self, inputs):
        rows = np.stack([np.asarray(one) for one in inputs])
        size = self.runner.batch
        return np.concatenate([self.runner.run(rows[place : place + size])[0] for place in range(0, len(rows), size)])

    def encode_response(self, output):
        powers = np.exp(output - output.max())
        return {"label": self.classes[int(output.argmax())], "probability": float(powers.max() / powers.sum())}


if __name__ == "__main__":
    server = litserve.LitServer(
        Photos(max_batch_size=8, batch_timeout=0.002),
        accelerator="cpu",
        workers_per_device=int(sys.argv[3]),
        timeout=30,
    )
    server.run(host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="info")
