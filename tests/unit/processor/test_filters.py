"""Filters of an account's mail: every rule, and invalid rules."""

import time
from typing import Any

import pytest

from db.queries.filters import Filters
from processor.content.mapping import facts_of
from processor.filters import BadFilter, Facts, LeftOut, MailFilter


def reason(filters: Filters, facts: Facts) -> str | None:
    found = MailFilter(filters).left_out(facts)
    return None if found is None else found.reason


def of(*senders: str, **facts: Any) -> Facts:  # noqa: ANN401  # any field
    return Facts(senders=senders, **facts)


DIRECTORY_NAME = "/O=EXCHANGELABS/OU=EXCHANGE ADMINISTRATIVE GROUP (FYDIBOHF23SPDLT)/CN=RECIPIENTS/CN=0A-LABOR"


def _person(address: str | None) -> dict[str, Any]:
    return {"emailAddress": {"name": "Labor", "address": address}}


@pytest.mark.parametrize(
    ("entry", "sender", "fits"),
    [
        ("labor@example.com", "labor@example.com", True),
        ("Labor@Example.COM", "lABOR@eXAMPLE.com", True),
        ("labor@example.com", "other@example.com", False),
        ("labor@example.com", "labor@sub.example.com", False),
        ("example.com", "labor@example.com", True),
        ("@example.com", "labor@example.com", True),
        ("example.com", "labor@sub.example.com", False),
        ("example.com", "labor@badexample.com", False),
        ("example.com", "labor@example.com.evil.example", False),
        ("*.example.com", "labor@sub.example.com", True),
        ("*.example.com", "labor@a.b.example.com", True),
        ("*.example.com", "labor@example.com", False),
        ("*.example.com", "labor@badexample.com", False),
        ("müller.example", "a@xn--mller-kva.example", True),
        ("xn--mller-kva.example", "a@MÜLLER.example", True),
        ("straße.example", "a@strasse.example", False),
        ("prüfung@example.com", "PRU\u0308FUNG@example.com", True),
        ("my_host.local.example", "a@my_host.local.example", True),
        ("example.com", "/O=EXCHANGELABS/OU=X/CN=RECIPIENTS/CN=Y", False),
        ("example.com", "", False),
        ("example.com", "@example.com", False),
        ("example.com", "a@" + "ü" * 100_000, False),
        ("example.com", "a@ü..example.com", False),
    ],
)
def test_senders(entry: str, sender: str, fits: bool) -> None:
    """An allow list lets in matching mail alone; a deny list keeps out matching mail alone."""
    assert (reason(Filters(senders_allowed=(entry,)), of(sender)) is None) is fits
    assert (reason(Filters(senders_denied=(entry,)), of(sender)) == "SenderDenied") is fits


def test_from_and_sender_are_both_the_sender() -> None:
    """An assistant sends for a manager."""
    facts = of("boss@example.com", "secretary@example.org")
    assert reason(Filters(senders_allowed=("example.org",)), facts) is None
    assert reason(Filters(senders_denied=("example.org",)), facts) == "SenderDenied"


def test_what_is_denied_is_denied_whatever_allows_it() -> None:
    filters = Filters(senders_allowed=("example.com",), senders_denied=("news@example.com",))
    assert MailFilter(filters).left_out(of("news@example.com")) == LeftOut(
        "SenderDenied", "--deny-sender news@example.com"
    )
    assert reason(filters, of("labor@example.com")) is None


def test_without_a_sender_no_sender_filter_fits() -> None:
    assert reason(Filters(senders_allowed=("example.com",)), of()) == "SenderNotAllowed"
    assert reason(Filters(senders_denied=("example.com",)), of()) is None


@pytest.mark.parametrize(
    ("entry", "subject", "fits"),
    [
        ("befund", "Ihr Befund 4711", True),
        ("BEFUND", "ihr befund", True),
        ("Befund*2026", "Befund vom 3. Mai 2026", True),
        ("Befund*2026", "2026: Befund", False),
        ("2*2", "2", False),
        ("*Befund*", "Befund", True),
        ("straße", "STRASSE", True),
        ("Prüf", "PRU\u0308FBERICHT", True),
        ("[a-z]+", "[A-Z]+ as it stands", True),
        ("[a-z]+", "letters", False),
        ("测定", "報告 测定 7", True),
        ("Befund", None, False),
    ],
)
def test_subjects(entry: str, subject: str | None, fits: bool) -> None:
    assert (reason(Filters(subjects_allowed=(entry,)), of(subject=subject)) is None) is fits
    assert (reason(Filters(subjects_denied=(entry,)), of(subject=subject)) == "SubjectDenied") is fits


