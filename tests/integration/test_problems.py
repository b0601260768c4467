"""Each cause of a problem, provoked for real: seen within a minute, alerted, cleared within a minute of its end.

Causes that do not hide each other are there at once, in one installation: so none is two problems, or on another
account. tests/acceptance/test_problems.py has those that are of whole processes.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, column, table, update

from db.heartbeat import Heartbeat
from db.queries import accounts, problems
from db.queries.filters import NONE, Filters
from db.queries.processes import PROCESSOR, Process
from db.schema import revisions
from graph.certificates import Certificate, make_self_signed, write_pair
from simulator.calls import Operation
from simulator.content.mail import Mail
from simulator.faults import FaultKind
from simulator.state.mailboxes import Mailbox, MailboxState
from simulator.state.tenants import Application
from tests.databases import on_every_database
from tests.doubles.alert_receivers import smtp_server
from tests.integration.manager_world import Office
from tests.integration.monitored import BOUND, Monitored, Port, monitored
from tests.integration.world import run_command
from tests.waiting import until

MakeOffice = Callable[..., Awaitable[Office]]
SWEEP = timedelta(seconds=30)
LATER = {("after_import_failing", "Marquée"), ("messages_failing", "Échouée")}
"""The problems whose end the next attempt alone shows, after a quarter of an hour at most."""
_GIB = 1024**3


@dataclass(frozen=True)
class Cause:
    """A cause, the kind of its problem, and the account that it is of."""

    kind: str
    account: str | None
    begin: Callable[[], Awaitable[object]]
    end: Callable[[], Awaitable[object]]


@pytest.fixture(scope="session")
def keys() -> list[Certificate]:
    """Certificates to spare: keys take long to make."""
    return [make_self_signed(f"spare {number}", now=datetime.now(UTC), key_bits=2048) for number in range(6)]


@pytest.fixture(scope="session")
def ended() -> Certificate:
    return make_self_signed("ended", now=datetime.now(UTC) - timedelta(days=400), days=365, key_bits=2048)


@pytest.fixture(scope="session")
def ending() -> Certificate:
    return make_self_signed("ending", now=datetime.now(UTC), days=10, key_bits=2048)


class Causes:
    """Accounts, each with a way to break it, and to correct it."""

    def __init__(self, monitored: Monitored, keys: list[Certificate]) -> None:
        self.monitored = monitored
        self.world = monitored.world
        self.keys = iter(keys)
        self.all: list[Cause] = []

    def add(
        self,
        kind: str,
        account: str | None,
        begin: Callable[[], Awaitable[object]],
        end: Callable[[], Awaitable[object]],
    ) -> None:
        self.all.append(Cause(kind, account, begin, end))

    async def account(self, name: str, **options: Any) -> tuple[Mailbox, int]:  # noqa: ANN401  # of any setting
        mailbox = self.world.new_mailbox(name)
        return mailbox, await self.world.add_account(mailbox, **options)

    async def application(self, name: str, **options: Any) -> tuple[Application, Certificate]:  # noqa: ANN401  # as above
        """An account with an application and a certificate of its own."""
        application = self.world.simulator.add_application(self.world.application.tenant_id)
        certificate = next(self.keys)
        self.register(application, certificate)
        write_pair(certificate, self.world.store, name)
        await self.account(name, client_id=application.client_id, thumbprint=certificate.thumbprint, **options)
        return application, certificate

    def register(self, application: Application, certificate: Certificate) -> None:
        data = certificate.public_pem.encode()
        self.world.simulator.register_certificate(application.tenant_id, application.client_id, data)

    async def change(self, name: str, **changed: Any) -> None:  # noqa: ANN401  # of any setting
        """Change the settings of an account as `accounts update` does."""
        now = self.world.clock()

        def work(connection: Connection) -> None:
            found = accounts.by_name(connection, name).settings
            accounts.change(connection, name, replace(found, **changed), now=now)

        await self.world.database.write(work)

    async def sign_in_again(self) -> None:
        """End the tokens, as an hour would."""
        self.world.simulator.tokens.revoke_all()

    # What is wrong with a mailbox.

    async def access_revoked(self) -> None:
        mailbox, _ = await self.account("Refusée")

        async def begin() -> None:
            self.world.application.denied.add(mailbox.user_id)

        async def end() -> None:
            self.world.application.denied.discard(mailbox.user_id)

        self.add("mailbox_refused", "Refusée", begin, end)

    async def mailbox_deleted(self) -> None:
        mailbox, _ = await self.account("Supprimée")

        async def begin() -> None:
            mailbox.state = MailboxState.NO_SUCH_USER

        async def end() -> None:
            mailbox.state = MailboxState.READY

        self.add("mailbox_refused", "Supprimée", begin, end)

    async def folder_deleted(self) -> None:
        mailbox = self.world.new_mailbox("Projets")
        folder = mailbox.add_folder("Resultats", parent=mailbox.folders["inbox"])
        await self.world.add_account(mailbox, folder=folder.folder_id)

        async def begin() -> None:
            del mailbox.folders[folder.folder_id]

        async def end() -> None:
            mailbox.folders[folder.folder_id] = folder

        self.add("folder_not_found", "Projets", begin, end)

    async def sweep_refused(self) -> None:
        mailbox, _ = await self.account("Balayée")
        faults: list[int] = []

        async def begin() -> None:
            facts = {"operation": Operation.DELTA_MESSAGES, "mailbox": mailbox.user_id, "status": 400}
            faults.append(self.world.fault(FaultKind.REFUSED, error_code="ErrorInvalidRequest", **facts))

        async def end() -> None:
            self.world.simulator.faults.remove(faults.pop())

        self.add("sweep_failing", "Balayée", begin, end)

    async def action_refused(self) -> None:
        mailbox, number = await self.account("Marquée", after_import="read")
        faults: list[int] = []

        async def begin() -> None:
            facts = {"operation": Operation.UPDATE_MESSAGE, "mailbox": mailbox.user_id}
            faults.append(self.world.fault(FaultKind.FORBIDDEN, **facts))
            await self.world.notify(number, await self.world.deliver(mailbox, 3))

        async def end() -> None:
            self.world.simulator.faults.remove(faults.pop())

        self.add("after_import_failing", "Marquée", begin, end)

    async def message_fails(self) -> None:
        mailbox, number = await self.account("Échouée")
        faults: list[int] = []

        async def begin() -> None:
            facts = {"operation": Operation.GET_MESSAGE, "mailbox": mailbox.user_id, "status": 500}
            faults.append(self.world.fault(FaultKind.UNAVAILABLE, **facts))
            await self.world.notify(number, await self.world.deliver(mailbox, 1))

        async def end() -> None:
            self.world.simulator.faults.remove(faults.pop())

        self.add("messages_failing", "Échouée", begin, end)

    # What is wrong with settings.

    async def filters_wrong(self) -> None:
        mailbox, number = await self.account("Filtrée")

        async def begin() -> None:
            await self.change("Filtrée", filters=Filters(size_least=5, size_most=1))
            self.world.clock.advance(seconds=6)  # a processor's cache of accounts lives that long
            await self.world.notify(number, await self.world.deliver(mailbox, 1))

        async def end() -> None:
            await self.change("Filtrée", filters=NONE)

        self.add("settings_unusable", "Filtrée", begin, end)

    async def dead_letter(self) -> None:
        _, number = await self.account("Morte")

        async def begin() -> None:
            await self.world.put_body("no notification", "odd", number)

        async def end() -> None:
            dead = [each.entry for each in await self.world.dead_letters()]
            async for _ in self.world.queue.purge(dead, dead_letters=True):
                pass

        self.add("dead_letters", "Morte", begin, end)

    # What is wrong with certificates.

    async def certificate_removed(self) -> None:
        await self.application("Retirée")
        pair, away = self.world.store / "Retirée.pem", self.world.store.parent / "Retirée.pem"
        public, public_away = pair.with_suffix(".cer"), away.with_suffix(".cer")

        async def begin() -> None:
            pair.rename(away)
            public.rename(public_away)

        async def end() -> None:
            away.rename(pair)
            public_away.rename(public)

        self.add("certificate_not_found", None, begin, end)

    async def key_unreadable(self) -> None:
        _, certificate = await self.application("Illisible")
        pair = self.world.store / "Illisible.pem"
        content = pair.read_bytes()

        async def begin() -> None:
            pair.write_text(certificate.public_pem, "ascii")

        async def end() -> None:
            pair.write_bytes(content)

        self.add("certificate_key_unreadable", None, begin, end)

    async def swapped(self, kind: str, name: str, certificate: Certificate) -> None:
        """An administrator names another certificate."""
        application, before = await self.application(name)
        self.register(application, certificate)
        write_pair(certificate, self.world.store, f"other of {name}")

        async def begin() -> None:
            await self.change(name, thumbprint=certificate.thumbprint)

        async def end() -> None:
            await self.change(name, thumbprint=before.thumbprint)

        self.add(kind, None, begin, end)

    async def root_required(self) -> None:
        await self.application("Auto-signée")

        async def begin() -> None:
            await self.change("Auto-signée", secure_certificate_access=True)

        async def end() -> None:
            await self.change("Auto-signée", secure_certificate_access=False)

        self.add("certificate_unusable", None, begin, end)

    async def upload_removed(self) -> None:
        application, certificate = await self.application("Non inscrite")

        async def begin() -> None:
            application.certificates.clear()

        async def end() -> None:
            self.register(application, certificate)

        self.add("sign_in_refused", None, begin, end)

    # What is wrong with the host.

    async def disk_full(self, monkeypatch: pytest.MonkeyPatch) -> None:
        if self.world.fragile.gateway.backend != "sqlite":
            return

        async def begin() -> None:
            monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=_GIB // 8, total=100 * _GIB))

        async def end() -> None:
            monkeypatch.undo()

        self.add("disk_nearly_full", None, begin, end)


@pytest.mark.slow
@on_every_database
async def test_causes_of_accounts_are_seen_alerted_and_cleared(
    make_office: MakeOffice,
    keys: list[Certificate],
    ended: Certificate,
    ending: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    office = await make_office()
    async with monitored(office) as installation, AsyncExitStack() as stack:
        causes = Causes(installation, keys)
        for prepare in (
            *(causes.access_revoked, causes.mailbox_deleted, causes.folder_deleted, causes.sweep_refused),
            *(causes.action_refused, causes.filters_wrong, causes.dead_letter, causes.message_fails),
            *(causes.certificate_removed, causes.key_unreadable, causes.root_required, causes.upload_removed),
        ):
            await prepare()
        await causes.disk_full(monkeypatch)
        await causes.swapped("certificate_ended", "Périmée", ended)
        await causes.swapped("certificate_ends", "Bientôt périmée", ending)
        number = sum(1 for _ in await office.world.database.read(accounts.every))
        await stack.enter_async_context(office.receiving())
        await stack.enter_async_context(office.managing(sweeping=SWEEP))
        await stack.enter_async_context(office.world.processing())
        await until(lambda: office.in_step(number))
        await installation.seen()
        assert (await installation.status())["verdict"] == "ok"

        for each in causes.all:
            await each.begin()
        await causes.sign_in_again()
        wanted = [(each.kind, each.account) for each in causes.all]
        await installation.seen(*wanted)
        found = await installation.found()
        shown = await installation.status()
        assert sorted((each["kind"], each["account"]) for each in shown["problems"]) == sorted(wanted)
        assert {each["count"] for each in shown["problems"]} == {1}
        measured = installation.measured()
        assert {kind: count for (kind, _), count in measured.items()} == Counter(kind for kind, _ in wanted)
        listed = await installation.accounts()
        for each in causes.all:
            if each.account is not None:
                assert listed[each.account] == [each.kind]
        await installation.alerted(found)

        found = await installation.found()
        for each in causes.all:
            await each.end()
        await installation.seen(left=LATER)
        await installation.seen(within=timedelta(minutes=16))
        assert (await installation.status())["verdict"] == "ok"
        assert not any((await installation.accounts()).values())
        await installation.alerted(found, over=True)


async def _kept_from(*ports: Port, installation: Monitored, kind: str, accounts: int) -> None:
    """Services whose ports refuse connections are one problem, which names the real error, until they listen again."""
    for each in ports:
        each.close()
    installation.office.world.simulator.tokens.revoke_all()
    await installation.seen((kind, None))
    end = installation.clock() + BOUND

    async def count() -> int:
        (problem,) = await installation.world.database.read(problems.open_problems)
        return problem.count

    while await count() < accounts:  # the next calls of each
        assert installation.clock() < end
        await installation.step()
    found = await installation.found()
    assert "refused" in found[kind, None]
    shown = await installation.status()
    assert (shown["verdict"], [each["kind"] for each in shown["problems"]]) == ("down", [kind])
    assert not any((await installation.accounts()).values())
    await installation.alerted(found)
    for each in ports:
        each.open()
    await installation.seen()
    assert (await installation.status())["verdict"] == "ok"
    await installation.alerted(found, over=True)
    installation.hook.posts.clear()
    installation.mail.messages.clear()


@pytest.mark.slow
async def test_services_that_do_not_answer_are_one_problem(office: Office) -> None:
    """Graph, the sign-in service, and both at once, for all accounts."""
    for number in range(3):
        await office.world.account_of(f"Station {number}")
    ports = graph, sign_in = Port(office.world.simulator.url), Port(office.world.simulator.url)
    async with AsyncExitStack() as stack:
        installation = await stack.enter_async_context(monitored(office, graph=graph, sign_in=sign_in))
        await stack.enter_async_context(office.receiving())
        await stack.enter_async_context(office.managing(sweeping=SWEEP))
        await until(lambda: office.in_step(3))
        installation.works = installation.works_on
        await installation.seen()
        await _kept_from(graph, installation=installation, kind="graph_unreachable", accounts=3)
        await _kept_from(sign_in, installation=installation, kind="sign_in_unreachable", accounts=1)
        await _kept_from(*ports, installation=installation, kind="graph_unreachable", accounts=3)
    for each in ports:
        each.close()


async def test_a_receiver_that_graph_does_not_reach_is_one_problem(office: Office) -> None:
    """Of all accounts, which sweeps go on importing; it is over as soon as the receiver listens."""
    for number in range(12):
        await office.world.account_of(f"Station {number}")
    async with AsyncExitStack() as stack:
        installation = await stack.enter_async_context(monitored(office))
        await stack.enter_async_context(office.managing(sweeping=SWEEP))
        await installation.seen(("subscription_failing", None))
        (problem,) = (await installation.status())["problems"]
        assert (problem["severity"], problem["count"], problem["account"]) == ("warning", 12, None)
        assert set(map(tuple, (await installation.accounts()).values())) == {("subscription_failing",)}
        found = await installation.found()
        await installation.alerted(found)
        await stack.enter_async_context(office.receiving())
        await installation.seen()
        await installation.alerted(found, over=True)
        assert await office.in_step(12)


async def test_notifications_that_graph_did_not_send_are_a_problem_for_a_day(office: Office) -> None:
    mailbox, _ = await office.world.account_of("Nord")
    async with AsyncExitStack() as stack:
        installation = await stack.enter_async_context(monitored(office))
        await stack.enter_async_context(office.receiving())
        await stack.enter_async_context(office.managing(sweeping=timedelta(minutes=15)))
        await stack.enter_async_context(office.world.processing())
        await until(lambda: office.in_step(1))
        await installation.seen()
        office.world.clock.advance(hours=2)
        await until(installation.works)
        await office.world.simulator.deliver(mailbox, Mail(subject="A result"), notify=False)
        office.world.clock.advance(minutes=17)
        await installation.seen(("notifications_missed", "Nord"), within=timedelta(minutes=3))
        assert (await installation.accounts())["Nord"] == ["notifications_missed"]
        found = await installation.found()
        await installation.alerted(found)
        office.world.clock.advance(days=1)
        await installation.seen(within=timedelta(minutes=20))
        await installation.alerted(found, over=True)


async def test_the_next_certificate_in_use_is_a_problem(office: Office, keys: list[Certificate]) -> None:
    """The current one is no longer registered; the end is that the account has the next one as its current one."""
    async with AsyncExitStack() as stack:
        installation = await stack.enter_async_context(monitored(office))
        causes = Causes(installation, keys)
        following = next(causes.keys)
        application, certificate = await causes.application("Relayée", next_thumbprint=following.thumbprint)
        causes.register(application, following)
        write_pair(following, office.world.store, "following")
        await stack.enter_async_context(office.receiving())
        await stack.enter_async_context(office.managing(sweeping=timedelta(seconds=10)))
        await until(lambda: office.in_step(1))
        await installation.seen()
        data = application.tenant_id, application.client_id, certificate.thumbprint
        office.world.simulator.unregister_certificate(*data)
        await causes.sign_in_again()
        await installation.seen(("certificate_replaced", None))
        found = await installation.found()
        await installation.alerted(found)
        await causes.change("Relayée", thumbprint=following.thumbprint, next_thumbprint=None)
        await installation.seen()
        await installation.alerted(found, over=True)


async def test_a_queue_that_is_not_drained_is_a_problem(office: Office) -> None:
    """The processor is alive, and hangs."""
    mailbox, account = await office.world.account_of("Nord")
    async with AsyncExitStack() as stack:
        installation = await stack.enter_async_context(monitored(office))
        installation.works = installation.works_on
        await installation.seen()
        await office.world.notify(account, await office.world.deliver(mailbox, 2))
        office.world.clock.advance(minutes=5)
        await installation.seen(("queue_not_drained", None))
        shown = await installation.status()
        assert [(each["kind"], each["count"]) for each in shown["problems"]] == [("queue_not_drained", 2)]
        assert shown["queue"]["oldest_age_seconds"] > 300
        found = await installation.found()
        await installation.alerted(found)
        await stack.enter_async_context(office.world.processing())
        await until(office.world.queue_is_empty)
        await installation.seen()
        await installation.alerted(found, over=True)


async def test_a_target_of_alerts_that_fails_is_told_to_the_others(office: Office) -> None:
    """The mail server refuses; a later attempt succeeds."""
    _, account = await office.world.account_of("Nord")
    with smtp_server() as refusing:
        refusing.refusal = "554 5.7.1 No."
        async with monitored(office, more_targets=refusing.url) as installation:
            installation.works = installation.works_on
            await office.world.put_body("no notification", "odd", account)
            async with office.world.processing():
                await installation.seen(("dead_letters", "Nord"))
            installation.works = installation.works_on
            wanted = [("dead_letters", "Nord"), ("alert_failing", None)]
            await installation.seen(*wanted, within=timedelta(minutes=8))
            found = await installation.found()
            assert "554" in found["alert_failing", None]
            await installation.alerted(found)
            refusing.refusal = None
            await installation.seen(("dead_letters", "Nord"), within=timedelta(minutes=10))
            assert len(refusing.messages) >= 2


async def test_a_clock_that_is_wrong_is_a_problem_of_its_host(office: Office) -> None:
    """Seen by its heartbeats, every four seconds."""
    ahead = timedelta(seconds=30)
    async with AsyncExitStack() as stack:
        installation = await stack.enter_async_context(monitored(office))
        process = Process("wrong", "wrong", (PROCESSOR,), "1", office.world.clock())
        wrong = Heartbeat(office.world.database, process, clock=lambda: office.world.clock() + ahead)
        await stack.enter_async_context(wrong.kept())

        async def found() -> list[tuple[str, str | None]]:
            await installation.monitor.round()
            return list(await installation.found())

        async def is_seen() -> bool:
            return await found() == [("clocks_apart", None)]

        async def is_over() -> bool:
            return await found() == []

        await until(is_seen, pause=0.2)
        assert [each["kind"] for each in (await installation.status())["problems"]] == ["clocks_apart"]
        problem = await installation.found()
        assert "host wrong" in problem["clocks_apart", None]
        await installation.alerted(problem)
        ahead = timedelta(0)
        await until(is_over, pause=0.2)
        await installation.alerted(problem, over=True)


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)
async def test_a_database_that_is_gone_is_told_from_memory(office: Office) -> None:
    """Its outage is alerted without it, and so is its end."""
    world = office.world
    await world.account_of("Nord")
    async with monitored(office) as installation:
        installation.works = installation.works_on
        await installation.seen()
        with world.fragile.gone():
            for _ in range(15):
                await installation.step(10)
            await until(lambda: len(installation.mail.messages) == len(installation.hook.posts) == 1)
            if world.fragile.gateway.backend == "sqlite":  # elsewhere a command reaches it by another way
                result = await run_command(world, "status", "--json")
                shown = json.loads(result.stdout)
                assert (shown["verdict"], [each["kind"] for each in shown["problems"]]) == (
                    "down",
                    ["database_trouble"],
                )
                assert (await run_command(world, "status", "--check")).exit_code == 1
        assert "New problem (error)" in installation.hook.posts[0]["message"]

        async def told() -> bool:
            await installation.monitor.round()
            return len(installation.mail.messages) == len(installation.hook.posts) == 2

        await until(told, pause=0.1)
        assert installation.hook.titles[1] == "mail-importer: resolved: The gateway database is available again."
        await installation.seen()
        assert (await installation.status())["verdict"] == "ok"


async def test_a_schema_of_an_older_revision_is_shown(office: Office) -> None:
    """By `status` alone: no role starts on it."""
    world = office.world
    revision = update(table(revisions.VERSION_TABLE, column("version_num")))
    await world.database.write(lambda c: c.execute(revision.values(version_num="0012")))
    result = await run_command(world, "status", "--json")
    shown = json.loads(result.stdout)
    assert (shown["verdict"], [each["kind"] for each in shown["problems"]]) == ("down", ["schema_outdated"])
    assert "db upgrade" in shown["problems"][0]["remedy"]
    await world.database.write(lambda c: c.execute(revision.values(version_num=revisions.HEAD)))
    shown = json.loads((await run_command(world, "status", "--json")).stdout)
    assert "schema_outdated" not in {each["kind"] for each in shown["problems"]}
