"""A mail in a file, read in a worker process as the content of mail is."""

import io
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO

from console.output import failure, tell
from console.settings import Settings
from console.wiring.delivery import archive_limits_of
from db.records import AttachmentRecord
from delivery.archives import ArchiveLimits, members_of
from delivery.errors import ContentMissing
from phrases import Phrase
from processor.content.isolated_unpacking import IsolatedUnpacker
from processor.content.mail_files import NotAMail, read_mail
from processor.content.spool import spooling_threads
from processor.importer import worker_processes
from rules.mail import MailFacts, Member


@dataclass(frozen=True, slots=True)
class OpenedMail:
    """The facts of the mail; its contents are there until it is closed."""

    facts: MailFacts
    _contents: Mapping[int, AttachmentRecord] = field(repr=False)
    _limits: ArchiveLimits

    def members(self, position: int) -> Sequence[Member] | None:
        """The files in an attached `.zip`; None: they cannot be read."""
        content = self._contents[position].content
        file: IO[bytes] = io.BytesIO(content or b"") if content is None or isinstance(content, bytes) else content
        try:
            return members_of(file, self._limits)
        except ContentMissing:
            return None


@asynccontextmanager
async def opened(content: bytes, settings: Settings, *, now: datetime) -> AsyncIterator[OpenedMail]:
    """Read a mail as if it had been imported `now`.

    Raises:
        click.ClickException: it is none.
    """
    with ExitStack() as files:
        async with worker_processes() as processes:
            unpacker = IsolatedUnpacker(processes, spooling_threads())
            try:
                mail = await read_mail(content, unpacker, files, now=now)
            except NotAMail as exc:
                raise failure(
                    Phrase("The file is no mail: it does not begin with headers such as From and Date.")
                ) from exc
        if mail.detail is not None:
            tell(Phrase.verbatim(mail.detail))
        contents = {each.position: each for each in mail.attachments}
        yield OpenedMail(mail.facts, contents, archive_limits_of(settings))
