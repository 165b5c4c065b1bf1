"""Import changes nothing, ``import graft`` is light, and help answers without torch."""

import json
import pkgutil
import subprocess
import sys

import pytest

import graft

HEAVY = ("torch", "torchvision", "timm", "sklearn", "numpy", "scipy", "openvino", "pandas", "PIL", "pydantic", "rich")
MODULES = sorted(
    one.name for one in pkgutil.walk_packages(graft.__path__, "graft.") if not one.name.endswith("__main__")
)


def run(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(code):
    return set(json.loads(run(f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))").splitlines()[-1]))


def test_importing_graft_brings_nothing_heavy():
    loaded = loaded_by("import graft; dir(graft); graft.__version__")
    assert "graft" in loaded
    assert not loaded & set(HEAVY)
    assert "graft.api" not in loaded


@pytest.mark.parametrize("words", [["--help"], ["fit", "--help"], ["predict", "-h"], ["--version"]])
def test_help_brings_no_torch(words):
    code = "import sys; from graft.cli import main\ntry: main()\nexcept SystemExit: pass"
    loaded = loaded_by(f"import sys; sys.argv = ['graft', *{words}]\n{code}")
    assert "typer" in loaded
    # Typer and Rich are what prints help; Typer reads options with pydantic.
    assert not loaded & (set(HEAVY) - {"rich", "pydantic"})
    assert not {one for one in loaded if one.startswith("graft.")} - {
        *("graft.cli", "graft.errors", "graft.types"),
        *(one for one in loaded if one.startswith("graft.cli.")),
    }


def test_listing_names_imports_no_plug_in():
    loaded = loaded_by("from graft.registry import Registry\nRegistry('graft.readers', 'reader')")
    assert not loaded & set(HEAVY)


WATCH = """
import json, logging, os, random, sys, warnings
import numpy, torch

def state():
    return {
        "environment": dict(os.environ),
        "threads": [torch.get_num_threads(), torch.get_num_interop_threads()],
        "torch": torch.get_rng_state().tolist(),
        "numpy": repr(numpy.random.get_state()[1:]),
        "random": repr(random.getstate()),
        "default dtype": str(torch.get_default_dtype()),
        "grad": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "level": logging.getLogger().level,
        "handlers": len(logging.getLogger().handlers),
        "hook": repr(sys.excepthook),
        "folder": os.getcwd(),
    }

def filters():
    return [repr(one) for one in warnings.filters]

# What is changed by a library of others is not ours to answer for.
for name in sys.argv[1].split(","):
    __import__(name)
before, filtered = state(), filters()
for name in sys.argv[2].split(","):
    __import__(name)
after = state()
changed = [key for key in before if before[key] != after[key]]
more = [one for one in filters() if one not in filtered]
print(json.dumps({"changed": changed, "filters": more}))
"""
LIBRARIES = ["numpy", "scipy.stats", "torchvision", "timm", "sklearn.base", "openvino", "PIL.Image", "pyarrow.parquet"]


def test_importing_every_module_changes_nothing():
    found = json.loads(run(WATCH, ",".join(LIBRARIES), ",".join(MODULES)).splitlines()[-1])
    assert found == {"changed": [], "filters": []}


def test_every_public_name_is_there_and_no_other():
    for name in graft.__all__:
        assert getattr(graft, name) is not None
    assert set(graft.__all__) <= set(dir(graft))
    assert {"fit", "evaluate", "predict", "inspect", "show", "load", "Classifier", "Model"} <= set(graft.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        graft.nonsense  # noqa: B018


def test_the_version_is_that_of_the_package():
    from importlib.metadata import version

    assert graft.__version__ == version("graft-ml")
