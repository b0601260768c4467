"""The way from request to queue: an accepted item is durable, a refused one is Graph's to keep."""

import asyncio
import errno
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import aiohttp
import pytest

from bus.notification import Notification
from bus.queue import Message, NotificationSender
from graph.client_state import ClientStateKeys
from receiver.intake import IntakeLimits
from tests.unit.receiver.endpoint import (
    NOW,
    SECRET,
    Answer,
    Disk,
    Endpoint,
    Endpoints,
    HeldQueue,
    collection,
    item,
    statuses,
)
from tests.waiting import until


class Held:
    """An endpoint whose queue responds only when it is released."""

    def __init__(self) -> None:
        self.queues: list[HeldQueue] = []

    def __call__(self, queue: NotificationSender) -> HeldQueue:
        self.queues.append(HeldQueue(queue))
        return self.queues[-1]

    @property
    def queue(self) -> HeldQueue:
        return self.queues[-1]


@pytest.fixture
async def held() -> AsyncIterator[Held]:
    held = Held()
    yield held
    for queue in held.queues:
        queue.let.set()


def assert_come_again(answer: Answer) -> None:
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0


class TestGroupCommit:
    async def test_requests_that_arrive_together_share_few_transactions(self, endpoints: Endpoints) -> None:
        """200 requests of 5 items that come while one write is under way cost a handful of commits, not 200."""
        endpoint = await endpoints.start(intake=IntakeLimits(put_seconds=15))
        endpoint.disk.busy_milliseconds = 15_000
        lock = endpoint.disk.lock()
        try:
            posts = [
                asyncio.create_task(endpoint.deliver(*(item(endpoint.state(), f"m-{n}-{k}") for k in range(5))))
                for n in range(200)
            ]
            await endpoint.until_waiting(200)
            before = endpoint.disk.commits
        finally:
            lock.close()
        assert set(statuses(await asyncio.gather(*posts))) == {202}
        commits = endpoint.disk.commits - before
        assert commits <= 8
        assert Counter(await endpoint.queued_ids()) == Counter(f"m-{n}-{k}" for n in range(200) for k in range(5))


