"""Types of settings: the checks of single values, whose errors name no value."""

import ipaddress
import re
from collections.abc import Callable
from pathlib import PurePath
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from console.quiet_times import QuietTimes
from db.connection import parse_url
from phrases import Phrase

SECRET_LENGTH: Final = 32
"""Minimum of characters in a `client_state_secret`."""

_MAX_WAIT_SECONDS: Final = 3600
_IDENTIFIER: Final = re.compile(r"[A-Za-z_]\w{0,127}", re.ASCII)


def whole_number(value: object) -> object:
    """Refuse true and false, and pass on what pydantic judges."""
    # Python counts true as 1; a port that is true is a mistake.
    if isinstance(value, bool):
        raise ValueError(Phrase("is true or false where a whole number belongs"))  # noqa: TRY004  # pydantic collects ValueErrors
    return value


def yes_or_no(value: object) -> object:
    """Parse true and false, and nothing else."""
    # pydantic would also accept 1, "t" and "off".
    words = {"true": True, "false": False}
    found = words.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise ValueError(Phrase("is neither true nor false"))  # noqa: TRY004  # pydantic collects ValueErrors
    return found


def folders_in(text: str) -> tuple[str, ...]:
    """The folders of a text that separates them by semicolons or lines."""
    return tuple(each.strip() for each in re.split(r"[;\n]", text) if each.strip())


def _folders(value: str) -> str:
    if not folders_in(value):
        raise ValueError(Phrase("is empty"))
    if not all(PurePath(each).is_absolute() for each in folders_in(value)):
        raise ValueError(Phrase("is not absolute: give each folder with its whole path"))
    return value


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError(Phrase("is empty"))
    return value.strip()


def _host(value: str) -> str:
    host = _filled(value)
    if host.startswith("[") and host.endswith("]") and address_of(host[1:-1]) is not None:  # as IPv6 in a URL
        host = host[1:-1]
    if re.search(r"[/@\[\]\s]", host) or (":" in host and address_of(host) is None):
        raise ValueError(Phrase("is not a name or an address alone: give it without scheme and port"))
    return host


def _database_url(value: SecretStr) -> SecretStr:
    parse_url(value.get_secret_value())
    return value


def identifier(value: str) -> str:
    """Parse a plain name of the database."""
    if not _IDENTIFIER.fullmatch(value.strip()):
        raise ValueError(Phrase("is no plain name: letters, digits and _, and no digit first"))
    return value.strip()


def _quiet(value: str) -> str:
    QuietTimes.parse(value)
    return value.strip()


def _key(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SECRET_LENGTH:
        raise ValueError(
            Phrase(
                "is shorter than {least} characters; create one with: openssl rand -base64 48",
                least=SECRET_LENGTH,
            )
        )
    return value


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks_in(text: str) -> tuple[Network, ...]:
    """The networks in a list separated by blanks; an address is a network of one.

    Raises:
        ValueError: one of them is none.
    """
    return tuple(ipaddress.ip_network(each) for each in text.split())


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, of IPv4 also where a socket of IPv6 shows it; None: the text is none."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def is_loopback(host: str) -> bool:
    """True for the addresses and the name of this host itself."""
    address = address_of(host)
    return host == "localhost" if address is None else address.is_loopback


def host_and_port(host: str, port: int) -> str:
    """Both as in a URL: an address of IPv6 is in brackets."""
    return f"{f'[{host}]' if ':' in host else host}:{port}"


def _origin(*, http_on_loopback: bool) -> Callable[[str], str]:
    """A check for `https://host[:port]` and nothing after it."""

    def check(value: str) -> str:
        try:
            parts = urlsplit(value.strip())
            port = parts.port
        except ValueError as exc:
            raise ValueError(Phrase("is not a URL such as https://mail.example.com")) from exc
        if parts.scheme not in {"http", "https"} or not parts.hostname or " " in parts.netloc:
            raise ValueError(Phrase("is not a URL such as https://mail.example.com"))
        if parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username is not None:
            raise ValueError(Phrase("must be scheme, host and port only, without path: https://mail.example.com"))
        if parts.scheme == "http" and not (http_on_loopback and is_loopback(parts.hostname)):
            if http_on_loopback:
                raise ValueError(Phrase("must begin with https://; http is for loopback addresses only"))
            raise ValueError(Phrase("must begin with https://"))
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return f"{parts.scheme}://{host}" + ("" if port is None else f":{port}")

    return check


Text = Annotated[str, AfterValidator(_filled)]
Host = Annotated[str, AfterValidator(_host)]
Port = Annotated[int, BeforeValidator(whole_number), Field(ge=0, le=65535)]
Key = Annotated[SecretStr, AfterValidator(_key)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
Seconds = Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=_MAX_WAIT_SECONDS)]
FoldersText = Annotated[str, AfterValidator(_folders)]
QuietText = Annotated[str, AfterValidator(_quiet)]
PublicOrigin = Annotated[str, AfterValidator(_origin(http_on_loopback=True))]
SecureOrigin = Annotated[str, AfterValidator(_origin(http_on_loopback=False))]
