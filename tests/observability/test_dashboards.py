"""The committed dashboards: generated, well formed, and using exactly what is exported."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.generator import __main__ as generator
from grafana.generator import parts as panels
from noggin_mp.observe import catalogue
from tests.observability import dashboards, fast
from tests.support import markdown

RUNBOOKS = markdown.DOCS / "runbooks"
HISTOGRAMS = {spec.name for spec in catalogue.SPECS.values() if spec.type == "histogram"}
UNITS = {"short", "s", "bytes", "Bps", "reqps", "percentunit", "dateTimeFromNow"}
VARIABLES = {
    "fleet": ["datasource", "instance", "scope", "runbooks"],
    "worker": ["datasource", "instance", "worker", "runbooks"],
    "imports": ["datasource", "instance", "type", "runbooks"],
    "types": ["datasource", "instance", "type", "runbooks"],
}

each = pytest.mark.parametrize("path", dashboards.FILES, ids=lambda path: path.stem)


def plain(made: dict[str, Any]) -> list[dict[str, Any]]:
    """The panels that show something."""
    return [panel for panel in made["panels"] if panel["type"] != "row"]


def test_generated_files_are_the_committed_ones() -> None:
    stale = [
        path.name
        for path, text in generator.files().items()
        if not path.exists() or path.read_text("utf-8") != text
    ]
    assert stale == [], "run: make docs"


def test_there_are_the_four_dashboards() -> None:
    assert {path.stem: dashboards.load(path)["uid"] for path in dashboards.FILES} == {
        "fleet": "noggin-fleet",
        "imports": "noggin-imports",
        "types": "noggin-types",
        "worker": "noggin-worker",
    }


@each
def test_panels_have_what_a_reader_needs(path: Path) -> None:
    made = dashboards.load(path)
    assert made["schemaVersion"] == panels.SCHEMA_VERSION
    assert "id" not in made  # Grafana gives it; a fixed one would hit another dashboard
    ids = [panel["id"] for panel in made["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in plain(made):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["targets"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            assert target["expr"]
            assert target["legendFormat"]


@each
def test_panels_fill_the_grid_without_overlap(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboards.load(path)["panels"]:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= panels.WIDTH
        cells = set(
            itertools.product(
                range(place["x"], place["x"] + place["w"]),
                range(place["y"], place["y"] + place["h"]),
            )
        )
        assert not cells & taken, panel["title"]
        taken |= cells
    rows = max(y for _, y in taken) + 1
    assert len(taken) == rows * panels.WIDTH


@each
def test_variables_are_declared_and_used(path: Path) -> None:
    made = dashboards.load(path)
    names = [one["name"] for one in made["templating"]["list"]]
    assert names == VARIABLES[path.stem]
    text = json.dumps(made)
    used = set(re.findall(r"\$\{?([a-z]\w*)", text)) - {"__rate_interval"}
    assert set(names) == used | {"datasource"}
    for one in made["templating"]["list"]:
        if one["type"] == "query":
            assert one["definition"] == one["query"]["query"]
            assert one["includeAll"]
            assert one["allValue"] == ".+"


@each
def test_runbook_links_lead_to_a_heading(path: Path) -> None:
    urls = [
        link["url"] for panel in dashboards.load(path)["panels"] for link in panel.get("links", [])
    ]
    assert urls
    for url in urls:
        page, _, anchor = url.removeprefix("${runbooks}/").partition("#")
        assert anchor in markdown.anchors(RUNBOOKS / page), url


def test_exported_metrics_are_those_that_dashboards_and_rules_use() -> None:
    expressions = [*fast.expressions().values(), *(one.expr for one in dashboards.shown())]
    for path in dashboards.FILES:
        for one in dashboards.load(path)["templating"]["list"]:
            expressions.append(one.get("definition", ""))
    used = {name for text in expressions for name in dashboards.metrics(text, HISTOGRAMS)}

    assert used == {spec.name for spec in catalogue.SPECS.values()}


def test_recorded_series_that_are_used_are_recorded() -> None:
    expressions = [*fast.expressions().values(), *(one.expr for one in dashboards.shown())]
    used = {name for text in expressions for name in re.findall(r"\bnoggin:[\w:]+", text)}

    assert used == {name for name in fast.expressions() if name.startswith("noggin:")}


@pytest.mark.parametrize("one", list(dashboards.shown()), ids=lambda one: one.name)
def test_labels_that_an_expression_names_are_the_metrics_own(one: dashboards.Shown) -> None:
    allowed = {"instance", "job", "le"}
    for name, selector in re.findall(r"noggin_([a-z_]+){([^}]*)}", one.expr):
        spec = catalogue.of_sample(f"noggin_{name.removesuffix('_count')}")
        named = set(re.findall(r"(\w+)=~?\"", selector))
        assert named <= allowed | set(spec.labels), one.expr


def test_provisioning_names_what_is_there() -> None:
    folder = fast.ROOT / "grafana"
    sources = yaml.safe_load((folder / "provisioning/datasources/noggin.yml").read_text())
    assert [one["type"] for one in sources["datasources"]] == ["prometheus", "alertmanager"]
    assert all(one["uid"] and one["url"] for one in sources["datasources"])
    boards = yaml.safe_load((folder / "provisioning/dashboards/noggin.yml").read_text())
    compose = yaml.safe_load((folder / "compose.yaml").read_text())
    assert set(compose["services"]) == {"prometheus", "alertmanager", "grafana"}
    mounts = [
        volume.split(":")
        for service in compose["services"].values()
        for volume in service["volumes"]
    ]
    for host, *_ in mounts:
        if host.startswith("./") and not host.startswith("./secrets/"):
            assert (folder / host).exists(), host
    inside = boards["providers"][0]["options"]["path"]
    assert ["./dashboards", inside, "ro"] in mounts
    given = {host for host, *_ in mounts if not host.startswith("./")}
    assert given == set(compose["volumes"])
    addresses = re.findall(r"listen-address=(\S*?):", json.dumps(compose))
    assert set(addresses) == {"127.0.0.1"}  # nobody else may read, or silence, anything