class TestSlowQueue:
    async def test_a_bounded_number_waits_and_the_rest_is_refused_at_once(
        self, endpoints: Endpoints, held: Held
    ) -> None:
        """Graph keeps the refused ones; the waiting ones are served when the queue goes on."""
        endpoint = await endpoints.start(queue_of=held, intake=IntakeLimits(waiting_requests=3, put_seconds=15))
        waiting = [asyncio.create_task(endpoint.deliver(item(endpoint.state(), f"m-{n}"))) for n in range(3)]
        await endpoint.until_waiting(3)
        for _ in range(20):
            assert_come_again(await endpoint.deliver(item(endpoint.state(), "over")))
        assert (await endpoint.deliver(item("forged"))).status == 202
        held.queue.let.set()
        assert statuses(await asyncio.gather(*waiting)) == [202, 202, 202]
        assert (await endpoint.deliver(item(endpoint.state(), "over"))).status == 202
        assert sorted(map(str, await endpoint.queued_ids())) == ["m-0", "m-1", "m-2", "over"]
        assert endpoint.waiting() == 0

    async def test_the_number_of_waiting_items_is_bounded_too(self, endpoints: Endpoints, held: Held) -> None:
        """One body over the limit is accepted when nothing else waits, or it would come again for ever."""
        limits = IntakeLimits(waiting_items=10, put_seconds=15)
        endpoint = await endpoints.start(queue_of=held, intake=limits)
        large = asyncio.create_task(endpoint.deliver(*(item(endpoint.state(), f"m-{n}") for n in range(50))))
        await endpoint.until_waiting(1)
        assert_come_again(await endpoint.deliver(item(endpoint.state(), "over")))
        held.queue.let.set()
        assert (await large).status == 202
        assert len(await endpoint.queued()) == 50

    async def test_a_queue_that_does_not_answer_is_not_waited_for(self, endpoints: Endpoints, held: Held) -> None:
        """503 while Graph still waits, and 202 when the queue is back."""
        endpoint = await endpoints.start(queue_of=held, intake=IntakeLimits(put_seconds=0.1))
        assert_come_again(await endpoint.deliver(item(endpoint.state())))
        held.queue.let.set()
        async with asyncio.timeout(60):  # a put may take longer than 0.1 s on a busy machine, too
            while (await endpoint.deliver(item(endpoint.state()))).status != 202:
                pass
        assert await endpoint.queued_ids() == ["AAkALg-1"]

    @pytest.mark.parametrize("error", [OSError(errno.EMFILE, "Too many open files"), MemoryError()], ids=repr)
    async def test_a_machine_without_room_asks_to_come_again(self, endpoints: Endpoints, error: Exception) -> None:
        """Graph keeps the notifications, and the lacking resource is reported."""

        class Lacking(HeldQueue):
            async def put(self, messages: Sequence[Message]) -> int:
                if not self.let.is_set():
                    raise error
                return await super().put(messages)

        made: list[Lacking] = []

        def queue_of(queue: NotificationSender) -> Lacking:
            made.append(Lacking(queue))
            return made[-1]

        endpoint = await endpoints.start(queue_of=queue_of)
        assert_come_again(await endpoint.deliver(item(endpoint.state())))
        made[0].let.set()
        assert (await endpoint.deliver(item(endpoint.state()))).status == 202

    async def test_an_unforeseen_error_is_counted_as_an_answer(self, endpoints: Endpoints) -> None:
        """The alert of a receiver that cannot queue is made of these counts."""

        class Broken(HeldQueue):
            async def put(self, messages: Sequence[Message]) -> int:  # noqa: ARG002  # the port's
                raise ValueError

        endpoint = await endpoints.start(queue_of=Broken)
        assert (await endpoint.deliver(item(endpoint.state()))).status == 500
        assert endpoint.metric("mail_importer_receiver_answers_total", path="/notifications", code="500") == 1
        assert endpoint.metric("mail_importer_receiver_answer_seconds_count") == 1

    async def test_no_request_waits_for_all_earlier_ones(self, endpoints: Endpoints, held: Held) -> None:
        """Each put has its time; twenty that fail one after the other do not add up to the wait of the last."""
        limits = IntakeLimits(items_in_one_put=1, put_seconds=0.5)
        endpoint = await endpoints.start(queue_of=held, intake=limits)
        started = time.perf_counter()
        posts = [endpoint.deliver(item(endpoint.state(), f"m-{n}")) for n in range(20)]
        for answer in await asyncio.gather(*posts):
            assert_come_again(answer)
        assert time.perf_counter() - started < 8.0

    async def test_a_body_of_many_items_has_more_time(self, endpoints: Endpoints, held: Held) -> None:
        """Refused for its size alone it would come again for ever."""
        limits = IntakeLimits(put_seconds=0.1, put_seconds_per_item=0.2)
        endpoint = await endpoints.start(queue_of=held, intake=limits)
        many = asyncio.create_task(endpoint.deliver(*(item(endpoint.state(), f"m-{n}") for n in range(75))))
        await until(lambda: bool(held.queue.under_way), "the put is under way")
        loop = asyncio.get_running_loop()
        loop.call_later(0.3, held.queue.let.set)
        assert (await many).status == 202
        assert len(await endpoint.queued()) == 75

    async def test_what_was_refused_is_not_kept(self, endpoints: Endpoints) -> None:
        """While the database hangs, memory does not fill with items that Graph keeps anyway."""
        endpoint = await endpoints.start(intake=IntakeLimits(put_seconds=0.05))
        endpoint.disk.busy_milliseconds = 15_000
        lock = endpoint.disk.lock()
        try:
            for number in range(10):
                assert_come_again(await endpoint.deliver(item(endpoint.state(), f"refused-{number}")))
        finally:
            lock.close()
        assert (await endpoint.deliver(item(endpoint.state(), "taken"))).status in {202, 503}
        await endpoint.queue.close()
        assert len(await endpoint.queued()) <= 2


