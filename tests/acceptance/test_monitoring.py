"""The files under `deploy/monitoring/` can be used unchanged: rules, dashboard and check plugin."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from ruamel.yaml import YAML

from bus.database.adapter import DatabaseQueue
from bus.queue import Message, MessageId
from db.engine import Database
from tests.acceptance.conftest import Site
from tests.paths import ROOT
from tests.ports import free_port
from tests.system_packages import without_system_package
from tests.unit.docs.test_metrics import every_metric
from tests.waiting import until

_FILES: Final = ROOT / "deploy" / "monitoring"
_COLUMNS: Final = 24
_RARE: Final = {
    "account_turns_failed_total": "no turn fails while all works",
}
"""Parts of queries that have no series in a running installation, with the reason."""


def _program(name: str) -> str:
    """A program of Debian's package prometheus; its path."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which(name, path=places)
    if found is None:
        without_system_package("prometheus")
    return found


def _loaded(name: str) -> Any:  # noqa: ANN401  # YAML of any shape
    return YAML(typ="safe").load(_FILES / name)


def _dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((_FILES / "dashboard.json").read_text("utf-8"))
    return loaded


def _queries() -> list[str]:
    return [target["expr"] for panel in _dashboard()["panels"] for target in panel.get("targets", [])]


# Prometheus


