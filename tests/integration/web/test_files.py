"""The page of files of import rules: what failed is tried again or given up, on record."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from console.web.rights import Role
from db.queries import audit
from db.tables import account_settings, email_file
from tests.databases import on_every_database
from tests.doubles.rule_files import add_account, add_file, add_message, add_rule, failed, saved, waiting
from tests.integration.web.console_site import ConsoleSite
from tests.integration.web.forms_and_jobs import finished, next_page, value_of


@pytest.fixture
def filled(site: ConsoleSite) -> dict[str, int]:
    """The numbers of files, by name."""
    now = datetime.now(UTC)

    def fill(connection: Connection) -> dict[str, int]:
        account = add_account(connection)
        add_rule(connection, "Results")
        number = add_message(connection, "m1", nAccountID=account, sRuleState="red", nRulesMatched=1)
        facts: dict[str, dict[str, Any]] = {
            "saved.csv": saved(now),
            "failed.csv": failed(),
            "waits<i>.csv": waiting(now),
            "new.csv": {},
        }
        return {name: add_file(connection, number, name, dtCreated=now, **each) for name, each in facts.items()}

    found: dict[str, int] = site.write(fill)
    return found


def states(site: ConsoleSite) -> dict[str, tuple[str, int]]:
    row = email_file.c
    statement = select(row.sFileName, row.sState, row.nAttempts)
    rows = site.read(lambda connection: connection.execute(statement).all())
    return {name: (state, attempts) for name, state, attempts in rows}


def audited(site: ConsoleSite) -> list[tuple[str, str, str, int, str | None]]:
    rows = site.read(lambda connection: audit.latest(connection, limit=10))
    return [(each.action, each.who, each.selection, each.messages, each.why) for each in rows]


async def test_the_list_has_what_failed_with_its_cause(site: ConsoleSite, filled: dict[str, int]) -> None:
    browser = await site.signed_in(Role.VIEWER)
    text = (await browser.get("/files")).text
    assert "failed.csv" in text
    assert "waits&lt;i&gt;.csv" in text
    assert "does not exist." in text
    assert "new.csv" not in text
    assert "formaction" not in text
    assert "saved.csv" in (await browser.get("/files?state=saved&rule=Results")).text
    assert (await browser.get("/files?rule=Unknown")).status == 404
    assert (await browser.get("/files?state=lost")).status == 400
    assert filled


@on_every_database
async def test_files_of_a_hidden_account_are_neither_shown_nor_changed(
    site: ConsoleSite, filled: dict[str, int]
) -> None:
    hide = update(account_settings).values(sConsoleAccess="doctors")
    site.write(lambda connection: connection.execute(hide))
    browser = await site.signed_in(Role.OPERATOR)
    assert "No file fits." in (await browser.get("/files")).text
    for fields in ({"scope": "all"}, {"scope": "selected", "file": filled["failed.csv"]}):
        answer = await browser.post("/files/skip", fields)
        assert "No file matches" in (await browser.follow(answer)).text
    assert states(site)["failed.csv"][0] == "failed"


@on_every_database
async def test_retry_makes_all_due_again_on_record(site: ConsoleSite, filled: dict[str, int]) -> None:
    browser = await site.signed_in(Role.OPERATOR)
    await browser.get("/files")
    answer = await browser.post("/files/retry", {"scope": "all", "rule": "Results", "why": "ticket 7"})
    assert "2 files are due again." in await finished(browser, answer)
    assert states(site)["failed.csv"] == states(site)["waits<i>.csv"] == ("pending", 0)
    assert audited(site) == [("delivery retry", "operator", "rule Results", 2, "ticket 7")]
    assert filled


async def test_giving_up_tells_the_number_first(site: ConsoleSite, filled: dict[str, int]) -> None:
    browser = await site.signed_in(Role.OPERATOR)
    await browser.get("/files")
    fields: dict[str, Any] = {"scope": "selected", "file": [filled["failed.csv"], filled["new.csv"], 4711]}
    asked = await browser.post("/files/skip", fields)
    assert "Give up 2 files, so that they are not saved?" in asked.text
    assert states(site)["failed.csv"][0] == "failed"
    answer = await browser.post("/files/skip", {**fields, "up_to": value_of(asked.text, "up_to")})
    assert "2 files are given up." in await finished(browser, answer)
    assert states(site)["failed.csv"][0] == states(site)["new.csv"][0] == "skipped"
    assert states(site)["waits<i>.csv"][0] == "pending"


async def test_what_fails_after_the_number_was_told_is_not_given_up(site: ConsoleSite, filled: dict[str, int]) -> None:
    browser = await site.signed_in(Role.OPERATOR)
    await browser.get("/files")
    asked = await browser.post("/files/skip", {"scope": "all"})
    assert "Give up 2 files" in asked.text
    site.write(lambda connection: add_file(connection, 1, "late.csv", **failed()))
    answer = await browser.post("/files/skip", {"scope": "all", "up_to": value_of(asked.text, "up_to")})
    await finished(browser, answer)
    assert states(site)["late.csv"][0] == "failed"
    assert filled


@pytest.mark.parametrize("path", ["/files/retry", "/files/skip"])
async def test_a_viewer_changes_no_file(site: ConsoleSite, filled: dict[str, int], path: str) -> None:
    browser = await site.signed_in(Role.VIEWER)
    assert (await browser.post(path, {"scope": "all", "up_to": "1000"})).status == 403
    assert states(site)["failed.csv"] == ("failed", 3)
    assert filled


async def test_a_long_list_has_pages(site: ConsoleSite, filled: dict[str, int]) -> None:
    def fill(connection: Connection) -> None:
        for number in range(55):
            add_file(connection, 1, f"many{number}.csv", **failed())

    site.write(fill)
    browser = await site.signed_in(Role.VIEWER)
    first = (await browser.get("/files?state=failed")).text
    assert first.count("/many") + first.count(">many") == 50
    second = (await browser.get(next_page(first))).text
    assert second.count(">many") == 5
    assert "failed.csv" in second
    assert 'rel="next"' not in second
    assert filled
