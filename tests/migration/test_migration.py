"""The schema: made from `db.tables`, once, by any number of upgrades."""

import os
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, func, inspect, select, update

from db.engine import make_engine, run_reading, run_writing
from db.errors import SchemaNotCurrent
from db.schema import migration, revisions
from db.schema.comparison import Weight
from db.schema.reflection import schema_of
from db.tables import importer_secret, message, message_trace
from tests.databases import Gateway
from tests.doubles.clock import SettableClock
from tests.fork_server import ForkServer

NOW: Final = SettableClock()()


def put_revision(engine: Engine, revision: str) -> None:
    def work(connection: Connection) -> None:
        table = Table(revisions.VERSION_TABLE, MetaData(), Column("version_num", String))
        connection.execute(update(table).values(version_num=revision))

    run_writing(engine, work)


def test_a_new_database_differs_in_nothing_from_the_tables(database_engine: Engine) -> None:
    """Keys, checks, lengths and collations are compared, too."""
    assert [str(each) for each in migration.check(database_engine) if each.weight is not Weight.ADVICE] == []


def test_upgrade_twice_is_harmless(fresh: Engine) -> None:
    """A second upgrade changes nothing, the secret included."""
    first = migration.upgrade(fresh, now=NOW)
    secret = run_reading(fresh, revisions.stored_client_state_secret)
    assert first.is_current
    assert migration.upgrade(fresh, now=NOW) == first
    assert secret is not None
    assert len(secret) >= 48
    assert run_reading(fresh, revisions.stored_client_state_secret) == secret


def test_an_upgrade_adds_what_was_lost(database_engine: Engine) -> None:
    """A table and an index that were dropped by hand; the rows of the others stay."""
    index = next(each for each in message.indexes if each.name == "IX_tblEmailMessage_nAccountID_dtReceived")

    def lose(connection: Connection) -> None:
        message_trace.drop(connection)
        index.drop(connection)

    run_writing(database_engine, lose)
    secret = run_reading(database_engine, revisions.stored_client_state_secret)
    lost = {each.item or each.table for each in migration.check(database_engine) if each.weight is Weight.MISSING}
    assert lost == {message_trace.name, index.name}

    assert migration.upgrade(database_engine, now=NOW).is_current

    assert [str(each) for each in migration.check(database_engine) if each.weight is not Weight.ADVICE] == []
    assert run_reading(database_engine, revisions.stored_client_state_secret) == secret


def test_each_database_has_a_secret_of_its_own(fresh: Engine, database_engine: Engine) -> None:
    """The secret is made, not shipped."""
    migration.upgrade(fresh, now=NOW)
    secrets = {run_reading(engine, revisions.stored_client_state_secret) for engine in (fresh, database_engine)}
    assert len(secrets) == 2


@pytest.mark.parametrize("_attempt", range(3))
def test_two_hosts_upgrade_one_fresh_database(
    empty_gateway: Gateway, fresh: Engine, fork_server: ForkServer, tmp_path: Path, _attempt: int
) -> None:
    """Upgrades at the same time all succeed, and leave one schema and one secret."""
    program = (
        "import sys; from datetime import UTC, datetime; from db.schema import migration\n"
        "from tests.databases import Gateway\n"
        "engine = Gateway(*sys.argv[1:]).engine()\n"
        "sys.stdin.readline()\n"
        "print(migration.upgrade(engine, now=datetime.now(UTC)).is_current)"
    )
    reading, writing = os.pipe()
    outputs = [tmp_path / f"upgraded-{number}" for number in range(3)]
    children = []
    for path in outputs:
        with path.open("w") as output:
            children.append(
                fork_server.start("-c", program, *empty_gateway.arguments, stdin=reading, stdout=output, stderr=output)
            )
    os.close(reading)
    os.close(writing)  # all begin
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert [path.read_text() for path in outputs] == ["True\n"] * 3

    revisions.require_current(fresh)
    assert run_reading(fresh, lambda c: c.scalar(select(func.count()).select_from(importer_secret))) == 1


def test_failed_upgrade_leaves_nothing(fresh: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade that fails at its end is as if it had not been tried."""

    def fail(_length: int) -> str:
        raise RuntimeError("no entropy")

    with monkeypatch.context() as patched:
        patched.setattr("db.schema.migration.secrets.token_urlsafe", fail)
        with pytest.raises(RuntimeError, match="no entropy"):
            migration.upgrade(fresh, now=NOW)
    assert revisions.state(fresh).current is None
    assert inspect(fresh).get_table_names(run_reading(fresh, schema_of)) == []
    assert migration.upgrade(fresh, now=NOW).is_current


def test_current_schema_is_accepted(database_engine: Engine) -> None:
    """There is no message when the schema is current."""
    revisions.require_current(database_engine)


def test_looking_makes_no_file(tmp_path: Path) -> None:
    """Reading the state of the schema leaves no empty database behind."""
    engine = make_engine(f"sqlite:///{tmp_path / 'fresh.db'}")
    assert revisions.state(engine).current is None
    assert list(tmp_path.iterdir()) == []
    engine.dispose()


def test_no_schema_names_the_command(fresh: Engine) -> None:
    """The text names the command to run before the first upgrade."""
    with pytest.raises(SchemaNotCurrent, match=r"has no tables.*Run: mail-importer db upgrade"):
        revisions.require_current(fresh)


def test_empty_file_names_the_command(tmp_path: Path) -> None:
    """An empty database is one without tables."""
    (tmp_path / "empty.db").touch()
    engine = make_engine(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(SchemaNotCurrent, match="Run: mail-importer db upgrade"):
        revisions.require_current(engine)
    engine.dispose()


def test_older_schema_names_the_command(database_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text for a newer program on an older schema names the revision, and the command to run."""

    current = revisions.state(database_engine).current
    monkeypatch.setattr(revisions, "HEAD", "9998")
    with pytest.raises(SchemaNotCurrent, match=f"revision {current}.*needs 9998.*Run: mail-importer db upgrade"):
        revisions.require_current(database_engine)


def test_schema_of_a_newer_program_asks_for_that_program(database_engine: Engine) -> None:
    """Upgrading is no remedy for an older program on a newer schema."""
    put_revision(database_engine, "9999")
    with pytest.raises(SchemaNotCurrent, match=r"revision 9999.*newer.*Install that version") as refusal:
        revisions.require_current(database_engine)
    assert "db upgrade" not in str(refusal.value)
