"""Graph's JSON of a mail in wire format (docs/graph.md, section 7). Its fields in full: `tests/samples/corpus`."""

from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.content.mail import mime
from simulator.content.mime_mail import mail_from
from simulator.simulator import Simulator
from simulator.state.mailboxes import Mailbox
from tests.samples.corpus import characters, kinds, lenient, names, structures
from tests.samples.corpus.case import Case, mail, multipart

MessageUrl = Callable[..., Any]
CASES = (*characters.CASES, *names.CASES, *structures.CASES, *kinds.CASES, *lenient.CASES)


async def _get(graph: aiohttp.ClientSession, url: Any) -> dict[str, Any]:  # noqa: ANN401  # the fixture's type
    async with graph.get(url) as response:
        assert response.status == 200
        values: dict[str, Any] = await response.json()
        return values


@pytest.mark.parametrize("case", kinds.CASES, ids=lambda case: case.name)
async def test_meeting_mails_are_of_a_type_of_their_own(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl, case: Case
) -> None:
    """Others have none; a property of that type alone cannot be selected."""
    sent = await sim.deliver_mime(mailbox, case.raw)
    values = await _get(graph, message_url(sent.message_id, "?$select=subject"))
    assert values.get("@odata.type") == case.type_name
    async with graph.get(message_url(sent.message_id, "?$select=meetingMessageType")) as response:
        assert response.status == 400


async def test_headers_are_those_of_the_mail_and_the_mime_is_the_mail(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: MessageUrl
) -> None:
    """They are in their order, unfolded, encoded words unchanged."""
    raw = mail("x", "X-A: =?utf-8?q?=C3=A9?=\n two\nX-A: 2\n\nBonjour\n")
    sent = await sim.deliver_mime(mailbox, raw)
    values = await _get(graph, message_url(sent.message_id, "?$select=internetMessageHeaders"))
    headers = [(each["name"], each["value"]) for each in values["internetMessageHeaders"]]
    assert headers[-3:] == [("MIME-Version", "1.0"), ("X-A", "=?utf-8?q?=C3=A9?= two"), ("X-A", "2")]
    assert len(headers) == 8
    async with graph.get(f"{message_url(sent.message_id)}/$value") as response:
        assert await response.read() == raw


async def test_a_mail_that_says_it_is_unsent_is_a_draft(sim: Simulator, mailbox: Mailbox) -> None:
    """Outlook marks the file of a draft so."""
    sent = await sim.deliver_mime(mailbox, b"X-Unsent: 1\r\nSubject: Draft\r\n\r\n")
    assert (sent.message.mail.is_draft, sent.internet_message_id) == (True, None)


@pytest.mark.slow
async def test_whatever_comes_is_delivered(sim: Simulator, mailbox: Mailbox) -> None:
    """Thousands of parts and of addresses, and parts in parts in parts."""
    deep = "Content-Type: text/plain\n\nx"
    nested: str | bytes = deep
    for _ in range(60):
        nested = multipart("mixed", nested)
    crowd = ", ".join(f"P {number} <p{number}@example.com>" for number in range(5000))
    many = mail("many", multipart("mixed", *([deep] * 3000)), To=crowd)
    found = [await sim.deliver_mime(mailbox, each) for each in (many, mail("deep", nested))]
    assert [len(each.message.attachments) for each in found] == [2999, 0]
    assert len(found[0].message.mail.to) == 5000
    assert found[1].message.mail.body == "x"


@pytest.mark.slow
@settings(max_examples=200)
@given(st.data())
def test_damage_stops_nothing(data: st.DataObject) -> None:
    """Every mail gives some result."""
    raw = bytearray(data.draw(st.sampled_from([case.raw for case in CASES if len(case.raw) < 4000])))
    for _ in range(data.draw(st.integers(1, 8))):
        start = data.draw(st.integers(0, len(raw)))
        raw[start : start + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=20))
    mail = mail_from(bytes(raw))
    assert mime(mail) == bytes(raw)
