"""The targets of links in mail: those that are safe to follow, written so that what is shown is what a browser opens.

Browsers repair addresses in many ways (https://url.spec.whatwg.org). Here an address is taken apart as they do, and
written anew in ASCII; what cannot be taken apart is no target.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import idna

_LONGEST: Final = 8_192
_SHOWN: Final = 100
_SAFE: Final = "!#$%&'()*+,/:;=?@[]~"
_ENDS: Final = "".join(map(chr, range(0x21)))
_IGNORED: Final = str.maketrans("", "", "\t\n\r")
_WEB: Final = re.compile(r"(https?):[/\\]*([^/\\?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_OTHER: Final = re.compile(r"(mailto|tel):(.+)", re.IGNORECASE | re.DOTALL)
_SITE: Final = re.compile(r"(.*?)((?::[0-9]{0,5})?)", re.DOTALL)
_HOST: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\]")


@dataclass(frozen=True, slots=True)
class LinkTarget:
    """A safe target. `shown`: for the reader, the host never shortened; both are ASCII, without spaces."""

    href: str
    shown: str


def link_target(address: str) -> LinkTarget | None:
    """The target of a link in mail; None: it is not of the web, an e-mail address or a telephone number."""
    if len(address) > _LONGEST:
        return None
    plain = address.strip(_ENDS).translate(_IGNORED)
    web = _WEB.fullmatch(plain)
    if web is not None:
        return _web_target(web[1].lower(), web[2], web[3])
    other = _OTHER.fullmatch(plain)
    if other is None:
        return None
    return _target(f"{other[1].lower()}:", quote(other[2], safe=_SAFE, errors="replace"))


def _web_target(scheme: str, authority: str, rest: str) -> LinkTarget | None:
    site = _SITE.fullmatch(authority.rpartition("@")[2])  # a name before the host only deceives
    host = None if site is None else _ascii_host(site[1])
    if site is None or host is None:
        return None
    path, mark, query = _split(rest)
    # A backslash is a slash in a path, and to begin one.
    written = quote(path.replace("\\", "/") + mark + query, safe=_SAFE, errors="replace")
    return _target(f"{scheme}://{host}{site[2]}", written)


def _split(rest: str) -> tuple[str, str, str]:
    found = re.search(r"[?#]", rest)
    return (rest, "", "") if found is None else (rest[: found.start()], found[0], rest[found.end() :])


def _ascii_host(host: str) -> str | None:
    """The host as the name system has it: letters that only look like others show as `xn--`."""
    found = host.lower()
    if not host.isascii():
        try:
            found = idna.encode(host, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            return None
    return found if _HOST.fullmatch(found) else None


def _target(beginning: str, rest: str) -> LinkTarget:
    shown = rest[: max(0, _SHOWN - len(beginning))]
    return LinkTarget(beginning + rest, f"{beginning}{shown}{'' if shown == rest else '…'}")
