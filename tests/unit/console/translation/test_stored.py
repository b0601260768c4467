"""Texts that roles store in English, shown in French."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from console.translation.language import catalogue
from graph.errors import CertificateError, CertificateFault
from graph.mailbox import Mailbox
from graph.responses import error_from_response
from phrases import Phrase
from phrases.storage import from_json, to_json
from subscriptions.catch_up import _detail

MAILBOX = Mailbox(1, "laboratory", "t", "c", "lab@example.com", "AB")
LAST = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)


def phrases() -> Iterator[Phrase]:
    forbidden = b'{"error": {"code": "ErrorAccessDenied", "message": "Access is denied: {nothing} helps."}}'
    for status, body in ((403, forbidden), (503, b""), (404, b"{}"), (410, b"<html>")):
        yield Phrase.of(error_from_response(status, body, {}, operation="GET /users/x/messages", mailbox=MAILBOX))
    yield Phrase.of(
        CertificateError(
            Phrase("The certificate thumbprint is not usable: {problem}.", problem=Phrase("it has no name.")),
            advice=Phrase("Make another with 'mail-importer certificates new'."),
            fault=CertificateFault.UNREADABLE,
        )
    )
    yield _detail([LAST], recreating=False)
    yield _detail([LAST, LAST], recreating=True)


@pytest.mark.parametrize("phrase", list(phrases()), ids=lambda phrase: phrase[:40])
def test_a_stored_text_is_said_as_the_phrase_it_was(phrase: Phrase) -> None:
    found = from_json(to_json(phrase), "".join(phrase))
    assert isinstance(found, Phrase)
    assert found.translated(catalogue("fr")) == phrase.translated(catalogue("fr")) != phrase