def _read_only(disk: Disk) -> Callable[[], None]:
    disk.read_only = True
    return lambda: setattr(disk, "read_only", False)


def _full(disk: Disk) -> Callable[[], None]:
    disk.full = True
    return lambda: setattr(disk, "full", False)


def _locked(disk: Disk) -> Callable[[], None]:
    return disk.lock().close


class TestUnavailable:
    @pytest.mark.parametrize("trouble", [_locked, _read_only, _full])
    async def test_a_database_that_takes_nothing_is_reported_to_graph_and_nothing_is_lost(
        self, endpoint: Endpoint, trouble: Callable[[Disk], Callable[[], None]]
    ) -> None:
        """503 with Retry-After; the items that Graph sends again are accepted. Forged items are not counted twice."""
        sent = [item(endpoint.state(), f"m-{n}" + "x" * 500) for n in range(40)]
        repair = trouble(endpoint.disk)
        try:
            assert_come_again(await endpoint.deliver(*sent, item("forged")))
            assert await endpoint.queued() == []
            ready = await endpoint.request("GET", "/health/ready")
        finally:
            repair()
        assert (ready.status == 503) or trouble is _full
        assert (await endpoint.deliver(*sent, item("forged"))).status == 202
        assert len(await endpoint.queued()) == 40
        assert endpoint.outcomes() == {"genuine": 40, "forged": 1, "malformed": 0}
        assert (await endpoint.request("GET", "/health/ready")).status == 200


class TestDeath:
    @pytest.mark.slow
    async def test_what_was_answered_202_survives_kill_9(self, database_file: Path) -> None:
        """The response comes after the commit, so the process may die right behind it."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.unit.receiver.served", database_file, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(60):
                port = int(await process.stdout.readline())
            body = collection(*(item(ClientStateKeys(SECRET).sign(3), f"m-{n}") for n in range(10)))
            url = f"http://127.0.0.1:{port}/notifications"
            async with aiohttp.ClientSession() as session, session.post(url, data=body) as answer:
                status = answer.status
                process.kill()
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
        assert status == 202
        with sqlite3.connect(database_file) as connection:
            rows = connection.execute('SELECT "sBody" FROM "tblNotificationQueue"').fetchall()
        connection.close()
        assert sorted(str(Notification.from_json(body).message_id) for (body,) in rows) == [f"m-{n}" for n in range(10)]

    async def test_a_sender_that_leaves_during_the_put_harms_no_other(self, endpoints: Endpoints, held: Held) -> None:
        """Its item is written or not; Graph sends it again; the receiver lives."""
        endpoint = await endpoints.start(queue_of=held, intake=IntakeLimits(put_seconds=15))
        body = collection(item(endpoint.state(), "left"))
        async with endpoint.connection() as connection:
            await connection.say("POST /notifications HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", body=body)
            await until(lambda: bool(held.queue.under_way), "the put is under way")
        held.queue.let.set()
        assert (await endpoint.deliver(item(endpoint.state(), "next"))).status == 202
        assert set(await endpoint.queued_ids()) - {"left"} == {"next"}
        assert (await endpoint.post(body)).status == 202
        assert Counter(await endpoint.queued_ids()) == {"left": 1, "next": 1}
        await endpoint.until_waiting(0)

    async def test_requests_under_way_are_answered_when_it_stops(self, endpoints: Endpoints, held: Held) -> None:
        """A stop accepts no new connection and finishes the requests in progress."""
        endpoint = await endpoints.start(queue_of=held, intake=IntakeLimits(put_seconds=15))
        post = asyncio.create_task(endpoint.deliver(item(endpoint.state())))
        await until(lambda: bool(held.queue.under_way), "the put is under way")
        stopping = asyncio.create_task(endpoint.listener.stop())

        async def refused() -> bool:
            try:
                async with endpoint.connection():
                    return False
            except ConnectionError:  # refused, or reset while it closes
                return True

        await until(refused, "new connections are refused")
        held.queue.let.set()
        assert (await post).status == 202
        await stopping
        assert await endpoint.queued_ids() == ["AAkALg-1"]
        assert (await endpoint.queued())[0].received == NOW
