"""Folders: listed, made, and the effect on messages that are deleted or dragged between them."""

from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from yarl import URL

from simulator.content.mail import Mail
from simulator.simulator import Simulator
from simulator.state.mailboxes import Mailbox
from simulator.state.tenants import Application


@pytest.fixture
def folders(sim: Simulator, mailbox: Mailbox) -> str:
    return f"{sim.url}/v1.0/users/{mailbox.user_id}/mailFolders"


async def _get(graph: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with graph.get(url) as response:
        assert response.status == 200
        found: dict[str, Any] = await response.json()
        return found


async def _make(graph: aiohttp.ClientSession, url: str, name: object) -> tuple[int, dict[str, Any]]:
    async with graph.post(url, json={"displayName": name}) as response:
        return response.status, await response.json()


async def test_folders_are_listed_by_level_and_page(
    graph: aiohttp.ClientSession, mailbox: Mailbox, folders: str
) -> None:
    """Ten a page unless more are requested; `msgfolderroot` is the top."""
    parent = mailbox.add_folder("Befunde")
    for number in range(12):
        mailbox.add_folder(f"{number}", parent=parent)
    top = await _get(graph, f"{folders}?$select=displayName&$top=100")
    assert [each["displayName"] for each in top["value"]][-1] == "Befunde"
    assert (await _get(graph, f"{folders}/msgfolderroot/childFolders?$top=100"))["value"][-1]["childFolderCount"] == 12
    page = await _get(graph, f"{folders}/{parent.folder_id}/childFolders")
    more = await _get(graph, page["@odata.nextLink"])
    assert [each["displayName"] for each in (*page["value"], *more["value"])] == [str(n) for n in range(12)]
    assert page["value"][0]["parentFolderId"] == parent.folder_id
    assert "@odata.nextLink" not in more


async def test_a_folder_is_made_once(graph: aiohttp.ClientSession, mailbox: Mailbox, folders: str) -> None:
    """201; 409 if the name is taken, in any letter case; 400 without a name."""
    status, made = await _make(graph, f"{folders}/inbox/childFolders", "2026")
    assert (status, made["displayName"]) == (201, "2026")
    assert made["parentFolderId"] == mailbox.folders["inbox"].folder_id
    status, refused = await _make(graph, folders, "ARCHIVE")
    assert (status, refused["error"]["code"]) == (409, "ErrorFolderExists")
    assert (await _make(graph, folders, None))[0] == 400


async def test_to_make_a_folder_is_to_write(
    sim: Simulator, graph: aiohttp.ClientSession, application: Application, folders: str
) -> None:
    """Mail.Read is insufficient."""
    application.roles = ("Mail.Read",)
    token, _ = sim.tokens.issue(application, sim.url)
    headers = {"Authorization": f"Bearer {token}"}
    async with graph.post(folders, json={"displayName": "2026"}, headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (403, "ErrorAccessDenied")


async def test_what_is_deleted_is_in_deleted_items_and_then_gone(
    sim: Simulator, graph: aiohttp.ClientSession, mailbox: Mailbox, message_url: Callable[[str], URL]
) -> None:
    """It is found by its immutable id, which is still valid after the first DELETE."""
    sent = await sim.deliver(mailbox, Mail())
    url = message_url(sent.message_id)
    for left in (1, 0):
        async with graph.delete(url) as response:
            assert response.status == 204
        assert len(mailbox.folders["deleteditems"].messages) == left
    async with graph.delete(url) as response:
        assert response.status == 404


async def test_dragging_changes_the_immutable_id(sim: Simulator, mailbox: Mailbox) -> None:
    """Nothing else changes (docs/graph.md, section 7)."""
    sent = await sim.deliver(mailbox, Mail(subject="Befund"))
    assert sim.move_message(mailbox, sent.message_id, "archive", by_dragging=True)
    assert mailbox.message(sent.message_id) is None
    [moved] = mailbox.folders["archive"].messages
    assert moved.immutable_id != sent.message_id
    assert (moved.internet_message_id, moved.received) == (sent.internet_message_id, sent.message.received)
