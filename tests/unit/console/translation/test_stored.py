"""Text stored in English is shown in French, as far as it is known."""

from collections.abc import Iterator
from datetime import UTC, datetime

import click
import pytest

from console.translation.language import catalogue, catalogue_file, choose
from console.translation.stored import Recogniser, recognised, templates_in
from graph.errors import CertificateError, CertificateFault
from graph.mailbox import Mailbox
from graph.responses import error_from_response
from phrases import Phrase
from subscriptions.catch_up import _detail

MAILBOX = Mailbox(1, "laboratory", "t", "c", "lab@example.com", "AB")
LAST = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return Recogniser(templates_in(catalogue_file("fr")))


@pytest.fixture
def in_french() -> Iterator[None]:
    with click.Context(click.Command("x")) as context:
        choose(context, "fr")
        yield


def errors() -> Iterator[Phrase]:
    forbidden = b'{"error": {"code": "ErrorAccessDenied", "message": "Access is denied: {nothing} helps."}}'
    for status, body in ((403, forbidden), (503, b""), (404, b"{}"), (410, b"<html>")):
        error = error_from_response(status, body, {}, operation="GET /users/x/messages", mailbox=MAILBOX)
        yield Phrase.of(error)
    yield Phrase.of(
        CertificateError(
            Phrase("The certificate thumbprint is not usable: {problem}.", problem=Phrase("it has no name.")),
            advice=Phrase("Make another with 'mail-importer certificates new'."),
            fault=CertificateFault.UNREADABLE,
        )
    )
    yield _detail([LAST], recreating=False)
    yield _detail([LAST, LAST], recreating=True)
    yield Phrase.joined(
        Phrase.counted("Tried {n} time.", "Tried {n} times.", n=5), Phrase("The message is no longer in the mailbox.")
    )
    yield Phrase(
        "Sign-in falls back on the next certificate, {follower}: the current one, {current}, is no longer accepted. "
        "Make it the current one: mail-importer accounts update {account!r} --thumbprint {follower} "
        "--no-next-thumbprint",
        current="AB",
        follower="CD",
        account="l'atelier",
    )


@pytest.mark.parametrize("phrase", list(errors()), ids=lambda phrase: phrase[:40])
def test_a_text_is_said_as_the_phrase_it_was_would_be(phrase: Phrase, recogniser: Recogniser) -> None:
    found = recogniser.phrase_of("".join(phrase))
    assert found is not None
    assert found == phrase
    assert found.said_by(catalogue("fr")) == phrase.said_by(catalogue("fr"))
    assert found.said_by(catalogue("fr")) != phrase


def test_a_sentence_of_others_stays_beside_one_that_is_known(recogniser: Recogniser) -> None:
    found = recogniser.phrase_of("Exchange says nothing. Try it. Check HTTPS_PROXY and NO_PROXY.")
    assert found is not None
    assert found.said_by(catalogue("fr")) == "Exchange says nothing. Try it. Vérifiez HTTPS_PROXY et NO_PROXY."
    found = recogniser.phrase_of("Check HTTPS_PROXY and NO_PROXY. And that.")
    assert found is not None
    assert found.said_by(catalogue("fr")) == "Vérifiez HTTPS_PROXY et NO_PROXY. And that."


@pytest.mark.parametrize("text", ["", " ", "Nobody wrote this.", "a: b", "2 things", "{braces} (x)", "x " * 2000])
def test_what_is_not_known_is_not_recognised(text: str, recogniser: Recogniser) -> None:
    assert recogniser.phrase_of(text) is None


@pytest.mark.usefixtures("in_french")
def test_only_another_language_takes_texts_apart() -> None:
    assert recognised("The message is no longer in the mailbox.").said_by(catalogue("fr")).startswith("Le message")
    assert recognised("Nobody wrote this.") == "Nobody wrote this."
    phrase = Phrase("queued")
    assert recognised(phrase) is phrase


def test_in_english_texts_stay_as_they_are() -> None:
    text = "The message is no longer in the mailbox."
    assert recognised(text).said_by(catalogue("fr")) == text