def test_a_hostile_subject_costs_no_time() -> None:
    """Regular expressions would take hours for it: the test would not end."""
    began = time.process_time()
    assert reason(Filters(subjects_allowed=("*".join("a" * 50) + "b",)), of(subject="a" * 100_000)) is not None
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("filters", "facts", "wanted"),
    [
        (Filters(has_attachments=True), of(has_attachments=False), "HasNoAttachments"),
        (Filters(has_attachments=True), of(has_attachments=True), None),
        (Filters(has_attachments=True), of(), None),
        (Filters(has_attachments=False), of(has_attachments=True), "HasAttachments"),
        (Filters(has_attachments=False), of(has_attachments=False), None),
        (Filters(size_least=10), of(size=9), "TooSmall"),
        (Filters(size_least=10), of(size=10), None),
        (Filters(size_most=10), of(size=11), "TooLarge"),
        (Filters(size_most=10), of(size=10), None),
        (Filters(size_least=10, size_most=10), of(), None),
        (Filters(), of("a@example.com", subject="x", has_attachments=True, size=1), None),
    ],
)
def test_attachments_and_size(filters: Filters, facts: Facts, wanted: str | None) -> None:
    """Values missing from Graph's data exclude no mail."""
    assert reason(filters, facts) == wanted


@pytest.mark.parametrize(
    "filters",
    [
        Filters(senders_allowed=("example",)),
        Filters(senders_allowed=("a@@example.com",)),
        Filters(senders_denied=("a@*.example.com",)),
        Filters(senders_denied=("b@a@example.com",)),
        Filters(senders_denied=("*.b@example.com",)),
        Filters(senders_denied=("*",)),
        Filters(senders_denied=("-x.example",)),
        Filters(senders_denied=("ü..example",)),
        Filters(senders_denied=("a" * 300 + ".example",)),
        Filters(subjects_allowed=("*",)),
        Filters(subjects_denied=("* *",)),
        Filters(size_least=-1),
        Filters(size_most="many"),  # type: ignore[arg-type]  # SQLite lets other programs write it
        Filters(size_least=2, size_most=1),
    ],
)
def test_what_makes_no_sense_is_refused(filters: Filters) -> None:
    with pytest.raises(BadFilter):
        MailFilter(filters)


def test_facts_are_read_from_whatever_graph_sends() -> None:
    """Half of it is missing, or of another shape."""
    whole = {
        "from": {"emailAddress": {"name": "A", "address": "a@example.com"}},
        "sender": {"emailAddress": {"address": "b@example.com"}},
        "subject": "Befund",
        "hasAttachments": False,
        "singleValueExtendedProperties": [{"id": "Integer 0xe08", "value": "70"}],
    }
    assert facts_of(whole) == Facts(["a@example.com", "b@example.com"], "Befund", None, 70)
    for odd in ({}, dict.fromkeys(whole), dict.fromkeys(whole, 7), {"from": {"emailAddress": {"address": None}}}):
        assert facts_of(odd) == Facts([None], None, None, None)


@pytest.mark.parametrize(
    ("message", "let_in"),
    [
        ({"from": _person(DIRECTORY_NAME)}, True),
        ({"from": _person(None), "sender": _person("labor@example.com")}, True),
        ({"from": _person(DIRECTORY_NAME), "sender": _person("news@example.org")}, True),
        ({}, True),
        ({"from": _person("news@example.org")}, False),
        ({"from": _person("root@localhost")}, False),
    ],
)
def test_a_sender_without_smtp_address_may_be_one_that_is_allowed(message: dict[str, Any], let_in: bool) -> None:
    """Losing mail is worse; a sender known to be denied stays denied."""
    facts = facts_of(message)
    assert (reason(Filters(senders_allowed=("example.com",)), facts) is None) is let_in
    denied = Filters(senders_allowed=("example.com",), senders_denied=("example.org",))
    assert reason(denied, facts) == (
        "SenderDenied" if "news@example.org" in facts.senders else None if let_in else "SenderNotAllowed"
    )
    assert MailFilter(denied).needs_sender(facts) is (None in facts.senders)
    assert not MailFilter(Filters()).needs_sender(facts)
