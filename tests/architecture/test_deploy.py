"""Holds deploy/ to what docs/deploy.md says of it: the Dockerfile line by line, Kubernetes object by object."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, lines that go on joined and comments left out."""
    text = "\n".join(one for one in (DEPLOY / "Dockerfile").read_text("utf-8").splitlines() if one[:1] != "#")
    joined = re.sub(r"\\\n\s*", "", text)
    found = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(word, rest) for word, rest in found]


def objects() -> dict[str, dict]:
    found = [one for one in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8")) if one]
    assert len({one["kind"] for one in found}) == len(found)
    return {one["kind"]: one for one in found}


def pod() -> dict:
    return objects()["Deployment"]["spec"]["template"]["spec"]


def container() -> dict:
    (found,) = pod()["containers"]
    return found


def test_the_dockerfile_has_known_instructions_only():
    known = {
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "ENV",
        "USER",
        "EXPOSE",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    }
    words = [word for word, _ in instructions()]
    assert set(words) <= known
    assert words[0] == "FROM"
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    assert all(":" in one and not one.endswith(":latest") for one in bases)


def test_the_image_is_not_run_as_root_and_looks_after_itself():
    found = instructions()
    last = found[max(number for number, (word, _) in enumerate(found) if word == "FROM") :]
    told = dict(last)
    user, _, group = told["USER"].partition(":")
    assert int(user) > 0 and int(group) > 0
    assert f"--uid {user}" in told["RUN"]
    order = [word for word, _ in last]
    assert order.index("RUN") < order.index("USER") < order.index("ENTRYPOINT")
    assert "/health" in told["HEALTHCHECK"]
    assert told["STOPSIGNAL"] == "SIGTERM"


def test_the_command_is_a_list_so_that_signals_arrive():
    told = dict(instructions())
    entry, command = yaml.safe_load(told["ENTRYPOINT"]), yaml.safe_load(told["CMD"])
    assert (entry, command[0]) == (["graft"], "serve")
    assert f"127.0.0.1:{told['EXPOSE']}" in told["HEALTHCHECK"]
    assert command[command.index("--port") + 1] == told["EXPOSE"]
    assert command[command.index("--key-file") + 1].startswith("/run/secrets/")


def test_every_file_that_is_copied_is_there_and_no_secret():
    for word, rest in instructions():
        if word == "COPY" and "--from" not in rest:
            *sources, _ = shlex.split(rest)
            assert all((ROOT / one).exists() for one in sources)
            assert not {".", "./", "*"} & set(sources), "the whole folder would bring .venv and data"
        assert not re.search(r"(?i)\b(password|token|secret|api_key)\s*=", rest)


def test_a_server_needs_no_torch_and_the_projects_own_versions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    known: dict[str, str] = {}
    extras = [one for group in project["optional-dependencies"].values() for one in group]
    for one in [*project["dependencies"], *extras]:
        known[Requirement(one).name] = str(Requirement(one).specifier)
    lines = [one for one in (DEPLOY / "requirements-server.txt").read_text("utf-8").splitlines() if one[:1] != "#"]
    asked = {Requirement(one).name: str(Requirement(one).specifier) for one in lines}
    assert list(asked) == sorted(asked)
    assert not {"torch", "torchvision", "timm", "transformers", "scikit-learn", "openvino"} & set(asked)
    assert {"numpy", "onnxruntime", "fastapi", "uvicorn"} <= set(asked)
    for name, versions in asked.items():
        assert versions
        assert known.get(name, versions) == versions, name


def test_the_objects_belong_together():
    found = objects()
    assert set(found) == {"ServiceAccount", "PersistentVolumeClaim", "Deployment", "Service"}
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels == found["Service"]["spec"]["selector"]
    assert pod()["serviceAccountName"] == found["ServiceAccount"]["metadata"]["name"]
    claims = [one["persistentVolumeClaim"]["claimName"] for one in pod()["volumes"] if "persistentVolumeClaim" in one]
    assert claims == [found["PersistentVolumeClaim"]["metadata"]["name"]]
    assert {one["name"] for one in pod()["volumes"]} == {one["name"] for one in container()["volumeMounts"]}
    (port,) = container()["ports"]
    assert found["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]


@pytest.mark.parametrize(
    ("probe", "path"), [("startupProbe", "/health"), ("livenessProbe", "/health"), ("readinessProbe", "/ready")]
)
def test_probes(probe, path):
    asked = container()[probe]["httpGet"]
    assert asked == {"path": path, "port": container()["ports"][0]["name"]}


def test_the_pod_has_few_rights_and_stated_room():
    assert pod()["securityContext"]["runAsNonRoot"] is True
    user = int(dict(instructions())["USER"].partition(":")[0])
    assert pod()["securityContext"]["runAsUser"] == user
    rights = container()["securityContext"]
    assert rights == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod()["automountServiceAccountToken"] is False
    assert set(container()["resources"]) == {"requests", "limits"}
    assert all({"cpu", "memory"} == set(one) for one in container()["resources"].values())


def test_the_key_comes_from_a_secret_and_the_model_from_a_volume_that_is_only_read():
    command = container()["args"]
    mounts = {one["mountPath"]: one for one in container()["volumeMounts"]}
    key = Path(command[command.index("--key-file") + 1])
    volumes = {one["name"]: one for one in pod()["volumes"]}
    secret = volumes[mounts[str(key.parent)]["name"]]["secret"]
    assert secret["defaultMode"] == 0o440
    assert f"secret generic {secret['secretName']} --from-file={key.name}=" in (DEPLOY / "kubernetes.yaml").read_text()
    assert mounts[str(Path(command[1]).parent)]["readOnly"] is True
    assert command == yaml.safe_load(dict(instructions())["CMD"]), "image and cluster start the same"
