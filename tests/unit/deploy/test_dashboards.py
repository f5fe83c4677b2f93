import json
from functools import lru_cache
from typing import Any

import pytest
import yaml

from deploy.monitoring.boards.__main__ import FOLDER
from deploy.monitoring.boards.catalogue import BOARDS
from deploy.monitoring.boards.grafana import as_json
from deploy.monitoring.boards.spec import Board, Kind
from tests.unit.deploy.prometheus_files import ROOT, misused, rules

# A ConfigMap may have 1 MiB.
LARGEST_BYTES = 500_000
every_board = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)


@lru_cache
def _json(board: Board) -> dict[str, Any]:
    return json.loads(as_json(board))


@every_board
def test_the_file_of_a_dashboard_is_what_the_code_makes(board: Board):
    text = (FOLDER / f"{board.name}.json").read_text()
    assert text == as_json(board), "run `python -m deploy.monitoring.boards`"
    assert len(text) < LARGEST_BYTES


def test_there_is_no_file_without_a_dashboard():
    assert {path.stem for path in FOLDER.glob("*.json")} == {board.name for board in BOARDS}


@every_board
def test_a_dashboard_asks_only_for_metrics_that_some_process_shows(board: Board):
    asked = [query.expr for panel in board.panels() for query in panel.queries]
    asked += [variable.metric for variable in board.variables]
    assert {expr: misused(expr) for expr in asked if misused(expr)} == {}


@every_board
def test_every_variable_of_an_expression_can_be_chosen(board: Board):
    offered = {variable.name for variable in board.variables}
    for panel in board.panels():
        for query in panel.queries:
            used = {part.split('"')[0] for part in query.expr.split('"$')[1:]}
            assert used <= offered, panel.title


def test_a_dashboard_keeps_the_address_that_people_have_noted():
    assert [_json(board)["uid"] for board in BOARDS] == [
        "futago-overview", "futago-gateway", "futago-twin", "futago-anomaly", "futago-planner", "futago-infrastructure",
    ]  # fmt: skip
    # A number is of one Grafana's database: it would overwrite whatever has it in another.
    assert all(_json(board).get("id") is None for board in BOARDS)
    titles = [_json(board)["title"] for board in BOARDS]
    assert len(set(titles)) == len(titles)


def test_grafana_finds_dashboards_and_prometheus_where_compose_puts_them():
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    mounts = dict(each.split(":")[:2] for each in compose["services"]["grafana"]["volumes"])
    provisioning = ROOT / "deploy/monitoring/grafana/provisioning"
    assert mounts["./monitoring/grafana/provisioning"] == "/etc/grafana/provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards/futago.yml").read_text())["providers"]
    assert provider["options"]["path"] == mounts["./monitoring/dashboards"]
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    host, port = source["url"].removeprefix("http://").split(":")
    assert f":{port}/" in compose["services"][host]["healthcheck"]["test"][1]
    # `$__rate_interval` is four of these; it has to be the scrapes'.
    scrape = yaml.safe_load((ROOT / "deploy/monitoring/prometheus.yml").read_text())["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scrape


@every_board
def test_panels_have_titles_and_places_of_their_own(board: Board):
    shown = [panel for panel in _json(board)["panels"] if panel["type"] != "row"]
    titles = [panel["title"] for panel in shown]
    assert len(titles) == len(set(titles)) == len(list(board.panels()))
    cells = [
        (x, y)
        for panel in _json(board)["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in _json(board)["panels"]}) == len(_json(board)["panels"])


@every_board
def test_a_panel_links_to_the_runbooks_of_alerts_that_exist(board: Board):
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    linked = {alert for panel in board.panels() for alert in panel.runbooks}
    assert linked <= alerts
    assert linked, "a dashboard leads to what can be done"
    urls = [link["url"] for panel in _json(board)["panels"] for link in panel.get("links", [])]
    assert set(urls) == {f"${{runbooks}}/{alert}.md" for alert in linked}


@every_board
def test_a_chart_of_many_series_says_which_is_which(board: Board):
    for panel in board.panels():
        assert panel.kind is Kind.STAT or all(query.legend for query in panel.queries), panel.title


def test_every_dashboard_reads_the_source_that_is_provisioned():
    source = (ROOT / "deploy/monitoring/grafana/provisioning/datasources/prometheus.yml").read_text()
    assert "type: prometheus" in source
    for board in BOARDS:
        kinds = {variable["name"]: variable["type"] for variable in _json(board)["templating"]["list"]}
        assert kinds["datasource"] == "datasource"
        assert all(
            panel["datasource"]["uid"] == "${datasource}" for panel in _json(board)["panels"] if panel["type"] != "row"
        )


def test_every_alert_is_on_some_dashboard_or_shown_as_firing():
    overview = next(board for board in BOARDS if board.name == "overview")
    assert any("ALERTS" in query.expr for panel in overview.panels() for query in panel.queries)
