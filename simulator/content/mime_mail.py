"""Conversion of a mail in wire format into Graph's data, as in Exchange."""

from simulator.content.mail import Mail
from simulator.content.mime_headers import all_headers, header_text, importance, people, person, sent
from simulator.content.mime_parts import taken_apart


def mail_from(raw: bytes) -> Mail:
    """Return the mail that the bytes (RFC 5322) hold; any bytes give one.

    HTML is the body where there is a choice; pictures in it, files, attached mails and the wrappings of signed,
    encrypted and Outlook's own mail are attachments; a meeting mail has a type of its own (docs/graph.md,
    section 7). The raw bytes are kept for `/$value`.
    """
    mail, parts = taken_apart(raw)
    author = person(mail, "from")
    return Mail(
        subject=header_text(mail, "subject"),
        sender=person(mail, "sender") or author,
        from_=author,
        to=people(mail, "to"),
        cc=people(mail, "cc"),
        bcc=people(mail, "bcc"),
        reply_to=people(mail, "reply-to"),
        body=parts.body or "",
        is_html=parts.is_html,
        importance=importance(mail),
        sent=sent(mail),
        internet_message_id=header_text(mail, "message-id") or None,
        attachments=tuple(parts.attachments),
        headers=all_headers(mail),
        is_draft=mail["x-unsent"] == "1",
        raw=raw,
        type_name=parts.type_name,
    )
