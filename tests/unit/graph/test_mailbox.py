from dataclasses import dataclass, fields

from graph.mailbox import Mailbox


@dataclass(frozen=True)
class Row:
    """An account in the form of a database reader."""

    name: str = "Support"
    tenant_id: str = "t"
    client_id: str = "c"
    user_id: str = "u"
    thumbprint: str = "AB"
    secure_certificate_access: bool = False
    next_thumbprint: str | None = "CD"


def test_a_mailbox_is_all_that_its_account_says() -> None:
    """No column that opens the mailbox is lost on the way from the account, the next certificate's included."""
    mailbox = Mailbox.of(7, Row())
    assert mailbox == Mailbox(7, "Support", "t", "c", "u", "AB", secure_certificate_access=False, next_thumbprint="CD")
    assert len([each for each in fields(Mailbox) if each.init]) == len(fields(Row)) + 1
