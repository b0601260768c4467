"""Consumers by SQL (docs/downstream.md): each message once, none missed, whatever the order of commits and deaths."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from random import Random
from types import ModuleType
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine, delete, event, func, select
from sqlalchemy.exc import DBAPIError

from db.tables import email_consumer, email_taken, message
from tests.databases import Gateway, on_every_database
from tests.fork_server import ForkServer
from tests.integration.downstream import (
    CONSUMER,
    add_message,
    consumed,
    engine_of,
    example,
    inbox,
    keep,
    run_once,
)

SERVERS: Final = pytest.mark.parametrize(
    "database_kind", ["postgresql", pytest.param("mssql", marks=pytest.mark.mssql)], indirect=True
)
pytestmark = pytest.mark.slow


@pytest.fixture
def lab(gateway: Gateway) -> Iterator[Engine]:
    """The database of the consumer: the gateway, with a table of its own in it."""
    engine = engine_of(gateway)
    with engine.begin() as connection:
        inbox.create(connection)
    yield engine
    with engine.begin() as connection:
        inbox.drop(connection)
    engine.dispose()


@pytest.fixture
def module() -> ModuleType:
    return example()


def imported(engine: Engine, *names: str) -> list[int]:
    with engine.begin() as connection:
        return [add_message(connection, each) for each in names]


def state(engine: Engine) -> tuple[int, list[int]]:
    """The position, and the messages beyond it that are remembered as taken."""
    with engine.begin() as connection:
        position = connection.scalars(select(email_consumer.c.nPosition)).one()
        numbers = select(email_taken.c.nMessageID).order_by(email_taken.c.nMessageID)
        return position, list(connection.scalars(numbers))


def inbox_of(engine: Engine) -> list[int]:
    with engine.begin() as connection:
        return consumed(connection)


@on_every_database
def test_each_message_is_taken_once_and_then_forgotten(lab: Engine, module: ModuleType) -> None:
    """The rows of `tblEmailTaken` go as the position passes them."""
    numbers = imported(lab, "a", "b", "c")
    for _ in range(3):
        run_once(module, lab)
    assert inbox_of(lab) == numbers
    assert state(lab) == (numbers[-1], [])
    more = imported(lab, "d")
    for _ in range(3):
        run_once(module, lab)
    assert inbox_of(lab) == [*numbers, *more]
    assert state(lab) == (more[-1], [])


@on_every_database
def test_the_position_waits_some_minutes(lab: Engine) -> None:
    """A statement that has its number has written its row by then."""
    module = example()
    module.__dict__.update(PATIENCE=timedelta(minutes=10))
    numbers = imported(lab, "a")
    for _ in range(3):
        run_once(module, lab)
    assert state(lab) == (0, numbers)


@on_every_database
def test_a_message_that_is_not_ready_is_taken_later(lab: Engine, module: ModuleType) -> None:
    """It keeps the position before it, and no message behind it waits."""
    first, second, third = imported(lab, "a", "b", "c")
    module.__dict__.update(READY=module.email.c.nMessageID != second)
    for _ in range(4):
        run_once(module, lab)
    assert inbox_of(lab) == [first, third]
    assert state(lab) == (0, [first, third])
    module.__dict__.update(READY=module.true())
    for _ in range(3):
        run_once(module, lab)
    assert inbox_of(lab) == [first, second, third]
    assert state(lab) == (third, [])


@on_every_database
def test_a_purge_of_taken_messages_is_no_obstacle(gateway: Gateway, lab: Engine, module: ModuleType) -> None:
    """They are forgotten with their messages."""
    numbers = imported(lab, "a", "b")
    run_once(module, lab)
    purging = gateway.engine()
    with purging.begin() as connection:
        connection.execute(delete(message))
    purging.dispose()
    assert state(lab)[1] == []
    run_once(module, lab)
    run_once(module, lab)
    assert state(lab) == (numbers[-1], [])
    more = imported(lab, "c")
    run_once(module, lab)
    assert inbox_of(lab) == [*numbers, *more]


@SERVERS
@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_a_number_that_is_given_out_and_not_committed_is_not_passed(
    lab: Engine, module: ModuleType, ending: str
) -> None:
    """It is a gap until its transaction ends, however long that takes; then it is taken, or passed."""
    with lab.connect() as slow:
        late = add_message(slow, "late")
        [number] = imported(lab, "b")
        for _ in range(4):
            with suppress(DBAPIError):  # SQL Server: the row is locked
                run_once(module, lab)
        assert inbox_of(lab) == [number]
        assert state(lab) == (0, [number])
        getattr(slow, ending)()
    assert late < number
    for _ in range(3):
        run_once(module, lab)
    assert inbox_of(lab) == ([late, number] if ending == "commit" else [number])
    assert state(lab) == (number, [])


@on_every_database
def test_work_that_fails_is_as_if_it_had_not_begun(lab: Engine, module: ModuleType) -> None:
    numbers = imported(lab, "a", "b")

    def fail(connection: Connection, mail: Any) -> None:  # noqa: ANN401  # a row
        keep(connection, mail)
        if mail.nMessageID == numbers[1]:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        run_once(module, lab, fail)
    assert inbox_of(lab) == []
    run_once(module, lab)
    assert inbox_of(lab) == numbers


@on_every_database
def test_an_error_at_any_statement_neither_loses_nor_repeats(lab: Engine) -> None:
    """The transaction is undone, and the next run begins where it was."""
    numbers = imported(lab, *"abcdefghijklmnop")
    small = example(limit=3)
    for number in itertools.count(1):
        seen = itertools.count(1)

        def fail(*_: object, at: int = number, seen: Iterator[int] = seen) -> None:
            if next(seen) == at:
                raise RuntimeError

        event.listen(lab, "after_cursor_execute", fail)
        try:
            run_once(small, lab)
        except RuntimeError:
            continue
        finally:
            event.remove(lab, "after_cursor_execute", fail)
        break
    for _ in range(9):
        run_once(small, lab)
    assert inbox_of(lab) == numbers
    assert state(lab) == (numbers[-1], [])


@on_every_database
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_consumer_that_is_killed_at_any_statement_neither_loses_nor_repeats(
    gateway: Gateway, lab: Engine, fork_server: ForkServer, moment: str
) -> None:
    """SIGKILL before, or after, each statement of a run."""
    numbers = imported(lab, *"abcdefghijklmnopqrstuvwxyz")
    killed = 0
    for number in itertools.count(1):
        child = fork_server.start(*("-m", "tests.integration.downstream", str(number), moment, *gateway.arguments))
        status = child.wait(60)
        assert status in {0, -9}
        if status == 0:
            break
        killed += 1
    assert killed >= 9
    small = example(limit=3)
    for _ in range(12):
        run_once(small, lab)
    assert inbox_of(lab) == numbers
    assert state(lab) == (numbers[-1], [])


class Race:
    """Importers that commit in any order, beside consumers of one name."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self._engine = engine
        self._random = Random(seed)
        self.committed: list[int] = []
        self.importing = True
        self.problems: list[BaseException] = []

    def run(self, *, importers: int, messages: int, consumers: int) -> None:
        seeds = [self._random.random() for _ in range(importers + consumers)]
        work = [
            threading.Thread(target=self._guarded, args=(self._import, seed, f"{number}", messages))
            for number, seed in enumerate(seeds[:importers])
        ]
        taking = [threading.Thread(target=self._guarded, args=(self._consume, seed)) for seed in seeds[importers:]]
        for each in (*taking, *work):
            each.start()
        for each in work:
            each.join()
        self.importing = False
        for each in taking:
            each.join()

    def _guarded(self, work: Any, *arguments: Any) -> None:  # noqa: ANN401  # any function
        try:
            work(*arguments)
        except BaseException as exc:  # noqa: BLE001  # reported by the test
            self.problems.append(exc)

    def _import(self, seed: float, name: str, messages: int) -> None:
        """Import some at a time, hold the transaction for a while, sometimes long, and sometimes undo it."""
        random = Random(seed)
        for number in range(messages):
            with self._engine.connect() as connection:
                written = [
                    add_message(connection, f"{name}-{number}-{each}") for each in range(random.choice((1, 1, 3)))
                ]
                time.sleep(random.choice((0, 0, 0.002, 0.01, 0.01, 0.2)))
                if random.random() < 0.2:
                    connection.rollback()
                    continue
                connection.commit()
            self.committed += written

    def _consume(self, seed: float) -> None:
        """Take some at a time; fail now and then, before or after the work is done."""
        random = Random(seed)
        module = example(limit=4)

        def work(connection: Connection, mail: Any) -> None:  # noqa: ANN401  # a row
            if random.random() < 0.03:
                raise RuntimeError
            keep(connection, mail)
            time.sleep(random.choice((0, 0, 0.003)))

        idle = 0
        while idle < 3:
            importing = self.importing
            try:
                taken = module.take(self._engine, CONSUMER, work)
                module.move(self._engine, CONSUMER)
            except (RuntimeError, DBAPIError):
                idle = 0
                continue
            idle = 0 if taken or importing else idle + 1
            if not taken:
                time.sleep(0.005)  # else it takes a whole core


@SERVERS
@pytest.mark.parametrize("consumers", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_commits_out_of_order_are_each_taken_once(lab: Engine, consumers: int, seed: int) -> None:
    """By one consumer, and by two instances of it; the position follows meanwhile."""
    example().add(lab, CONSUMER)
    race = Race(lab, seed)
    race.run(importers=4, messages=60, consumers=consumers)
    assert race.problems == []
    assert inbox_of(lab) == sorted(race.committed)
    with lab.begin() as connection:
        assert connection.scalar(select(func.count()).select_from(message)) == len(race.committed)
    position, remembered = state(lab)
    assert position > 0
    assert len(remembered) < len(race.committed)
    for _ in range(3):
        run_once(example(), lab)
    assert state(lab) == (max(race.committed), [])
