"""A store of the test's own, and extraction into it with the reference runtime."""

import pytest
from tiny_backbone import backbone, examples

from graft import features


@pytest.fixture
def store(tmp_path):
    made = features.Store(tmp_path / "cache")
    yield made
    made.close()


@pytest.fixture
def extracted(store):
    def run(n=20, *, into=None, **settings):
        given, hashes = settings.pop("inputs", None) or examples(n)
        defaults = {"backbone": backbone(), "cut": 3, "runtime": "torch:float32"}
        return features.extract(given, hashes, store=into or store, **{**defaults, **settings})

    return run
