"""SMTP addresses in place of the names of Exchange's directory."""

from typing import Any

import pytest

from processor.content.addresses import is_smtp, with_smtp_addresses

DN = "/O=EXCHANGELABS/OU=EXCHANGE ADMINISTRATIVE GROUP (FYDIBOHF23SPDLT)/CN=RECIPIENTS/CN=0A-LABOR"


def _person(name: str | None, address: object = DN) -> dict[str, Any]:
    return {"emailAddress": {"name": name, "address": address}}


def _properties(**values: object) -> dict[str, Any]:
    return {"singleValueExtendedProperties": [{"id": f"String {name}", "value": each} for name, each in values.items()]}


def _headers(*lines: tuple[str, object]) -> dict[str, Any]:
    return {"internetMessageHeaders": [{"name": name, "value": value} for name, value in lines]}


def _address(message: dict[str, Any], field: str) -> object:
    return message[field]["emailAddress"]["address"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("labor@example.com", True),
        (" labor@example.com ", True),
        ("prüfung@müller.example", True),
        ("root@localhost", True),
        ("a/b@example.com", True),
        (DN, False),
        ("/o=Example/ou=x@y/cn=Recipients/cn=z@example.com", False),
        ("C=DE;A= ;P=EXAMPLE;S=x@y", False),
        ("labor", False),
        ("@example.com", False),
        ("", False),
        (None, False),
    ],
)
def test_addresses_that_mail_can_be_sent_to(address: str | None, expected: bool) -> None:
    assert is_smtp(address) is expected


def test_each_of_from_and_sender_has_a_property_of_its_own() -> None:
    """An assistant sends for a manager; without leading zeros and in any letter case, like Exchange's responses."""
    message = {
        "from": _person("Boss"),
        "sender": _person("Secretary"),
        **_properties(**{"0x5d01": "secretary@example.com", "0X5D02": " boss@example.com "}),
    }
    found = with_smtp_addresses(message)
    assert _address(found, "from") == "boss@example.com"
    assert _address(found, "sender") == "secretary@example.com"
    assert found["from"]["emailAddress"]["name"] == "Boss"
    assert _address(message, "from") == DN


@pytest.mark.parametrize("address", [DN, None, "", 7])
def test_without_a_property_the_mail_itself_decides(address: object) -> None:
    message = {"from": _person("Labor", address), **_headers(("FROM", '"Labor" <labor@example.com>'))}
    assert _address(with_smtp_addresses(message), "from") == "labor@example.com"


@pytest.mark.parametrize(
    "reported",
    [
        {},
        _properties(**{"0x5d02": DN}),
        _properties(**{"0x5d02": 7}),
        _headers(("From", "a@example.com, b@example.com")),
        _headers(("From", DN), ("From", 7)),
        {"internetMessageHeaders": {"From": "a@example.com"}},
        {"internetMessageHeaders": ["From", {"name": 7}]},
    ],
)
def test_what_is_unknown_stays_as_it_is(reported: dict[str, Any]) -> None:
    assert _address(with_smtp_addresses({"from": _person("Labor"), **reported}), "from") == DN


def test_an_address_that_is_one_stays() -> None:
    message = {"from": _person("A", "a@example.com"), **_properties(**{"0x5d02": "b@example.com"})}
    assert with_smtp_addresses(message) is message


def test_recipients_are_found_by_their_names_in_the_mail() -> None:
    """Encoded or not, in any letter case; an ambiguous name stays unchanged."""
    message = {
        "toRecipients": [_person("Prüfstelle  Süd"), _person("Twice"), _person("B", "b@example.com"), None],
        "ccRecipients": [_person("Labor"), _person(None)],
        **_headers(
            ("To", "=?utf-8?Q?Pr=C3=BCfstelle_S=C3=BCd?= <sued@example.com>, Twice <x@example.com>"),
            ("To", "twice <y@example.com>"),
            ("Cc", "LABOR <labor@example.com>, Twice <z@example.com>"),
        ),
    }
    found = with_smtp_addresses(message)
    assert [each and each["emailAddress"]["address"] for each in found["toRecipients"]] == [
        "sued@example.com",
        DN,
        "b@example.com",
        None,
    ]
    assert [each["emailAddress"]["address"] for each in found["ccRecipients"]] == ["labor@example.com", DN]


def test_comments_within_comments_cost_the_address_and_not_the_mail() -> None:
    """Python's reader fails at a depth of hundreds."""
    message = {"from": _person("Labor", None), **_headers(("From", "(" * 2_000 + "Labor <labor@example.com>"))}
    assert with_smtp_addresses(message) == message
