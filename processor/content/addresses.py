"""SMTP addresses of senders and recipients, also where Exchange names them by its own directory (X.500).

For a sender within the organisation `emailAddress.address` may be a distinguished name of Exchange's directory,
`/O=EXCHANGELABS/OU=…/CN=RECIPIENTS/CN=…`, or be missing. Exchange keeps the SMTP address in a property beside it
(MS-OXOMSG: PidTagSenderSmtpAddress, PidTagSentRepresentingSmtpAddress); of recipients Graph gives no such property, but
the headers of the mail name them. No I/O.
"""

import re
from collections.abc import Iterable, Mapping
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import getaddresses
from typing import Any, Final

from processor.content.extended import AUTHOR_ADDRESS, SENDER_ADDRESS, extended

_SMTP: Final = re.compile(r"[^\s/@][^\s@]*@[^\s@/=]+")
_PEOPLE: Final = {"from": (AUTHOR_ADDRESS, ("from",)), "sender": (SENDER_ADDRESS, ("sender", "from"))}
"""The property with the address of each, and the headers: without a Sender the author is it (RFC 5322, 3.6.2)."""
_LISTS: Final = {"toRecipients": "to", "ccRecipients": "cc", "bccRecipients": "bcc", "replyTo": "reply-to"}
_MAX_HEADER: Final = 1_000_000
"""Characters of the headers of one name that are read."""

Json = dict[str, Any]


def is_smtp(address: str | None) -> bool:
    """Check for an address that mail can be sent to from anywhere (`a@example.com`), and no directory name."""
    return address is not None and _SMTP.fullmatch(address.strip()) is not None


def with_smtp_addresses(message: Json) -> Json:
    """The message with SMTP addresses in place of directory names, where it states them; the rest as it is."""
    headers = _Headers(message)
    changed: Json = {}
    for field, (name, tried) in _PEOPLE.items():
        person = message.get(field)
        if not _lacks_address(person):
            continue
        stated = extended(message, name)
        found = stated.strip() if isinstance(stated, str) and is_smtp(stated) else headers.sole(tried)
        if found is not None:
            changed[field] = _with_address(person, found)
    for field, header in _LISTS.items():
        listed = message.get(field)
        if isinstance(listed, list) and any(map(_lacks_address, listed)):
            changed[field] = [_found_by_name(each, headers, header) for each in listed]
    return {**message, **changed} if changed else message


def _found_by_name(person: object, headers: "_Headers", header: str) -> object:
    found = headers.named(header, _email(person).get("name")) if _lacks_address(person) else None
    return person if found is None else _with_address(person, found)


def _email(person: object) -> Mapping[str, Any]:
    found = person.get("emailAddress") if isinstance(person, dict) else None
    return found if isinstance(found, dict) else {}


def _lacks_address(person: object) -> bool:
    """Check for a sender or recipient without an SMTP address."""
    email = _email(person)
    address = email.get("address")
    return bool(email) and not is_smtp(address if isinstance(address, str) else None)


def _with_address(person: object, address: str) -> Json:
    return {"emailAddress": {**_email(person), "address": address}}


class _Headers:
    """Names and addresses in the internet headers of a message, read on request."""

    def __init__(self, message: Json) -> None:
        self._headers = message.get("internetMessageHeaders")
        self._read: dict[str, list[tuple[str, str]]] = {}
        self._by_name: dict[str, dict[str, dict[str, str]]] = {}
        """By header and name, the addresses of that name: each by its lower-case form."""

    def sole(self, headers: Iterable[str]) -> str | None:
        """The only SMTP address in the first of these that has any; None when it has several."""
        people = next(filter(None, map(self._people, headers)), ())
        found = {address.lower(): address for _, address in people}
        return next(iter(found.values())) if len(found) == 1 else None

    def named(self, header: str, name: object) -> str | None:
        """The SMTP address of that name, when there is one and no other of that name."""
        if not isinstance(name, str) or not name.strip():
            return None
        if header not in self._by_name:
            people = self._by_name[header] = {}
            for shown, address in self._people(header):
                people.setdefault(_plain(shown), {})[address.lower()] = address
        found = self._by_name[header].get(_plain(name), {})
        return next(iter(found.values())) if len(found) == 1 else None

    def _people(self, header: str) -> list[tuple[str, str]]:
        if header not in self._read:
            try:
                named = getaddresses(list(self._values(header)))
            except RecursionError:  # comments within comments, hundreds deep: no sender, and no reason to lose mail
                named = []
            self._read[header] = [(_decoded(name), address) for name, address in named if is_smtp(address)]
        return self._read[header]

    def _values(self, header: str) -> Iterable[str]:
        left = _MAX_HEADER
        for each in self._headers if isinstance(self._headers, list) else ():
            name, value = (each.get("name"), each.get("value")) if isinstance(each, dict) else (None, None)
            if isinstance(name, str) and name.lower() == header and isinstance(value, str):
                left -= len(value)
                if left < 0:
                    return
                yield value


def _decoded(name: str) -> str:
    """A name without encoded words (RFC 2047)."""
    try:
        return str(make_header(decode_header(name)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return name


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())
