"""`mail-importer accounts folders`: the folders of an account's mailbox, as `--folder` and `--move-to` accept them."""

import json
from collections.abc import Mapping
from typing import Any

import click

from console.invocation import Invocation, account_names, as_stored, example, pass_invocation
from console.loop import run_async
from console.output import printable
from console.session import opened_account
from console.settings import Settings
from console.translation.help import Command
from console.translation.language import translated
from console.wiring.calls import CallContext
from console.wiring.graph import open_graph
from db.queries.accounts import AccountSettings
from graph.folders import FolderEntry, MailFolders
from graph.mailbox import Mailbox
from graph.messages import MailReader
from phrases import Phrase


@click.command(
    "folders",
    cls=Command,
    epilog=example("mail-importer accounts folders laboratory", "mail-importer accounts folders laboratory --json"),
)
@click.argument("name", callback=as_stored, shell_complete=account_names)
@click.option("--json", "in_json", is_flag=True, help="Print the same data as JSON.")
@pass_invocation
def folders(invocation: Invocation, name: str, in_json: bool) -> None:
    """List the folders of an account's mailbox as a tree.

    --folder and --move-to accept the path of a folder, in the mailbox's own language as shown, or its id. Messages are
    those directly in the folder. The JSON has the whole path; it is null where a name contains a slash: use the id
    then.
    """
    found = run_async(_listed(invocation, name))
    if in_json:
        click.echo(json.dumps([_data(each) for each in found], indent=2))
        return
    for each in found:
        # The id on a line of its own, unbroken at any terminal width.
        indent = "  " * (len(each.names) - 1)
        click.echo(printable(f"{indent}{each.names[-1]}{_counts(each)}"))
        click.echo(printable(f"{indent}  {each.folder_id}"))


async def _listed(invocation: Invocation, name: str) -> list[FolderEntry]:
    async with opened_account(invocation, name) as opened:
        return [each async for each in opened.folders.tree(opened.mailbox)]


async def tree_of(settings: Settings, account: AccountSettings, *, calls: CallContext, limit: int) -> list[FolderEntry]:
    """Up to `limit` folders of the mailbox that these settings open, parents before children.

    Raises:
        GraphError, SettingsError
    """
    found: list[FolderEntry] = []
    async with open_graph(settings, context=calls) as graph:
        folders = MailFolders(graph.client, MailReader(graph.client), clock=calls.clock)
        async for each in folders.tree(Mailbox.of(0, account)):
            found.append(each)
            if len(found) >= limit:
                break
    return found


def _counts(entry: FolderEntry) -> str:
    if entry.messages is None:
        return ""
    counts = Phrase.counted("{n} message", "{n} messages", n=entry.messages)
    if entry.unread:
        counts = Phrase("{counts}, {unread} unread", counts=counts, unread=entry.unread)
    return f"  ({translated(counts)})"


def _data(entry: FolderEntry) -> Mapping[str, Any]:
    return {
        "names": entry.names,
        "path": entry.path,
        "messages": entry.messages,
        "unread": entry.unread,
        "id": entry.folder_id,
    }
