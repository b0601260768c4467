"""Users, their folders and the messages in them: the state that Graph calls read and change."""

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from operator import attrgetter

from simulator.content.mail import Attachment, Mail
from simulator.identifiers import Identifiers

WELL_KNOWN_FOLDERS = {
    "inbox": "Inbox",
    "drafts": "Drafts",
    "sentitems": "Sent Items",
    "deleteditems": "Deleted Items",
    "archive": "Archive",
    "junkemail": "Junk Email",
}


class MailboxState(StrEnum):
    """The state of a user in the directory and Exchange: each but the first has an error (docs/graph.md, section 9)."""

    READY = "ready"
    NO_SUCH_USER = "no_such_user"
    INVALID_USER = "invalid_user"
    NOT_ENABLED = "not_enabled"
    NOT_HOSTED = "not_hosted"
    NO_INBOX = "no_inbox"


class ChangeKind(StrEnum):
    """The `changeType`s of a subscription."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class FolderChange:
    """One line of a folder's log; the ids are those the message had there. `reason`: of its removal."""

    kind: ChangeKind
    message: "Message"
    immutable_id: str
    default_id: str
    reason: str = ""


@dataclass(eq=False, slots=True)
class Folder:
    """A mail folder; its id never changes.

    `parent`: `None` at the top. `messages` is in order of `receivedDateTime`, `changes` in the order in which they
    happened.
    """

    folder_id: str
    display_name: str
    well_known: str | None = None
    parent: "Folder | None" = None
    messages: list["Message"] = field(default_factory=list)
    changes: list[FolderChange] = field(default_factory=list)

    def note(self, kind: ChangeKind, message: "Message", reason: str = "") -> int:
        """Write a change into the log; returns its place."""
        self.changes.append(FolderChange(kind, message, message.immutable_id, message.default_id, reason))
        return len(self.changes) - 1


@dataclass(frozen=True, slots=True)
class StoredAttachment:
    """An attachment with the id its message gave it."""

    attachment_id: str
    attachment: Attachment


