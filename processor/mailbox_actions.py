"""One action in a mailbox: mark, move or delete a message that is imported. Safe to repeat."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, NamedTuple

from db.outcomes import ActionKind, ActionState
from db.queries.accounts import AccountSettings
from graph.actions import DELETED_ITEMS, MailActions
from graph.client import GraphClient
from graph.errors import GraphUnavailable, ItemGone, MailboxNotFound
from graph.folders import MailFolders, named_directly
from graph.mailbox import Mailbox
from graph.messages import MailReader
from phrases import Phrase


class Verdict(NamedTuple):
    """The final state, and a note on it for an operator.

    `changed`: Graph accepted a change, and not only questions. `missing`: the message answers 404, which may pass.
    """

    state: ActionState
    note: Phrase | None = None
    changed: bool = False
    missing: bool = False


_DONE: Final = Verdict(ActionState.DONE, changed=True)
_DONE_BEFORE: Final = Verdict(ActionState.DONE)
_DELETED: Final = Verdict(ActionState.GONE, Phrase("The message is no longer in the mailbox."), missing=True)
_ELSEWHERE: Final = Verdict(
    ActionState.GONE,
    Phrase("The message was moved out of the account's folder, or imported from elsewhere; it was left alone."),
)


class ActionRefused(Exception):
    """The account's settings do not allow the action; the text is for an operator."""

    def __init__(self, text: Phrase) -> None:
        super().__init__(text)


class MailboxActions:
    """Applies actions to messages.

    An immutable id is still valid after a move, so a repeat would move a message again, also out of a folder to which
    its owner moved it meanwhile. Only a message in the account's folder is moved; marked as read it is anywhere.
    """

    def __init__(self, client: GraphClient, *, clock: Callable[[], datetime]) -> None:
        self._reader = MailReader(client)
        self._actions = MailActions(client)
        self._folders = MailFolders(client, self._reader, clock=clock)

    async def apply(
        self, mailbox: Mailbox, settings: AccountSettings, kind: str, message_id: str, *, folder_id: str | None
    ) -> Verdict:
        """Do it; an action that is done already, or whose message is gone, is no error.

        `folder_id`: the folder in which the message was a moment ago; None: unknown.

        Raises:
            ActionRefused: the account's settings do not allow it.
            GraphError: as `GraphClient.request`.
        """
        if kind == ActionKind.READ:
            return await self._verdict_of(mailbox, message_id, lambda: self._actions.mark_read(mailbox, message_id))
        target = DELETED_ITEMS if kind == ActionKind.DELETE else settings.move_to_folder
        if target is None:
            raise ActionRefused(
                Phrase("The account names no folder to move to: mail-importer accounts update NAME --move-to")
            )
        found = await self._verdict_before(mailbox, settings.folder, target, message_id, folder_id)
        if found is not None:
            return found
        if kind == ActionKind.DELETE:
            return await self._verdict_of(mailbox, message_id, lambda: self._actions.move(mailbox, message_id, target))
        return await self._move(mailbox, target, message_id)

    async def _verdict_before(
        self, mailbox: Mailbox, folder: str, target: str, message_id: str, place: str | None
    ) -> Verdict | None:
        """The verdict where nothing is left to do; None when the message is where it was imported from."""
        try:
            place = place or await self._reader.parent_folder(mailbox, message_id)
        except ItemGone:
            return _DELETED
        if await self._is_folder(mailbox, place, folder):
            return None
        return _DONE_BEFORE if place == await self._folders.folder_id(mailbox, target, make=True) else _ELSEWHERE

    async def _is_folder(self, mailbox: Mailbox, folder_id: str, folder: str) -> bool:
        """Check whether the folder of that name has this id; where the cached id differs, it is resolved again.

        Another folder may have the path by now, and all mail would be left alone.
        """
        if folder_id == await self._folders.folder_id(mailbox, folder):
            return True
        if named_directly(folder) is not None:
            return False
        self._folders.forget(mailbox, folder)
        return folder_id == await self._folders.folder_id(mailbox, folder)

    async def _move(self, mailbox: Mailbox, target: str, message_id: str) -> Verdict:
        folder_id = await self._folders.folder_id(mailbox, target, make=True)
        try:
            await self._actions.move(mailbox, message_id, folder_id)
        except (ItemGone, MailboxNotFound):
            # The message is gone, or the cached folder.
            self._folders.forget(mailbox, target)
            again = await self._folders.folder_id(mailbox, target, make=True)
            return await self._verdict_of(mailbox, message_id, lambda: self._actions.move(mailbox, message_id, again))
        return _DONE

    async def _verdict_of(self, mailbox: Mailbox, message_id: str, act: Callable[[], Awaitable[None]]) -> Verdict:
        """Act; a 404 means that the message is gone, unless the mailbox is, or still holds it."""
        try:
            await act()
        except (ItemGone, MailboxNotFound) as error:
            try:
                await self._reader.parent_folder(mailbox, message_id)
            except ItemGone:
                return _DELETED
            raise GraphUnavailable(
                Phrase("{why} Yet the message is there. It is tried again.", why=error), **error.facts
            ) from error
        return _DONE
