"""The simulator as a process: its ready-made world, and the control API (over real sockets)."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulator.api.notifications import LifecycleEvent
from simulator.api.rendering import View, message_json
from simulator.authority import Authority
from simulator.calls import Operation
from simulator.content.contents import HeldContent
from simulator.control_client import ControlRefused, SimulatorControl
from simulator.faults import Fault, FaultKind
from simulator.process import Ready, serve
from simulator.simulator import Simulator
from simulator.state.mailboxes import Mailbox, MailboxState
from simulator.tls import trusting

KeyPair = tuple[str, str]
Body = dict[str, Any]


async def _serve(directory: Path, mailboxes: int | None = None) -> tuple["asyncio.Task[None]", Ready]:
    ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(directory=directory, on_ready=ready.set_result, mailboxes=mailboxes))
    return task, await ready


async def _stop(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.fixture
async def control(sim: Simulator) -> AsyncIterator[SimulatorControl]:
    async with SimulatorControl(sim.url, sim.ca_file) as client:
        yield client


async def test_serving_makes_the_same_world_each_time(tmp_path: Path) -> None:
    """Ids do not change from one start to the next; mailboxes are as many as requested."""
    task, first = await _serve(tmp_path)
    async with SimulatorControl(first.url, first.ca_file) as client:
        assert [box["address"] for box in await client.mailboxes()] == [box.address for box in first.mailboxes]
    assert first.uploads.is_dir()
    await _stop(task)
    task, second = await _serve(tmp_path, mailboxes=7)
    await _stop(task)
    assert (second.tenant_id, second.client_id) == (first.tenant_id, first.client_id)
    assert second.mailboxes[:5] == first.mailboxes
    assert len({box.address for box in second.mailboxes}) == 7


@pytest.mark.parametrize("smtp_properties", [True, False])
async def test_mail_of_a_colleague_names_people_by_the_directory(
    mailbox: Mailbox, control: SimulatorControl, smtp_properties: bool
) -> None:
    """Exchange does so with those of its own organisation; the properties have the SMTP addresses, or have not."""
    raw = b"From: Labor <labor@example.com>\r\nTo: A <a@example.org>, B <b@example.com>\r\n\r\nBonjour\r\n"
    message_id = await control.deliver_mime(
        mailbox.address, raw, internal=["Labor@example.com", "b@example.com"], smtp_properties=smtp_properties
    )
    message = mailbox.message(message_id)
    assert message is not None
    view = View(("from", "sender", "toRecipients"), extended=("string 0x5d01", "string 0x5d02"))
    found = message_json(message, view)
    for field in ("from", "sender"):
        assert found[field]["emailAddress"]["name"] == "Labor"
        assert found[field]["emailAddress"]["address"].startswith("/O=EXCHANGELABS/OU=")
        assert found[field]["emailAddress"]["address"].endswith("-LABOR")
    external, internal = (each["emailAddress"]["address"] for each in found["toRecipients"])
    assert external == "a@example.org"
    assert internal.endswith("-B")
    reported = {each["id"]: each["value"] for each in found["singleValueExtendedProperties"]}
    assert reported == (
        dict.fromkeys(("String 0x5d01", "String 0x5d02"), "labor@example.com") if smtp_properties else {}
    )


async def test_who_trusts_it_trusts_it_after_a_restart(tmp_path: Path) -> None:
    """The product and its settings go on: the authority is that of the directory, not of the process."""
    task, first = await _serve(tmp_path)
    trusted = trusting(first.ca_file)
    await _stop(task)
    task, second = await _serve(tmp_path)
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as session,
        session.get(f"{second.url}/simulator/mailboxes") as answer,
    ):
        assert answer.status == 200
    await _stop(task)
    assert (tmp_path / "ca.key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("left", ["hours", "damaged", "foreign"])
def test_an_authority_that_is_of_no_use_any_more_is_replaced(tmp_path: Path, left: str) -> None:
    """One that ends within a day, a damaged file, and a key of another certificate."""
    now = datetime(2026, 3, 31, 12, tzinfo=UTC)
    before = Authority(tmp_path, now).ca_file.read_bytes()
    if left == "damaged":
        (tmp_path / "ca.key").write_bytes(b"")
    elif left == "foreign":
        (tmp_path / "ca.key").write_bytes(Authority(tmp_path, now).issue("other").key_file.read_bytes())
    later = now + timedelta(days=29.5 if left == "hours" else 1)
    authority = Authority(tmp_path, later)
    assert authority.ca_file.read_bytes() != before
    authority.issue("server").server_context()  # raises if the pair does not fit


async def test_raw_mail_is_delivered(sim: Simulator, mailbox: Mailbox, control: SimulatorControl) -> None:
    """It is in wire format; invalid base64 is refused."""
    raw = b"Subject: =?utf-8?q?R=C3=A9sultat?=\r\n\r\nBonjour\r\n"
    message_id = await control.deliver_mime(mailbox.address, raw)
    message = mailbox.message(message_id)
    assert message is not None
    assert (message.mail.subject, message.folder.well_known) == ("Résultat", "inbox")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting(sim.ca_file))) as session:
        body = {"mailbox": mailbox.address, "mime": "é"}
        async with session.post(f"{sim.url}/simulator/mail", json=body) as response:
            assert (response.status, await response.json()) == (400, {"error": "mime is not base64"})


FILES = (
    b"Message-ID: <a@b>\r\nDate: Sun, 29 Nov 2026 08:00:00 +0000\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\n\r\nWerte\r\n--x\r\nContent-Type: text/csv; name=werte.csv\r\nContent-Disposition: attachment\r\n\r\n"
    b"Blei;42\r\n--x--\r\n"
)


@pytest.mark.parametrize("in_place", [True, False])
async def test_mail_is_delivered_before_it_is_scanned(
    mailbox: Mailbox, control: SimulatorControl, in_place: bool
) -> None:
    """Dynamic Delivery: a placeholder first; the file in its place, or with another message of the same mail."""

    def names() -> list[list[str]]:
        return [[each.attachment.name for each in message.attachments] for message in mailbox.all_messages()]

    message_id = await control.deliver_unscanned(mailbox.address, FILES)
    assert names() == [["Safe Attachments Scan In Progress"]]
    released = await control.release_message(mailbox.address, message_id, in_place=in_place)
    assert (released == message_id) == in_place
    assert names() == ([] if in_place else [["Safe Attachments Scan In Progress"]]) + [["werte.csv"]]
    assert {(each.internet_message_id, each.sent) for each in mailbox.all_messages()} == {
        ("<a@b>", datetime(2026, 11, 29, 8, tzinfo=UTC))
    }
    assert await control.release_message(mailbox.address, "nobody") is None


async def test_what_has_no_placeholders_is_not_released(mailbox: Mailbox, control: SimulatorControl) -> None:
    with pytest.raises(ControlRefused, match="no attachment to scan"):
        await control.deliver_unscanned(mailbox.address, b"Subject: a\r\n\r\nb\r\n")
    message_id = await control.deliver_mime(mailbox.address, FILES)
    for in_place in (True, False):
        with pytest.raises(ControlRefused, match="has no placeholders"):
            await control.release_message(mailbox.address, message_id, in_place=in_place)


@pytest.mark.slow
async def test_large_mail_is_delivered(sim: Simulator, mailbox: Mailbox, control: SimulatorControl) -> None:
    """Exchange Online takes 150 MB; calls of Graph itself take less."""
    content = bytes(range(256)) * (5 * 4096)
    head = b"Content-Type: application/octet-stream; name=foto.jpg\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    message = mailbox.message(await control.deliver_mime(mailbox.address, head + base64.encodebytes(content)))
    assert message is not None
    [file] = message.attachments
    assert (file.attachment.name, file.attachment.content) == ("foto.jpg", HeldContent(content))
    too_large = io.BytesIO(bytes(5 * 1024 * 1024))
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting(sim.ca_file))) as session,
        session.post(f"{sim.url}/v1.0/subscriptions", data=too_large) as response,
    ):
        assert response.status == 413


@pytest.mark.slow
@pytest.mark.parametrize("level", ["mixed", "alternative", "related"])
async def test_mail_of_any_depth_is_delivered(mailbox: Mailbox, control: SimulatorControl, level: str) -> None:
    """It has as many parts in one another as there may be: beyond some hundreds they are one."""
    head = "Content-Type: multipart/{level}; boundary=b{number}\r\n\r\n--b{number}\r\n"
    for count in (100, 3_000):
        raw = "".join(head.format(level=level, number=number) for number in range(count)) + "\r\nBonjour\r\n"
        message = mailbox.message(await control.deliver_mime(mailbox.address, raw.encode()))
        assert message is not None
        assert (message.mail.body.strip() == "Bonjour") == (count == 100)
        assert len(message.attachments) == (count != 100)


async def test_a_certificate_in_uploads_opens_the_ready_made_application(
    tmp_path: Path, pair: KeyPair, sign_in: Callable[..., Awaitable[Body]]
) -> None:
    """A user trying the simulator registers the public part this way."""
    task, ready = await _serve(tmp_path)
    (ready.uploads / "mail-importer.pem").write_text(pair[1])
    result = await sign_in(
        pair,
        url=ready.url,
        ca_file=str(ready.ca_file),
        tenant_id=ready.tenant_id,
        client_id=ready.client_id,
    )
    assert "access_token" in result
    await _stop(task)


async def test_a_world_is_made_over_http(control: SimulatorControl, sim: Simulator, pair: KeyPair) -> None:
    """Application, certificate, mailbox and its state."""
    made = await control.add_application(roles=("Mail.Read",))
    application = sim.tenants.application(made["tenant_id"], made["client_id"])
    assert application
    assert application.roles == ("Mail.Read",)
    thumbprint = await control.register_certificate(made["tenant_id"], made["client_id"], pair[1])
    assert application.certificates[0].thumbprint == thumbprint
    mailbox = await control.add_mailbox("terrain@riviere.example", "Terrain", made["tenant_id"])
    await control.set_mailbox_state(mailbox["user_id"], MailboxState.NOT_ENABLED)
    await control.deny(mailbox["address"], made["client_id"])
    assert application.denied == {mailbox["user_id"]}
    await control.deny(mailbox["address"], made["client_id"], denied=False)
    assert application.denied == set()
    await control.set_mailbox_purpose(mailbox["address"], "shared")
    assert [(box["state"], box["purpose"]) for box in await control.mailboxes()] == [("not_enabled", "shared")]
    await control.grant(made["tenant_id"], made["client_id"], roles=(), scoped={mailbox["address"]: ("Mail.Read",)})
    assert application.scoped == {mailbox["user_id"]: ("Mail.Read",)}
    assert not application.roles
    with pytest.raises(ControlRefused):
        await control.grant(made["tenant_id"], "nobody", roles=())


async def test_traffic_runs_in_the_background(control: SimulatorControl, sim: Simulator) -> None:
    """Shared out over the mailboxes; the ledger and the progress show it; a second plan must wait."""
    first, second = [sim.add_mailbox(f"{name}@riviere.example") for name in ("a", "b")]
    await control.start_traffic(1_000, mailboxes=[first.address], per_second=1)
    with pytest.raises(ControlRefused, match="already"):
        await control.start_traffic(1)
    assert (await control.stop_traffic())["running"] is False
    before = len(await control.ledger())
    await control.start_traffic(120, per_second=2_000, seed=5)
    async with asyncio.timeout(60):
        while (await control.traffic())["running"]:
            pass
    progress = await control.traffic()
    assert (progress["delivered"], progress["messages"]) == (120, 120)
    ledger = (await control.ledger())[before:]
    assert [entry["user_id"] for entry in ledger[:2]] == [first.user_id, second.user_id]
    assert len({entry["message_id"] for entry in ledger}) == 120
    attachments = [attachment for entry in ledger for attachment in entry["attachments"]]
    assert {attachment["kind"] for attachment in attachments} >= {"file", "item"}
    assert (await control.statistics())["messages_delivered"] == before + 120


async def test_traffic_may_have_been_received_earlier(control: SimulatorControl, sim: Simulator) -> None:
    """As a backlog is: one mail after another, the last of them last."""
    mailbox = sim.add_mailbox("a@riviere.example")
    await control.start_traffic(3, mailboxes=[mailbox.address], seconds_apart=60)
    async with asyncio.timeout(10):
        while (await control.traffic())["running"]:
            pass
    messages = [mailbox.message(entry["message_id"]) for entry in await control.ledger()]
    received = [each.received for each in messages if each is not None]
    minute = timedelta(minutes=1)
    assert len(received) == 3
    assert all(minute <= later - earlier < 2 * minute for earlier, later in pairwise(received))
    assert received[-1] <= datetime.now(UTC) - minute


async def test_faults_are_switched_over_http(control: SimulatorControl, sim: Simulator) -> None:
    """Added, listed, removed, replaced."""
    number = await control.add_fault(Fault(FaultKind.LATENCY, operation=Operation.GET_MESSAGE, seconds=0.1))
    assert [(fault["number"], fault["kind"], fault["operation"]) for fault in await control.faults()] == [
        (number, "latency", "get_message")
    ]
    await control.remove_faults(number)
    assert not sim.faults
    await control.replace_faults([Fault(FaultKind.RESET), Fault(FaultKind.HANG)])
    assert [fault.kind for fault in sim.faults.active().values()] == [FaultKind.RESET, FaultKind.HANG]
    await control.remove_faults()
    assert await control.faults() == []
    with pytest.raises(ControlRefused, match="no fault 99"):
        await control.remove_faults(99)


async def test_subscriptions_lifecycle_messages_and_tokens(
    control: SimulatorControl,
    sim: Simulator,
    graph: aiohttp.ClientSession,
    subscription_body: Body,
    received: list[Body],
) -> None:
    """Controls that a test of the whole product needs."""
    async with graph.post("/v1.0/subscriptions", json=subscription_body) as response:
        subscription_id = (await response.json())["id"]
    assert [item["clientState"] for item in await control.subscriptions()] == ["a-secret"]
    assert await control.send_lifecycle(LifecycleEvent.MISSED) == 1
    assert await control.send_lifecycle(LifecycleEvent.MISSED, subscription_id) == 1
    await control.start_traffic(1)
    await sim.traffic.finished()
    (entry,) = await control.ledger()
    assert await control.move_message(entry["mailbox"], entry["message_id"], "archive")
    assert await control.remove_message(entry["mailbox"], entry["message_id"])
    assert not await control.remove_message(entry["mailbox"], entry["message_id"])
    await sim.settled()
    assert {"/lifecycle", "/notifications"} == {body["path"] for body in received}
    await control.revoke_tokens()
    async with graph.get("/v1.0/subscriptions") as response:
        assert response.status == 401


async def test_wrong_control_calls_report_what_is_wrong(control: SimulatorControl, sim: Simulator) -> None:
    """400 for a wrong body, 404 for a missing object."""
    with pytest.raises(ControlRefused, match="address is missing"):
        await control.add_mailbox("")
    with pytest.raises(ControlRefused, match="no mailbox nobody"):
        await control.remove_message("nobody", "x")
    sim.add_mailbox("a@riviere.example")
    with pytest.raises(ControlRefused, match="there is a mailbox"):
        await control.add_mailbox("A@riviere.example")
    with pytest.raises(ControlRefused, match="neither PEM nor"):
        await control.register_certificate("t", "c", "?")
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting(sim.ca_file))) as session,
        session.get(f"{sim.url}/simulator/nothing") as response,
    ):
        assert response.status == 404


async def test_a_taken_port_is_an_error_that_leaves_nothing_open(sim: Simulator, tmp_path: Path) -> None:
    """OSError, for the command line to explain."""
    port = int(sim.url.rpartition(":")[2])
    with pytest.raises(OSError, match="address already in use"):
        await serve(directory=tmp_path / "second", port=port, on_ready=lambda _: None)