@dataclass(eq=False, slots=True)
class Message:
    """A message in a folder.

    `entered`: the place of its arrival in the folder's log. `rendered` is the last JSON made of it, with the view
    it was made for. `unreleased`: the mail with its files, while placeholders replace them.
    """

    immutable_id: str
    default_id: str
    folder: Folder
    mail: Mail
    internet_message_id: str | None
    conversation_id: str
    sent: datetime
    received: datetime
    modified: datetime
    change_key: str
    order: tuple[datetime, int]
    attachments: tuple[StoredAttachment, ...]
    has_attachments: bool
    is_read: bool = False
    entered: int = -1
    rendered: tuple[object, bytes] | None = None
    unreleased: Mail | None = None

    def identifier(self, *, immutable: bool) -> str:
        """Return the id in the requested format."""
        return self.immutable_id if immutable else self.default_id


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a message in a folder; the ids are those it had there."""

    kind: ChangeKind
    mailbox: "Mailbox"
    folder: Folder
    immutable_id: str
    default_id: str
    change_key: str


class Mailbox:
    """One user's mailbox. Every change is passed to `on_change` after it happened."""

    def __init__(
        self,
        *,
        address: str,
        display_name: str,
        tenant_id: str,
        user_id: str,
        identifiers: Identifiers,
        clock: Callable[[], datetime],
        on_change: Callable[[Change], None],
    ) -> None:
        self.address = address
        self.display_name = display_name
        self.tenant_id = tenant_id
        self.user_id = user_id
        self.state = MailboxState.READY
        self.purpose = "user"
        self.folders: dict[str, Folder] = {}
        self._identifiers = identifiers
        self._clock = clock
        self._on_change = on_change
        self._messages: dict[str, Message] = {}
        self._arrivals = 0
        for well_known, name in WELL_KNOWN_FOLDERS.items():
            self.add_folder(name, well_known)

    def add_folder(self, display_name: str, well_known: str | None = None, *, parent: Folder | None = None) -> Folder:
        """Make a folder; `parent` is `None` for one at the top."""
        folder = Folder(self._identifiers.folder_id(), display_name, well_known, parent)
        self.folders[folder.folder_id] = folder
        if well_known:
            self.folders[well_known] = folder
        return folder

    def folder(self, name: str) -> Folder | None:
        """Return a folder by id, or by well-known name in any letter case."""
        return self.folders.get(name) or self.folders.get(name.lower())

    def children(self, parent: Folder | None) -> list[Folder]:
        """Return the folders in a folder, or (`None`) at the top, in the order they were made."""
        distinct = {folder.folder_id: folder for folder in self.folders.values()}
        return [folder for folder in distinct.values() if folder.parent is parent]

    def message(self, message_id: str) -> Message | None:
        """Return the message with that id of either format."""
        return self._messages.get(message_id)

    def all_messages(self) -> list[Message]:
        """Return the messages of all folders in order of `receivedDateTime`."""
        distinct = {folder.folder_id: folder for folder in self.folders.values()}
        return sorted((m for folder in distinct.values() for m in folder.messages), key=attrgetter("order"))

    def deliver(
        self,
        mail: Mail,
        folder: Folder,
        *,
        received: datetime | None = None,
        immutable_id: str | None = None,
        notify: bool = True,
    ) -> Message:
        """Put a mail into a folder."""
        now = self._clock()
        received = received or now
        self._arrivals += 1
        identifiers = self._identifiers
        message = Message(
            immutable_id=immutable_id or identifiers.immutable_message_id(),
            default_id=identifiers.default_message_id(),
            folder=folder,
            mail=mail,
            internet_message_id=mail.internet_message_id or self._new_internet_message_id(mail),
            conversation_id=mail.conversation_id or identifiers.folder_id(),
            sent=mail.sent or received,
            received=received,
            modified=now,
            change_key=identifiers.change_key(),
            order=(received, self._arrivals),
            attachments=self._stored(mail),
            has_attachments=any(not attachment.is_inline for attachment in mail.attachments),
        )
        self._add(message)
        if notify:
            self._note_change(ChangeKind.CREATED, message)
        return message

    def release(self, message: Message) -> None:
        """Replace the placeholders of a mail by its files, which have ids of their own."""
        if message.unreleased is None:
            msg = f"message {message.immutable_id} has no placeholders"
            raise ValueError(msg)
        message.mail, message.unreleased = message.unreleased, None
        message.attachments = self._stored(message.mail)
        self._touch(message)
        message.folder.note(ChangeKind.UPDATED, message)
        self._note_change(ChangeKind.UPDATED, message)

    def mark_read(self, message: Message, *, is_read: bool) -> None:
        """Set the read flag; reports an update even when nothing changed, as users have reported of Graph."""
        message.is_read = is_read
        self._touch(message)
        message.folder.note(ChangeKind.UPDATED, message)
        self._note_change(ChangeKind.UPDATED, message)

    def move(self, message: Message, folder: Folder, *, by_dragging: bool = False) -> None:
        """Move a message: it keeps the immutable id and gets a new default one (docs/graph.md, section 7).

        `by_dragging`: in Outlook desktop, which changed the immutable id as well.
        """
        self._remove(message, "changed")
        self._note_change(ChangeKind.DELETED, message)
        message.default_id = self._identifiers.default_message_id()
        if by_dragging:
            message.immutable_id = self._identifiers.immutable_message_id()
        message.folder = folder
        self._touch(message)
        self._add(message)
        self._note_change(ChangeKind.CREATED, message)

    def delete(self, message: Message) -> None:
        """Move a message to Deleted Items; one that is there is deleted for good."""
        deleted_items = self.folders["deleteditems"]
        if message.folder is deleted_items:
            self.remove(message)
        else:
            self.move(message, deleted_items)

    def remove(self, message: Message) -> None:
        """Delete a message for good."""
        self._remove(message, "deleted")
        self._note_change(ChangeKind.DELETED, message)

    def _stored(self, mail: Mail) -> tuple[StoredAttachment, ...]:
        return tuple(StoredAttachment(self._identifiers.attachment_id(), each) for each in mail.attachments)

    def _new_internet_message_id(self, mail: Mail) -> str | None:
        return None if mail.is_draft else f"<{self._identifiers.guid()}@simulator.example>"

    def _add(self, message: Message) -> None:
        insort(message.folder.messages, message, key=attrgetter("order"))
        self._messages[message.immutable_id] = message
        self._messages[message.default_id] = message
        message.entered = message.folder.note(ChangeKind.CREATED, message)

    def _remove(self, message: Message, reason: str) -> None:
        message.entered = -1
        message.folder.note(ChangeKind.DELETED, message, reason)
        message.folder.messages.remove(message)
        del self._messages[message.immutable_id]
        del self._messages[message.default_id]

    def _touch(self, message: Message) -> None:
        message.modified = self._clock()
        message.change_key = self._identifiers.change_key()
        message.rendered = None

    def _note_change(self, kind: ChangeKind, message: Message) -> None:
        self._on_change(
            Change(kind, self, message.folder, message.immutable_id, message.default_id, message.change_key),
        )


class Mailboxes:
    """All mailboxes, found by user id or address within a tenant, without regard to case."""

    def __init__(self) -> None:
        self._by_name: dict[tuple[str, str], Mailbox] = {}
        self._all: list[Mailbox] = []

    def add(self, mailbox: Mailbox) -> None:
        """Add a mailbox.

        Raises:
            ValueError: the tenant has one with this address or user id.
        """
        names = [(mailbox.tenant_id.lower(), name.lower()) for name in (mailbox.user_id, mailbox.address)]
        if any(name in self._by_name for name in names):
            msg = f"there is a mailbox {mailbox.address} or {mailbox.user_id} in tenant {mailbox.tenant_id}"
            raise ValueError(msg)
        self._all.append(mailbox)
        for name in names:
            self._by_name[name] = mailbox

    def find(self, tenant_id: str, user: str) -> Mailbox | None:
        """Return the tenant's mailbox with that user id or address."""
        return self._by_name.get((tenant_id.lower(), user.lower()))

    def all(self) -> list[Mailbox]:
        """Return all mailboxes in the order they were added."""
        return list(self._all)

    def named(self, name: str) -> Mailbox | None:
        """Return the first mailbox of any tenant with that user id or address."""
        wanted = name.lower()
        return next((m for m in self._all if wanted in {m.user_id.lower(), m.address.lower()}), None)
