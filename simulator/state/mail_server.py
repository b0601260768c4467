"""The simulated world and delivery into it: applications, mailboxes, the ledger of all delivered mail."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from simulator.content.mail import AttachmentKind, Mail
from simulator.identifiers import Identifiers
from simulator.state.dynamic_delivery import PLACEHOLDER, unscanned
from simulator.state.mailboxes import Change, Folder, Mailbox, Mailboxes, Message
from simulator.state.tenants import DEFAULT_ROLES, Application, Tenants


@dataclass(frozen=True)
class LedgerAttachment:
    """One attachment as delivered; `sha256` of its bytes (an item's MIME), `None` for a reference."""

    attachment_id: str
    name: str
    kind: AttachmentKind
    size: int
    is_inline: bool
    content_id: str | None
    sha256: str | None


@dataclass(frozen=True)
class LedgerEntry:
    """One mail as delivered; stays when the mail is moved or removed."""

    mailbox: str
    user_id: str
    message_id: str
    internet_message_id: str | None
    subject: str | None
    folder: str
    arrived: datetime
    notified: bool
    attachments: tuple[LedgerAttachment, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        return {**asdict(self), "arrived": self.arrived.isoformat()}


@dataclass(frozen=True)
class DeliveredMessage:
    """The result of `deliver`: `message_id` is the immutable id."""

    mailbox: Mailbox
    message: Message
    message_id: str
    default_id: str
    internet_message_id: str | None
    arrived: datetime


@dataclass(frozen=True, slots=True)
class _Delivered:
    mailbox: Mailbox
    message: Message
    folder: str
    arrived: datetime
    notified: bool


class MailServer:
    """Makes applications and mailboxes, delivers mail, and records all of it."""

    def __init__(
        self,
        *,
        tenants: Tenants,
        mailboxes: Mailboxes,
        identifiers: Identifiers,
        clock: Callable[[], datetime],
        on_change: Callable[[Change], None],
    ) -> None:
        self.tenants = tenants
        self.mailboxes = mailboxes
        self._identifiers = identifiers
        self._clock = clock
        self._on_change = on_change
        self._delivered: list[_Delivered] = []
        self._first_tenant: str | None = None

    @property
    def delivered_count(self) -> int:
        """Number of mails delivered so far."""
        return len(self._delivered)

    def add_application(
        self,
        tenant_id: str | None = None,
        client_id: str | None = None,
        *,
        display_name: str = "MonitorPro mail importer",
        roles: tuple[str, ...] = DEFAULT_ROLES,
        uploads: Path | None = None,
    ) -> Application:
        """Register an application; without a tenant id in the first tenant, which is made if there is none."""
        application = Application(
            tenant_id=tenant_id or self.first_tenant(),
            client_id=client_id or self._identifiers.guid(),
            service_principal_id=self._identifiers.guid(),
            display_name=display_name,
            roles=roles,
            uploads=uploads,
        )
        self.tenants.add(application)
        return application

    def first_tenant(self) -> str:
        """Return the id of the tenant used when none is named."""
        if self._first_tenant is None:
            self._first_tenant = self._identifiers.guid()
            self.tenants.add_tenant(self._first_tenant)
        return self._first_tenant

    def add_mailbox(self, address: str, display_name: str | None = None, tenant_id: str | None = None) -> Mailbox:
        """Make a user with a mailbox; without a tenant id in the first tenant.

        Raises:
            ValueError: the tenant has one with this address.
        """
        tenant_id = tenant_id or self.first_tenant()
        self.tenants.add_tenant(tenant_id)
        mailbox = Mailbox(
            address=address,
            display_name=display_name or address.partition("@")[0],
            tenant_id=tenant_id,
            user_id=self._identifiers.guid(),
            identifiers=self._identifiers,
            clock=self._clock,
            on_change=self._on_change,
        )
        self.mailboxes.add(mailbox)
        return mailbox

    def deliver(
        self,
        mailbox: Mailbox,
        mail: Mail,
        folder: str = "inbox",
        *,
        received: datetime | None = None,
        immutable_id: str | None = None,
        notify: bool = True,
    ) -> DeliveredMessage:
        """Put a mail into a folder (well-known name or id); `notify=False` is a notification that Graph lost.

        Raises:
            ValueError: no such folder, or the mailbox has a message with that id.
        """
        target = self._folder(mailbox, folder)
        if immutable_id is not None and mailbox.message(immutable_id):
            msg = f"mailbox {mailbox.address} has a message with the id {immutable_id}"
            raise ValueError(msg)
        message = mailbox.deliver(mail, target, received=received, immutable_id=immutable_id, notify=notify)
        arrived = message.modified
        self._delivered.append(_Delivered(mailbox, message, target.display_name, arrived, notify))
        return DeliveredMessage(
            mailbox,
            message,
            message.immutable_id,
            message.default_id,
            message.internet_message_id,
            arrived,
        )

    def deliver_unscanned(
        self, mailbox: Mailbox, mail: Mail, folder: str = "inbox", *, placeholder: str = PLACEHOLDER
    ) -> DeliveredMessage:
        """Put a mail into a folder as Dynamic Delivery does, with placeholders of that name; `release` ends it.

        Raises:
            ValueError: no such folder, or nothing to scan.
        """
        delivered = self.deliver(mailbox, unscanned(mail, placeholder), folder)
        delivered.message.unreleased = mail
        return delivered

    def release(self, mailbox: Mailbox, message_id: str, *, in_place: bool = True) -> str | None:
        """End the scan of a mail: put its files in place, or deliver it as another message, and leave the first.

        Returns the immutable id of the message that has the files; None: no such message.

        Raises:
            ValueError: it has no placeholders.
        """
        message = mailbox.message(message_id)
        if message is None:
            return None
        if in_place or message.unreleased is None:
            mailbox.release(message)
            return message.immutable_id
        scanned = replace(
            message.unreleased,
            sent=message.sent,
            internet_message_id=message.internet_message_id,
            conversation_id=message.conversation_id,
        )
        return self.deliver(mailbox, scanned, message.folder.folder_id).message_id

    def remove_message(self, mailbox: Mailbox, message_id: str) -> bool:
        """Delete a message for good, as its owner would; return False if it was not there."""
        message = mailbox.message(message_id)
        if message is None:
            return False
        mailbox.remove(message)
        return True

    def move_message(self, mailbox: Mailbox, message_id: str, folder: str, *, by_dragging: bool = False) -> bool:
        """Move a message, as its owner would; return False if it was not there. Dragging changes the immutable id."""
        message = mailbox.message(message_id)
        if message is None:
            return False
        mailbox.move(message, self._folder(mailbox, folder), by_dragging=by_dragging)
        return True

    def ledger(self) -> list[LedgerEntry]:
        """Return everything delivered, in order of arrival."""
        return [_ledger_entry(delivered) for delivered in self._delivered]

    def _folder(self, mailbox: Mailbox, name: str) -> Folder:
        folder = mailbox.folder(name)
        if folder is None:
            msg = f"mailbox {mailbox.address} has no folder {name}"
            raise ValueError(msg)
        return folder


def _ledger_entry(delivered: _Delivered) -> LedgerEntry:
    message = delivered.message
    attachments = tuple(
        LedgerAttachment(
            attachment_id=stored.attachment_id,
            name=stored.attachment.name,
            kind=stored.attachment.kind,
            size=stored.attachment.size,
            is_inline=stored.attachment.is_inline,
            content_id=stored.attachment.content_id,
            sha256=stored.attachment.content.sha256 if stored.attachment.content else None,
        )
        for stored in message.attachments
    )
    return LedgerEntry(
        mailbox=delivered.mailbox.address,
        user_id=delivered.mailbox.user_id,
        message_id=message.immutable_id,
        internet_message_id=message.internet_message_id,
        subject=message.mail.subject,
        folder=delivered.folder,
        arrived=delivered.arrived,
        notified=delivered.notified,
        attachments=attachments,
    )
