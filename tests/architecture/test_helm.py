"""Renders the Helm chart by a few lines of its own (no helm is at hand) and compares it with deploy/kubernetes.yaml."""

import json
import re
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
CHART = DEPLOY / "helm" / "graft"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
TEMPLATES = sorted((CHART / "templates").iterdir())
BLOCK = re.compile(r"\{\{- if (\.[\w.]+) \}\}\n(.*)\{\{- end \}\}\n", re.S)
ACTION = re.compile(r"\{\{ (.+?) \}\}")
PATH = re.compile(r"\.[A-Za-z][\w.]*")


def valued(path, values):
    """Return what a path such as ``.Values.image.tag`` leads to; one that leads nowhere fails the test."""
    found = {"Values": values, "Release": {"Name": "graft"}}
    for part in path.split(".")[1:]:
        found = found[part]
    return found


def said(action, values):
    """Return what one action of a template gives: a path or printf, perhaps quoted. Anything else fails the test."""
    head, *filters = (one.strip() for one in action.split("|"))
    assert filters in ([], ["quote"]), action
    form = re.fullmatch(r'printf "([^"]*)"((?: \.[\w.]+)+)', head)
    if form:
        found = form[1] % tuple(valued(one, values) for one in form[2].split())
    else:
        assert PATH.fullmatch(head), action
        found = valued(head, values)
    if filters:
        return json.dumps(str(found))
    return str(found).lower() if isinstance(found, bool) else str(found)


def rendered(**changed):
    """Return the objects of a release called graft, by kind."""
    values = {**VALUES, **changed}
    found = {}
    for file in TEMPLATES:
        text = file.read_text("utf-8")
        block = BLOCK.fullmatch(text)
        if block:
            text = block[2] if valued(block[1], values) else ""
        text = ACTION.sub(lambda one: said(one[1], values), text)
        assert "{{" not in text, file.name
        for one in yaml.safe_load_all(text):
            if one is not None:
                assert one["kind"] not in found
                found[one["kind"]] = one
    return found


def paths(values, start=".Values"):
    for name, value in values.items():
        if isinstance(value, dict):
            yield from paths(value, f"{start}.{name}")
        else:
            yield f"{start}.{name}"


def plain():
    found = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8"))
    return {one["kind"]: one for one in found if one}


def without_release(told):
    """Return an object without what only a chart has: the label of the release, and the pull policy."""
    if isinstance(told, dict):
        own = {"app.kubernetes.io/instance", "imagePullPolicy"}
        return {key: without_release(value) for key, value in told.items() if key not in own}
    return [without_release(one) for one in told] if isinstance(told, list) else told


def test_the_chart_says_what_it_is():
    told = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert (told["apiVersion"], told["name"], told["type"]) == ("v2", CHART.name, "application")
    assert re.fullmatch(r"\d+\.\d+\.\d+", told["version"])
    assert told["appVersion"] == str(VALUES["image"]["tag"])
    assert told["description"]


def test_with_its_own_values_it_is_what_the_plain_file_is():
    assert without_release(rendered()) == plain()


def test_values_and_templates_fit_each_other():
    used = {one for file in TEMPLATES for one in re.findall(r"\.Values\.[\w.]+", file.read_text("utf-8"))}
    assert used == set(paths(VALUES))


def test_every_value_is_documented():
    documented = (DEPLOY.parent / "docs" / "deploy.md").read_text("utf-8")
    for one in paths(VALUES):
        name = one.removeprefix(".Values.")
        assert f"`{name}`" in documented or name.startswith("resources."), name


def test_what_is_changed_arrives_everywhere():
    image = {"repository": "registry.example.org/g", "tag": "9.9.9", "pullPolicy": "Always"}
    found = rendered(port=9000, servicePort=443, replicas=5, image=image, keySecret="other", model="/models/a b.onnx")
    pod = found["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "registry.example.org/g:9.9.9"
    assert container["ports"][0]["containerPort"] == 9000
    assert container["args"][container["args"].index("--port") + 1] == "9000"
    assert container["args"][1] == "/models/a b.onnx"
    assert found["Service"]["spec"]["ports"][0] == {"name": "http", "port": 443, "targetPort": "http"}
    assert found["Deployment"]["spec"]["replicas"] == 5
    assert "other" in [one["secret"]["secretName"] for one in pod["volumes"] if "secret" in one]


def test_what_can_be_left_out_is():
    assert "PersistentVolumeClaim" not in rendered(models={**VALUES["models"], "create": False})
    policy = rendered(networkPolicy=True)["NetworkPolicy"]["spec"]
    labels = rendered()["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"] == labels
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == []
    assert policy["ingress"][0]["ports"] == [{"protocol": "TCP", "port": "http"}]


def test_an_unknown_value_is_noticed():
    with pytest.raises(KeyError):
        said(".Values.nowhere", VALUES)
    with pytest.raises(AssertionError):
        said("include graft.name", VALUES)
