"""Import rules in the database: names, places, times, history, and rows of other programs."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from threading import Barrier
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine, delete, insert, update

from db.engine import run_reading, run_writing
from db.errors import RuleExists, RuleNotFound
from db.queries import rule_history, rules
from db.queries.history import Action, Author, Change
from db.queries.rules import StoredRule, editing
from db.tables import email_rule
from rules.rule import Container, Rule, SavedBody, SubjectKind
from tests.doubles.clock import SettableClock

NOW: Final = SettableClock()()
LATER: Final = NOW + timedelta(hours=1)
ANNA: Final = Author("anna", "gateway-1")
WHOLE: Final = Rule(
    name="results",
    folder="/imports/results",
    account_id=7,
    senders=("a@example.com", "*.example.org"),
    recipients=("lab+*@example.com",),
    subject_kind=SubjectKind.MATCHES,
    subjects=("^Results of .*",),
    body_words=("well number",),
    attachment_names=("*.csv", "*.xlsx"),
    size_least=1,
    size_most=2**40,
    has_attachments=True,
    file_name="{name}",
    save_attachments=False,
    unpack=frozenset({Container.ZIP, Container.ITEM}),
    save_body=SavedBody.BOTH,
    save_original=True,
    save_metadata=True,
)


def add(engine: Engine, *names: str, now: datetime = NOW, **facts: Any) -> None:  # noqa: ANN401  # any field
    def work(connection: Connection) -> None:
        with editing(connection, now=now, author=ANNA) as editor:
            for name in names:
                editor.add(Rule(name, f"/imports/{name}", **facts))

    run_writing(engine, work)


def stored(engine: Engine) -> list[StoredRule]:
    return run_reading(engine, rules.every)


def places(engine: Engine) -> list[tuple[int, str]]:
    return [(each.rule.position, each.rule.name) for each in stored(engine)]


def history(engine: Engine) -> list[tuple[str, Action | str, Author | None]]:
    found = run_reading(engine, rule_history.changes)
    return [(str(each.after["sName"]), each.action, each.author) for each in found]


def write_as_another_program(engine: Engine, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(update(email_rule).values(**values))


def test_a_rule_is_read_as_it_was_added(database_engine: Engine) -> None:
    with database_engine.begin() as connection, editing(connection, now=NOW) as editor:
        number = editor.add(WHOLE).rule.rule_id
    [found] = stored(database_engine)
    assert found == StoredRule(replace(WHOLE, rule_id=number, position=1, active_since=NOW))
    assert found.unreadable_because is None


def test_a_rule_with_its_defaults_is_read_as_it_was_added(database_engine: Engine) -> None:
    add(database_engine, "all")
    [found] = stored(database_engine)
    assert found.rule == Rule("all", "/imports/all", found.rule.rule_id, position=1, active_since=NOW)


def test_rules_have_places_without_gaps(database_engine: Engine) -> None:
    add(database_engine, "a", "b", "c", "d")
    with database_engine.begin() as connection, editing(connection, now=NOW) as editor:
        editor.add(Rule("first", "/imports"), position=1)
        editor.remove("B")
        editor.move({"d": 2})
    assert places(database_engine) == [(1, "first"), (2, "d"), (3, "a"), (4, "c")]
    with database_engine.begin() as connection, editing(connection, now=NOW) as editor:
        editor.move({"first": 99, "c": 1})
    assert places(database_engine) == [(1, "c"), (2, "d"), (3, "a"), (4, "first")]


def test_places_of_other_programs_are_put_right_by_the_next_change(database_engine: Engine) -> None:
    add(database_engine, "a", "b", "c")
    write_as_another_program(database_engine, nPosition=7)
    add(database_engine, "d")
    assert places(database_engine) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]


def test_names_differ_by_more_than_letter_case(database_engine: Engine) -> None:
    add(database_engine, "Résultats", "other")
    with pytest.raises(RuleExists, match="'Résultats' exists already"):
        add(database_engine, "RÉSULTATS")
    with (
        pytest.raises(RuleExists),
        database_engine.begin() as connection,
        editing(connection, now=NOW) as editor,
    ):
        editor.change("other", Rule("résultats", "/imports"))
    assert [name for _, name in places(database_engine)] == ["Résultats", "other"]


def test_a_rule_is_found_in_any_letter_case_and_may_change_that_of_its_name(database_engine: Engine) -> None:
    add(database_engine, "results")
    with database_engine.begin() as connection, editing(connection, now=NOW) as editor:
        editor.change("RESULTS", replace(editor.by_name("Results").rule, name="Results"))
    assert run_reading(database_engine, lambda c: rules.by_name(c, "rESULTS")).rule.name == "Results"


def test_an_unknown_name_is_reported_with_the_command_that_lists_them(database_engine: Engine) -> None:
    add(database_engine, "results")
    with pytest.raises(RuleNotFound, match=r"no rule named 'result'\. See: mail-importer rules list"):
        run_reading(database_engine, lambda c: rules.by_name(c, "result"))


def test_a_rule_is_active_since_it_was_enabled(database_engine: Engine) -> None:
    """Mail that came while it was disabled is not checked later."""
    add(database_engine, "a")
    now = NOW

    def change(**facts: Any) -> datetime | None:  # noqa: ANN401  # any field
        nonlocal now
        now += timedelta(hours=1)
        with database_engine.begin() as connection, editing(connection, now=now) as editor:
            if "enabled" in facts:
                editor.set_enabled("a", facts["enabled"])
            else:
                editor.change("a", replace(editor.by_name("a").rule, **facts))
        return stored(database_engine)[0].rule.active_since

    assert change(folder="/elsewhere") == NOW
    assert change(enabled=True) == NOW
    assert change(enabled=False) == NOW
    assert change(enabled=True) == NOW + timedelta(hours=4)


def test_each_change_is_kept_with_who_made_it(database_engine: Engine) -> None:
    add(database_engine, "a", "b")
    for number in range(2):
        with database_engine.begin() as connection, editing(connection, now=LATER, author=ANNA) as editor:
            editor.change("a", replace(editor.by_name("a").rule, subjects=("x",), subject_kind=SubjectKind.IS))
            editor.set_enabled("a", False)
            editor.move({"a": 2})
            if not number:
                editor.remove("b")
                editor.add(Rule("b", "/imports"))
                editor.move({"a": 2})
    assert history(database_engine) == [
        ("a", Action.ADDED, ANNA),
        ("b", Action.ADDED, ANNA),
        ("a", Action.CHANGED, ANNA),
        ("a", Action.DISABLED, ANNA),
        ("a", Action.MOVED, ANNA),
        ("a", Action.MOVED, ANNA),
        ("b", Action.REMOVED, ANNA),
        ("b", Action.ADDED, ANNA),
    ]
    every = run_reading(database_engine, rule_history.changes)
    changed = every[2]
    assert changed.changed == LATER
    assert changed.differences == {"sSubjectKind": (None, "is"), "sSubject": (None, "x")}
    last: list[Change] = []
    for limit in range(1, len(every) + 2):
        last = run_reading(database_engine, partial(rule_history.latest, limit=limit))
        assert len(last) == min(limit, len(every))
        assert all(each in every for each in last)
    assert last == every
    assert run_reading(database_engine, partial(rule_history.latest, limit=2, rule_id=1)) == every[4:6]


def test_what_other_programs_did_is_found_by_the_next_change(database_engine: Engine) -> None:
    """No operator is blamed for it; places that moved with those of others are no change."""
    add(database_engine, "a", "b", "c")
    with database_engine.begin() as connection:
        connection.execute(update(email_rule).where(email_rule.c.sName == "a").values(sFolder="/elsewhere"))
        connection.execute(delete(email_rule).where(email_rule.c.sName == "b"))
    for _ in range(2):
        with database_engine.begin() as connection, editing(connection, now=LATER, author=ANNA) as editor:
            editor.set_enabled("a", False)
    assert history(database_engine)[3:] == [
        ("a", Action.FOUND, None),
        ("a", Action.DISABLED, ANNA),
        ("b", Action.REMOVED, None),
    ]
    assert places(database_engine) == [(1, "a"), (2, "c")]


def test_a_failed_change_changes_nothing(database_engine: Engine) -> None:
    add(database_engine, "a")
    with pytest.raises(RuleExists):
        add(database_engine, "b", "A")
    assert places(database_engine) == [(1, "a")]
    assert len(history(database_engine)) == 1


@pytest.mark.parametrize("existing", [(), ("a", "b")])
def test_commands_at_the_same_time_give_places_without_gaps(database_engine: Engine, existing: tuple[str, ...]) -> None:
    add(database_engine, *existing)
    together = Barrier(4)

    def work(name: str) -> None:
        together.wait()
        add(database_engine, name)

    names = ["w", "x", "y", "z"]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, names))
    found = places(database_engine)
    assert [place for place, _ in found] == [*range(1, len(found) + 1)]
    assert {name for _, name in found} == {*existing, *names}


def test_one_of_two_commands_that_add_the_same_name_is_refused(database_engine: Engine) -> None:
    together = Barrier(2)

    def work(name: str) -> bool:
        together.wait()
        try:
            add(database_engine, name)
        except RuleExists:
            return False
        return True

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(work, ["same", "SAME"])) == [False, True]


def test_originals_are_needed_by_enabled_rules_only(database_engine: Engine) -> None:
    assert run_reading(database_engine, rules.needs_original) == set()
    add(database_engine, "a", account_id=1, save_original=True)
    add(database_engine, "b", account_id=2)
    add(database_engine, "c", account_id=3, save_original=True, enabled=False)
    assert run_reading(database_engine, rules.needs_original) == {1}
    add(database_engine, "d", save_original=True)
    assert run_reading(database_engine, rules.needs_original) == {1, None}


class TestOfOtherPrograms:
    """Rows that another program wrote."""

    def test_lists_are_read_as_people_write_them(self, database_engine: Engine) -> None:
        add(database_engine, "a")
        write_as_another_program(
            database_engine,
            sSenders=" a@example.com, b@example.com;\r\n\r\n*.example.org ",
            sSubjectKind="contains",
            sSubject="one, two\r\n\r\n three \r\n",
            sUnpack="ZIP, item",
        )
        [found] = stored(database_engine)
        assert found.unreadable_because is None
        assert found.rule.senders == ("a@example.com", "b@example.com", "*.example.org")
        assert (found.rule.subject_kind, found.rule.subjects) == (SubjectKind.CONTAINS, ("one, two", "three"))
        assert found.rule.unpack == {Container.ZIP, Container.ITEM}

    def test_an_unusable_value_is_reported_and_hurts_no_other_rule(self, database_engine: Engine) -> None:
        add(database_engine, "a", "b")
        with database_engine.begin() as connection:
            connection.execute(update(email_rule).where(email_rule.c.sName == "a").values(sUnpack="item rar"))
        broken, whole = stored(database_engine)
        assert broken.unreadable_because is not None
        for part in ("'a'", "sUnpack holds 'item rar'", "item, tnef, smime, zip", "mail-importer rules update a"):
            assert part in broken.unreadable_because
        assert whole.unreadable_because is None

    def test_an_unusable_value_stays_until_it_is_set_again(self, database_engine: Engine) -> None:
        add(database_engine, "a", unpack=frozenset({Container.ITEM}))
        write_as_another_program(database_engine, sUnpack="item rar")
        for facts in ({"folder": "/elsewhere"}, {"unpack": frozenset({Container.ITEM})}):
            [before] = stored(database_engine)
            assert before.unreadable
            with database_engine.begin() as connection, editing(connection, now=NOW) as editor:
                editor.change("a", replace(before.rule, **facts))
        [after] = stored(database_engine)
        assert (after.unreadable, after.rule.folder, after.rule.unpack) == ({}, "/elsewhere", {Container.ITEM})

    def test_two_names_that_differ_in_letter_case_are_told_apart(self, database_engine: Engine) -> None:
        """The unique keys of SQLite and PostgreSQL let another program write both."""
        if database_engine.dialect.name == "mssql":
            pytest.skip("the key refuses it")
        add(database_engine, "a")
        with database_engine.begin() as connection:
            row = {"bEnabled": True, "nPosition": 2, "sFolder": "/imports", "dtActiveSince": NOW}
            connection.execute(insert(email_rule).values(sName="A", **row))
        with database_engine.begin() as connection, editing(connection, now=NOW) as editor:
            editor.remove("A")
        assert [name for _, name in places(database_engine)] == ["a"]


def test_values_of_other_types_are_reported(database_engine: Engine) -> None:
    """SQLite accepts any value in any column."""
    if database_engine.dialect.name != "sqlite":
        pytest.skip("its columns accept their type only")
    add(database_engine, "a", "b")
    with database_engine.begin() as connection:
        connection.exec_driver_sql(
            """UPDATE "tblEmailRule" SET "dtActiveSince" = 'soon', "nAccountID" = 'x', "nPosition" = 'y',
            "sSenders" = x'00', "nAttachmentSizeLeast" = 1.5, "bSaveOriginal" = 1 WHERE "sName" = 'a'"""
        )
    broken = next(each for each in stored(database_engine) if each.rule.name == "a")
    assert set(broken.unreadable) == {"dtActiveSince", "nAccountID", "nPosition", "sSenders", "nAttachmentSizeLeast"}
    assert run_reading(database_engine, rules.needs_original) == set()
    add(database_engine, "c")
    assert [name for _, name in places(database_engine)] == ["a", "b", "c"]
