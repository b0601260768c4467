"""Dynamic Delivery of Defender for Office 365: a mail arrives before its attachments are scanned.

Placeholders replace the files until then
(https://learn.microsoft.com/defender-office-365/safe-attachments-about); their names are those of KB 4522769 and of
microsoftgraph/msgraph-sdk-dotnet#2416. The scanned mail takes their place in the same message, or comes as another one
with the same internet message id: both have been reported.
"""

from dataclasses import replace
from typing import Final

from simulator.content.mail import Attachment, Mail, item_of

PLACEHOLDER: Final = "Safe Attachments Scan In Progress"
_TEXT: Final = b"Subject: Safe Attachments Scan In Progress\r\n\r\nThe attachment is being scanned.\r\n"


def unscanned(mail: Mail, name: str = PLACEHOLDER) -> Mail:
    """Return the mail with a placeholder of that name for each attachment; pictures of the body stay.

    Raises:
        ValueError: there is nothing to scan.
    """
    if all(attachment.is_inline for attachment in mail.attachments):
        msg = "the mail has no attachment to scan"
        raise ValueError(msg)
    attachments = tuple(_placeholder(attachment, name) for attachment in mail.attachments)
    return replace(mail, attachments=attachments, raw=None)


def _placeholder(attachment: Attachment, name: str) -> Attachment:
    return attachment if attachment.is_inline else item_of(name, _TEXT)
