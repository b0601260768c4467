"""The page of activity: who sees what of it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, update

from console.web.pages.activity import Kind
from console.web.rights import Role
from db.queries import accounts, audit, console_activity
from db.queries.console_activity import ActivityKind
from db.queries.history import Author
from db.tables import account_settings
from tests.integration.web.console_site import ConsoleSite
from tests.integration.web.forms_and_jobs import next_page

SETTINGS = accounts.AccountSettings("laboratory", "t", "c", "u", "p")
ANNA = Author("anna", "gateway-1")


@pytest.fixture
def filled(site: ConsoleSite) -> int:
    now = datetime.now(UTC)
    number: int = site.write(lambda connection: accounts.add(connection, SETTINGS, now=now, author=ANNA))
    changed = replace(SETTINGS, folder="Archive")
    site.write(lambda connection: accounts.change(connection, "laboratory", changed, now=now, author=ANNA))
    site.write(
        lambda connection: audit.begin(
            connection,
            action="purge",
            who="anna",
            host="gateway-1",
            selection="reason <i>X</i>",
            now=now,
            why="ticket 7",
        )
    )
    site.write(
        lambda connection: console_activity.note(
            connection,
            ActivityKind.ATTACHMENT_DOWNLOADED,
            who="bert",
            address="10.0.0.7",
            now=now,
            account_id=number,
            message_id=17,
            detail="findings.pdf",
        )
    )
    return number


async def test_a_viewer_does_not_see_what_others_did(site: ConsoleSite) -> None:
    assert (await (await site.signed_in(Role.VIEWER)).get("/activity")).status == 403


async def test_an_operator_sees_operations_and_changes_but_not_who_opened_mail(site: ConsoleSite, filled: int) -> None:
    browser = await site.signed_in(Role.OPERATOR)
    text = (await browser.get("/activity")).text
    assert "folder: Inbox → Archive" in text
    assert "purged messages of the queue" in text
    assert "Which: reason &lt;i&gt;X&lt;/i&gt;<br>Why: ticket 7<br>Without an end" in text
    assert "gateway-1" in text
    assert "findings.pdf" not in text
    assert "signed in" not in text
    assert "Openings of mail" not in text
    asked = (await browser.get("/activity?kind=mail")).text
    assert "findings.pdf" not in asked
    assert filled


async def test_an_administrator_sees_sign_ins_and_openings_of_mail(site: ConsoleSite, filled: int) -> None:
    browser = await site.signed_in(Role.ADMINISTRATOR)
    text = (await browser.get("/activity")).text
    assert "signed in" in text
    assert "findings.pdf" in text
    assert 'href="/messages/17"' in text
    mine = account_settings.c.nAccountID == filled
    site.write(lambda connection: connection.execute(update(account_settings).where(mine).values(sConsoleAccess="g")))
    hidden = (await browser.get("/activity?kind=mail")).text
    assert "downloaded an attachment" in hidden
    assert "findings.pdf" not in hidden, "the name of a file is of the mail"


async def test_each_activity_has_words_and_a_filter(site: ConsoleSite) -> None:
    now = datetime.now(UTC)
    users = {f"user {number}.": each for number, each in enumerate(ActivityKind)}

    def work(connection: Connection) -> None:
        for user, each in users.items():
            console_activity.note(connection, each, who=user, address="h", now=now)

    site.write(work)
    browser = await site.signed_in(Role.ADMINISTRATOR)
    text = (await browser.get("/activity")).text
    assert [each for each in ActivityKind if each.value in text] == []
    found = "".join([(await browser.get(f"/activity?kind={each}")).text for each in Kind])
    assert [each for user, each in users.items() if user not in found] == []


async def test_the_list_is_filtered_and_paged_by_its_address(site: ConsoleSite, filled: int) -> None:
    now = datetime.now(UTC)

    def work(connection: Connection) -> None:
        for number in range(60):
            selection = f"id m{number:02}"
            audit.begin(connection, action="import", who="carla", host="h", selection=selection, now=now)

    site.write(work)
    browser = await site.signed_in(Role.OPERATOR)
    first = (await browser.get("/activity?user=carla&kind=operations&since=1h")).text
    assert first.count("id m") == 50
    assert "id m59" in first
    assert "anna" not in first
    second = (await browser.get(next_page(first))).text
    assert second.count("id m") == 10
    assert "id m00" in second
    assert 'rel="next"' not in second
    assert filled


@pytest.mark.parametrize("query", ["since=never", "below=console-x", "below=secrets-1"])
async def test_a_wrong_address_is_refused(site: ConsoleSite, query: str) -> None:
    browser = await site.signed_in(Role.OPERATOR)
    assert (await browser.get(f"/activity?{query}")).status == 400
