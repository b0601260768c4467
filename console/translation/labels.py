"""Display labels for the codes in the database and in JSON."""

from collections.abc import Mapping
from typing import Final

from phrases import Phrase

_WORDS: Final[Mapping[str, Phrase]] = {
    # State of the action in a mailbox after an import.
    "pending": Phrase("pending"),
    "failed": Phrase("failed"),
    "done": Phrase("done"),
    "gone": Phrase("gone"),
    # State of a subscription.
    "active": Phrase("active"),
    "surplus": Phrase("surplus"),
    "other": Phrase("of another"),
    # Weight of a difference of the schema.
    "blocks": Phrase("blocks"),
    "missing": Phrase("missing"),
    "differs": Phrase("differs"),
    "accepted": Phrase("accepted"),
    "advice": Phrase("advice"),
    # Result of a check.
    "ok": Phrase("ok"),
    "wrong": Phrase("wrong"),
    "unknown": Phrase("unknown"),
    # State of a message of the queue.
    "dead": Phrase("dead"),
    "in work": Phrase("in work"),
    "waiting": Phrase("waiting"),
    "scheduled": Phrase("scheduled"),
    # State or outcome of a message of the mailbox.
    "moved": Phrase("moved"),
    "deleted": Phrase("deleted"),
    "copy": Phrase("copy"),
    "scanning": Phrase("waits"),
    # Severity of a problem.
    "warning": Phrase("warning"),
    "error": Phrase("error"),
    # Services of Microsoft.
    "graph": Phrase("Microsoft Graph"),
    "signin": Phrase("the sign-in service"),
    # Kind of a problem.
    "graph_unreachable": Phrase("Microsoft Graph unreachable"),
    "sign_in_unreachable": Phrase("sign-in service unreachable"),
    "credentials_unreachable": Phrase("certificate store or identity unreachable"),
    "sign_in_refused": Phrase("sign-in refused"),
    "certificate_ends": Phrase("certificate ends"),
    "certificate_ended": Phrase("certificate ended"),
    "certificate_not_found": Phrase("certificate not found"),
    "certificate_key_unreadable": Phrase("private key not readable"),
    "certificate_unusable": Phrase("certificate not usable"),
    "certificate_replaced": Phrase("next certificate in use"),
    "mailbox_refused": Phrase("mailbox refused"),
    "folder_not_found": Phrase("folder not found"),
    "settings_unusable": Phrase("settings not usable"),
    "subscription_failing": Phrase("no subscription"),
    "notifications_missed": Phrase("notifications missed"),
    "sweep_failing": Phrase("folder not swept"),
    "dead_letters": Phrase("dead letters"),
    "messages_failing": Phrase("messages fail"),
    "after_import_failing": Phrase("action after import fails"),
    "queue_unreachable": Phrase("queue unreachable"),
    "queue_not_drained": Phrase("queue not drained"),
    "database_trouble": Phrase("database trouble"),
    "no_processor": Phrase("no processor"),
    "no_manager": Phrase("no subscription manager"),
    "process_lost": Phrase("process lost"),
    "worker_not_started": Phrase("process not started"),
    "clocks_apart": Phrase("clocks apart"),
    "disk_nearly_full": Phrase("disk nearly full"),
    "schema_outdated": Phrase("schema outdated"),
    "alert_failing": Phrase("alerts fail"),
    "no_delivery": Phrase("no delivery"),
    "delivery_late": Phrase("delivery late"),
    "folder_unavailable": Phrase("import folder unavailable"),
    "files_failed": Phrase("files not saved"),
    "rule_unusable": Phrase("rule not usable"),
    # State of an alert.
    "sent": Phrase("sent"),
    "expired": Phrase("expired"),
    "imported": Phrase("imported"),
    "filtered": Phrase("filtered"),
    "duplicate": Phrase("duplicate"),
    "removed": Phrase("removed"),
    # State of an attachment.
    "stored": Phrase("stored"),
    "linked": Phrase("a link"),
    "too_large": Phrase("too large"),
    "unreadable": Phrase("unreadable"),
    # State of the import rules of a message.
    "white": Phrase("white"),
    "green": Phrase("green"),
    "amber": Phrase("amber"),
    "red": Phrase("red"),
    # State of a file that a rule saves.
    "saved": Phrase("saved"),
    "skipped": Phrase("given up"),
    # Role of a user of the web console, and kind of sign-in.
    "Viewer": Phrase("viewer"),
    "Operator": Phrase("operator"),
    "Administrator": Phrase("administrator"),
    "Reader": Phrase("reader of mail"),
    "sign_in_local": Phrase("password"),
    "sign_in_entra": Phrase("Microsoft Entra ID"),
    "sign_in_link": Phrase("one-time link"),
    # Source of a condition of an account, or a role.
    "delivery": Phrase("delivery"),
    "row": Phrase("row"),
    "receiver": Phrase("receiver"),
    "processor": Phrase("processor"),
    "subscriptions": Phrase("subscriptions"),
    "console": Phrase("web console"),
    "sweep": Phrase("sweep"),
    "notifications": Phrase("notifications"),
    "certificate": Phrase("certificate"),
    "afterimport": Phrase("after import"),
    # Choice of a form.
    "yes": Phrase("yes"),
    "no": Phrase("no"),
    "any": Phrase("any"),
    "text": Phrase("plain text"),
    "both": Phrase("both"),
    "none": Phrase("none"),
    "read": Phrase("mark as read"),
    "move": Phrase("move"),
    "delete": Phrase("delete"),
    # Importance of an e-mail.
    "low": Phrase("low"),
    "normal": Phrase("normal"),
    "high": Phrase("high"),
    # What a user of the web console opened.
    "body_opened": Phrase("body opened"),
    "attachment_downloaded": Phrase("attachment downloaded"),
    "original_exported": Phrase("e-mail exported"),
}

RULE_COLOURS: Final[Mapping[str, str]] = {"green": "green", "amber": "yellow", "red": "red"}
"""Colours of the states of import rules, on a terminal; white is that of the text."""
FILE_COLOURS: Final[Mapping[str, str]] = {"saved": "green", "failed": "red"}


def word(code: str) -> Phrase:
    """The word for a code; the code itself where it has none."""
    return _WORDS.get(code) or Phrase.verbatim(code)
