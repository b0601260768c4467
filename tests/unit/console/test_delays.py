"""A command that waits for Microsoft Graph says so; its logs are printed on request only."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from console.delays import DelayNotice
from console.invocation import Invocation
from console.main import cli
from console.wiring.calls import CallContext
from graph.errors import GraphUnavailable, ItemCorrupt
from phrases import Phrase
from tests.unit.console.conftest import CLIENT, NOW, TENANT, USER, Run

UNTIL = NOW + timedelta(minutes=1, seconds=10)
AWAY = GraphUnavailable(Phrase("No connection."))


@pytest.fixture
def notice() -> tuple[DelayNotice, Callable[[float], None]]:
    """A notice, and the way to let seconds pass."""
    times = [100.0]

    def wait(seconds: float) -> None:
        times[0] += seconds

    return DelayNotice(lambda: times[0]), wait


def test_a_retry_is_told_with_its_reason_and_its_end(
    notice: tuple[DelayNotice, Callable[[float], None]], capsys: pytest.CaptureFixture[str]
) -> None:
    notice[0](AWAY, UNTIL)
    notice[0](GraphUnavailable(Phrase("Too many."), status=429), UNTIL)
    assert capsys.readouterr().err == (
        "Microsoft Graph does not answer; trying again until 12:01:10 UTC. No connection.\n"
    )
    notice[1](20)
    notice[0](GraphUnavailable(Phrase("Too many."), status=429), UNTIL)
    assert capsys.readouterr().err == "Microsoft Graph answers 429; trying again until 12:01:10 UTC. Too many.\n"


def test_an_error_is_told_even_right_after_the_notice_that_there_is_no_answer(
    notice: tuple[DelayNotice, Callable[[float], None]], capsys: pytest.CaptureFixture[str]
) -> None:
    notice[0](None, UNTIL)
    notice[0](None, UNTIL)
    notice[0](AWAY, UNTIL)
    notice[0](None, UNTIL)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "Microsoft Graph has not answered yet; waiting until 12:01:10 UTC."
    assert second.startswith("Microsoft Graph does not answer;")


def test_the_fault_of_an_item_is_no_silence_of_graph(
    notice: tuple[DelayNotice, Callable[[float], None]], capsys: pytest.CaptureFixture[str]
) -> None:
    notice[0](ItemCorrupt(Phrase("It cannot be read.")), UNTIL)
    assert capsys.readouterr().err == ""


@pytest.fixture
def unreached(run: Run, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A command whose Graph refuses connections, tried for a second."""
    made = json.loads(run("certificates", "new", "--subject", "x", "--json").stdout)
    run(
        "accounts", "add", "--name", "laboratory", "--tenant-id", TENANT, "--client-id", CLIENT, "--user-id", USER,
        "--thumbprint", made["thumbprint"], "--no-secure-certificate-access",
    )  # fmt: skip
    for name in ("GRAPH_URL", "AUTHORITY_URL"):
        monkeypatch.setenv(f"MAIL_IMPORTER_{name}", "https://127.0.0.1:9")

    def call(*arguments: str) -> Result:
        assert engine is not None
        calls = CallContext(call_seconds=8.0, failures_remembered_seconds=0.0)
        return CliRunner().invoke(cli, list(arguments), obj=Invocation(calls=calls))

    return call


@pytest.mark.slow
def test_a_command_says_that_it_tries_again_and_prints_no_logs(unreached: Callable[..., Result]) -> None:
    result = unreached("accounts", "folders", "laboratory")
    assert result.exit_code == 1
    first, *others, error = result.stderr.splitlines()
    for notice in (first, *others):  # repeated after 15 seconds, which a busy machine may take
        assert notice.startswith("Microsoft Graph does not answer; trying again until ")
    assert error.startswith("Error: ")


@pytest.mark.slow
def test_logs_are_printed_on_request(unreached: Callable[..., Result]) -> None:
    stderr = unreached("-v", "accounts", "folders", "laboratory").stderr
    assert '"event": "graph_call_delayed"' in stderr
