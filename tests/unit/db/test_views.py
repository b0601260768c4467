"""The views, with rows: what a program of another author reads."""

from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine, column, insert, select, table, update

from db.columns import UtcDateTime
from db.engine import Database, run_reading, run_writing
from db.queries import accounts
from db.queries.accounts import AccountSettings
from db.queries.messages import MessageStore
from db.schema.reflection import schema_of
from db.tables import account_settings, mailbox_address
from db.views import VIEWS, View, email, email_attachment
from tests.databases import on_every_database
from tests.doubles.clock import SettableClock
from tests.unit.db.queries.test_messages import file_attachment, record

CLOCK: Final = SettableClock()
pytestmark = on_every_database


def rows(engine: Engine, view: View) -> list[dict[str, Any]]:
    """All columns of all rows; times as the tables have them."""

    def read(connection: Connection) -> list[dict[str, Any]]:
        columns = [
            column(each.name, UtcDateTime() if each.name.startswith("dt") else each.type) for each in view.columns
        ]
        shown = table(view.name, *columns, schema=schema_of(connection))
        number = next(iter(shown.c))
        return [dict(row) for row in connection.execute(select(shown).order_by(number)).mappings()]

    return run_reading(engine, read)


@pytest.fixture
async def account_id(database: Database) -> int:
    settings = AccountSettings("lab", "t", "c", "0b1c-object-id", "p", False)
    return await database.write(lambda connection: accounts.add(connection, settings, now=CLOCK()))


@pytest.fixture
async def saved(database: Database, account_id: int) -> None:
    """A message with a file, a link, and a file unpacked from the first."""
    unpacked = file_attachment(2, b"x", parent_position=0, origin="item", file_name="inner.csv")
    mail = record(account_id=account_id)
    store = MessageStore(database, clock=CLOCK)
    await store.save(record(account_id=account_id, attachments=[*mail.attachments, unpacked]))
    await store.save(record("other", account_id=account_id, attachments=[], has_attachments=False))
    await store.close()


@pytest.mark.usefixtures("saved")
def test_a_message_is_shown_with_its_account_and_the_number_of_its_attachments(
    database_engine: Engine, account_id: int
) -> None:
    """What was unpacked from an attachment is not counted."""
    first, second = rows(database_engine, email)
    wanted = {
        "nAccountID": account_id,
        "sAccountName": "lab",
        "sMailbox": "0b1c-object-id",
        "sSubject": "Befund 測定 🧪",
        "sFromName": "Labor",
        "sFromAddress": "labor@example.com",
        "sSenderAddress": "sekretariat@example.com",
        "sBodyType": "html",
        "sBody": "<p>Grüße</p>",
        "sBodyText": "Grüße",
        "dtImported": CLOCK(),
        "bHasAttachments": True,
        "nAttachments": 2,
        "nSize": 70_000,
        "sRuleState": "white",
        "nRulesMatched": None,
        "sAfterImportState": None,
    }
    assert {name: first[name] for name in wanted} == wanted
    assert (second["sInternetMessageID"], second["nAttachments"]) == ("<other@example.com>", 0)


@pytest.mark.usefixtures("saved")
def test_an_attachment_is_shown_with_its_bytes_and_its_message(database_engine: Engine) -> None:
    """Linked and unpacked ones, too."""
    file, link, unpacked = rows(database_engine, email_attachment)
    assert (bytes(file["biContent"]), file["sState"], file["nParentPosition"]) == (b"a;b\n", "stored", None)
    assert (link["biContent"], link["sState"], link["sKind"]) == (None, "linked", "reference")
    assert (bytes(unpacked["biContent"]), unpacked["nParentPosition"], unpacked["sOrigin"]) == (b"x", 0, "item")
    of_message = {"sAccountName": "lab", "sMailbox": "0b1c-object-id", "sSubject": "Befund 測定 🧪"}
    for each in (file, link, unpacked):
        assert {name: each[name] for name in of_message} == of_message


@pytest.mark.usefixtures("saved")
def test_the_mailbox_is_its_address_once_that_is_known(database_engine: Engine, account_id: int) -> None:
    """For the user of today; an address of an earlier user does not count."""
    address = {"nAccountID": account_id, "sAddress": "lab@example.com", "dtLearned": CLOCK()}
    learned = insert(mailbox_address).values(**address, sUserID="0b1c-object-id")
    run_writing(database_engine, lambda connection: connection.execute(learned))
    for view in VIEWS:
        assert {row["sMailbox"] for row in rows(database_engine, view)} == {"lab@example.com"}
    changed = update(account_settings).values(sUserID="another")
    run_writing(database_engine, lambda connection: connection.execute(changed))
    for view in VIEWS:
        assert {row["sMailbox"] for row in rows(database_engine, view)} == {"another"}


@pytest.mark.usefixtures("saved")
def test_mail_of_a_removed_account_is_shown(database_engine: Engine, account_id: int) -> None:
    """Without the name of the account, whose row is gone."""
    before = [len(rows(database_engine, view)) for view in VIEWS]
    gone = account_settings.delete().where(account_settings.c.nAccountID == account_id)
    run_writing(database_engine, lambda connection: connection.execute(gone))
    assert [len(rows(database_engine, view)) for view in VIEWS] == before
    assert {(row["sAccountName"], row["sMailbox"]) for row in rows(database_engine, email)} == {(None, None)}