@pytest.mark.parametrize(
    "arguments", [("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")], ids=lambda each: each[0]
)
def test_prometheus_takes_configuration_and_rules(arguments: tuple[str, ...]) -> None:
    """The rules fire when they should, and not before."""
    command = [_program("promtool"), *arguments]
    found = subprocess.run(command, cwd=_FILES, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_each_alert_is_tested() -> None:
    """Each fires in one of its tests, and is quiet in another."""
    alerts = {rule["alert"] for group in _loaded("alerts.yml")["groups"] for rule in group["rules"]}
    tests = [each for test in _loaded("alerts_test.yml")["tests"] for each in test["alert_rule_test"]]
    assert {each["alertname"] for each in tests if each["exp_alerts"]} == alerts
    assert {each["alertname"] for each in tests if not each["exp_alerts"]} == alerts


async def test_alerts_and_dashboard_use_metrics_that_exist() -> None:
    """A name with a slip would never fire, and never show anything."""
    known = set(await every_metric())
    known |= {f"{name}{end}" for name in known for end in ("_bucket", "_sum", "_count")}
    rules = [rule["expr"] for group in _loaded("alerts.yml")["groups"] for rule in group["rules"]]
    used = {name for text in (*rules, *_queries()) for name in re.findall(r"mail_importer_\w+", text)}
    assert used <= known


# Grafana


def test_the_dashboard_is_one_of_grafana() -> None:
    """Each panel has its own place and number, and takes the data source that is chosen above."""
    dashboard = _dashboard()
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    panels = dashboard["panels"]
    assert [each["title"] for each in panels if each["type"] == "row"] == [
        "Overview",
        "Queue",
        "Processing",
        "Microsoft Graph",
        "Files",
        "Accounts",
    ]
    assert len({each["id"] for each in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= _COLUMNS, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
        targets = panel.get("targets", [])
        assert len({each["refId"] for each in targets}) == len(targets)
        for part in (panel, *targets):
            assert part.get("datasource", {"uid": "${datasource}"})["uid"] == "${datasource}"
    unknown = {name for text in _queries() for name in re.findall(r"\$(\w+)", text)} - set(variables)
    assert unknown <= {"__rate_interval"}


@pytest.mark.slow
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_each_query_of_the_dashboard_returns_series(site: Site, tmp_path: Path) -> None:
    """Prometheus scrapes a running installation; an empty panel would be a slip in the query."""
    port = free_port()
    site.start("run", "all", MAIL_IMPORTER_METRICS_PORT=str(port))
    await site.subscribed()
    database = Database(site.gateway.engine())
    # A dead letter: its reason, and its state in the queue, are shown.
    queue = DatabaseQueue(database, clock=lambda: datetime.now(UTC))
    await queue.put([Message(MessageId("broken"), "no JSON", 1)])
    await queue.close()
    await database.close()
    await site.control.start_traffic(10, per_second=2)
    async with _prometheus(tmp_path, port) as prometheus:
        missing: list[str] = []

        async def complete() -> bool:
            missing[:] = [each for each in _queries() if not _is_rare(each) and not await prometheus.series(each)]
            return not missing

        try:
            await until(complete, "series of every query", seconds=90, pause=1)
        except AssertionError as exc:
            raise AssertionError(missing) from exc
        for variable in _dashboard()["templating"]["list"]:
            if variable["type"] == "query":
                assert await prometheus.values(variable["definition"]), variable["name"]


def _is_rare(query: str) -> bool:
    return any(each in query for each in _RARE)


class _Prometheus:
    """The server's API."""

    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._session = session

    async def ready(self) -> bool:
        try:
            async with self._session.get(f"{self._url}/-/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def series(self, query: str) -> list[Any]:
        """The series of a query of the dashboard, as Grafana asks for it."""
        text = query.replace("$__rate_interval", "30s").replace("$job", "mail-importer").replace("$account", ".*")
        found = await self._get("query", query=text)
        series: list[Any] = found["result"]
        return series

    async def values(self, definition: str) -> list[str]:
        """The values of `label_values(metric, label)`."""
        metric, label = definition.removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
        metric = metric.replace("$job", "mail-importer")
        found: list[str] = await self._get(f"label/{label}/values", **{"match[]": metric})
        return found

    async def _get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401  # JSON of any shape
        async with self._session.get(f"{self._url}/api/v1/{path}", params=parameters) as answer:
            body = await answer.json()
            assert answer.status == 200, body
            return body["data"]


@asynccontextmanager
async def _prometheus(folder: Path, scraped: int) -> AsyncIterator[_Prometheus]:
    with _prometheus_process(folder, scraped) as port:
        async with aiohttp.ClientSession() as session:
            prometheus = _Prometheus(port, session)
            await until(prometheus.ready, "Prometheus is ready")
            yield prometheus


@contextmanager
def _prometheus_process(folder: Path, scraped: int) -> Iterator[int]:
    config, port = folder / "prometheus.yml", free_port()
    # The scrape configuration of the example, with the port of this test, and faster.
    loaded = _loaded("prometheus.yml")
    loaded["global"]["scrape_interval"] = "1s"
    loaded["rule_files"] = [str(_FILES / "alerts.yml")]
    loaded["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{scraped}"]}]
    with config.open("w") as out:
        YAML(typ="safe").dump(loaded, out)
    command = [_program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    with (folder / "prometheus.log").open("wb") as log:
        running = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        yield port
    finally:
        running.terminate()
        running.wait(timeout=20)


# Nagios


@pytest.mark.parametrize(
    ("line", "exits", "shown", "status"),
    [
        ("MAIL-IMPORTER OK - no problems | problems=0", 0, "MAIL-IMPORTER OK - no problems | problems=0", 0),
        ("MAIL-IMPORTER CRITICAL - no_processor | problems=1", 2, "MAIL-IMPORTER CRITICAL", 2),
        ("Error: the settings are wrong", 2, "MAIL-IMPORTER UNKNOWN", 3),
        ("", 1, "MAIL-IMPORTER UNKNOWN", 3),
    ],
)
def test_the_check_plugin_keeps_to_the_statuses_of_nagios(
    tmp_path: Path, line: str, exits: int, shown: str, status: int
) -> None:
    """A command that fails is no critical state of the installation, but an unknown one."""
    command = tmp_path / "mail-importer"
    command.write_text(f'#!/bin/sh\necho "$@" > "{tmp_path}/arguments"\necho "{line}"\nexit {exits}\n', "utf-8")
    command.chmod(0o755)
    plugin = str(_FILES / "check_mail_importer")
    found = subprocess.run([plugin], env={"MAIL_IMPORTER": str(command)}, capture_output=True, text=True, check=False)
    assert (found.stdout.startswith(shown), found.stdout.count("\n"), found.returncode) == (True, 1, status)
    assert (tmp_path / "arguments").read_text("utf-8").strip() == "status --check --format nagios"
