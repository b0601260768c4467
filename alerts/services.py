"""Targets of alerts, spoken to by Apprise: the only module that loads it, which costs half a second and 40 MB.

Of Apprise only the services of the given URLs are used: no configuration files, no plugins from folders, no variables
of its templates, no attachments, nothing stored. What it logs may quote a URL, and a URL holds secrets: its logger
reaches no log of this program, and the reason of a failure is passed on without them.
"""

import atexit
import logging
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus, unquote, unquote_plus, urlsplit

import apprise
from apprise.plugins import NotifyBase
from apprise.plugins.email import NotifyEmail

from alerts.errors import SendFailed, UnusableTargets

_HIDDEN: Final = "…"
_SHORTEST_SECRET: Final = 3
_MAX_REASON: Final = 500
_MAX_ANSWER: Final = 200
_CAUSE: Final = re.compile(r"^(?:Socket|Notification|\w*) ?Exception: (?P<cause>.+)", re.DOTALL)
_ANSWER: Final = re.compile(r"^Response Details:\s*b?(?P<answer>.+)", re.DOTALL)
_INNERMOST: Final = re.compile(r"\(Caused by \w+\([\"']?(?P<inner>.+?)[\"']?\)\)$", re.DOTALL)
_OBJECT: Final = re.compile(r"<[\w.]+ object at 0x[0-9a-f]+>:? ?|^\w+\(host=[^)]*\): ")

_logger: Final = logging.getLogger("apprise")


def open_targets(urls: Sequence[str], *, roots: bytes | None = None) -> "tuple[Target, ...]":
    """The targets of these URLs, in their order; each recipient of mail is one. `roots`: those that are trusted, as
    PEM; None: those of requests.

    Raises:
        UnusableTargets: with the numbers of the URLs that Apprise does not understand.
    """
    _silence()
    trusted = _file_of(roots)
    asset = apprise.AppriseAsset(
        app_id="mail-importer",
        app_desc="mail-importer",
        storage_mode="memory",
        async_mode=False,  # sends on the calling thread, whose caller bounds it
        service_timeout=0,
        http_redirects=False,  # a POST that is redirected becomes a GET: it would count as sent, and be lost
        allow_templates=False,
        pgp_autogen=False,
        pem_autogen=False,
        language="en",
    )
    found = [_service(url, asset) for url in urls]
    unusable = [number for number, each in enumerate(found, 1) if each is None]
    if unusable:
        raise UnusableTargets(unusable)
    each_alone = [
        (url, service, recipient)
        for url, service in zip(urls, found, strict=True)
        if service is not None
        for recipient in _recipients(service)
    ]
    names = _names(service for _, service, _ in each_alone)
    return tuple(
        Target(url, name, asset, trusted, recipient)
        for (url, _, recipient), name in zip(each_alone, names, strict=True)
    )


class Target:
    """One URL, or one of the recipients of mail that it names.

    `name`: its service and host, without secrets. `fingerprint`: its identity in the database.
    """

    def __init__(
        self, url: str, name: str, asset: apprise.AppriseAsset, roots: Path | None, recipient: str | None
    ) -> None:
        """`recipient`: None: all that the URL names."""
        self._url = url
        self._asset = asset
        self._roots = roots
        self._recipient = recipient
        self._secrets = _secrets(url, name)
        self.name: Final = name
        self.fingerprint: Final = sha256(url.encode() + (recipient or "").encode()).hexdigest()

    def __repr__(self) -> str:
        return f"Target({self.name!r})"

    def send(self, title: str, body: str) -> None:
        """Send the message; blocks until the service answered. What the service refuses as it is too long is cut.

        Raises:
            SendFailed: with the reason, without secrets.
        """
        try:
            result = self._notified(title, body)
        except Exception as exc:
            raise SendFailed(f"unexpected {type(exc).__name__}") from exc
        if not result:
            raise SendFailed(self._reason([(each.level, each.message) for each in result.logs()]))

    def _notified(self, title: str, body: str) -> apprise.AppriseResult:
        service = self._made()
        result = self._notified_by(service, title, body)
        # The limits of Apprise are not those of every service: some take more, as Teams does.
        may_be_too_long = len(title) + len(body) > service.body_maxlen
        if not result and may_be_too_long and any(_ANSWER.match(each.message) for each in result.logs()):
            service = self._made()
            service.overflow_mode = apprise.OverflowMode.TRUNCATE
            result = self._notified_by(service, title, body)
        return result

    def _made(self) -> NotifyBase:
        """A service of its own for each message: it would pause between them, and threads may share none."""
        service = _service(self._url, self._asset)
        if service is None:
            raise ValueError("no URL of a service")
        if self._recipient is not None and isinstance(service, NotifyEmail):
            service.targets = [each for each in _addressed(service) if each[1] == self._recipient][:1]
            service.cc = service.bcc = set()
        if self._roots is not None and service.verify_certificate is True:
            service.verify_certificate = str(self._roots)  # type: ignore[assignment]  # requests takes a path as well
        return service

    def _notified_by(self, service: NotifyBase, title: str, body: str) -> apprise.AppriseResult:
        sender = apprise.Apprise(asset=self._asset)
        sender.add(service)
        return sender.notify(
            body,
            title,
            notify_type=apprise.NotifyType.WARNING,
            body_format=apprise.NotifyFormat.TEXT,
            log_level=logging.DEBUG,
        )

    def _reason(self, logged: Sequence[tuple[str, str]]) -> str:
        """The reason of a failure: the sentences of Apprise, the error under them, and the answer of the service."""
        parts = [message for level, message in logged if level in {"WARNING", "ERROR"}]
        for _, message in logged:
            if found := _CAUSE.match(message):
                parts.append(_plain(found["cause"]))
            elif (found := _ANSWER.match(message)) and "<" not in found["answer"]:
                parts.append(found["answer"].strip("'\"")[:_MAX_ANSWER])
        text = " ".join(" ".join(dict.fromkeys(parts)).split()) or "Apprise gave no reason"
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return text[:_MAX_REASON]


def _silence() -> None:
    # Only the captures that Apprise makes for each call get its records; they need all levels.
    _logger.setLevel(logging.DEBUG)
    _logger.propagate = False
    if not _logger.handlers:
        _logger.addHandler(logging.NullHandler())


def _file_of(roots: bytes | None) -> Path | None:
    """A file with these certificates until the process ends: requests takes nothing else."""
    if not roots:
        return None
    handle, name = tempfile.mkstemp(prefix="mail-importer-roots-", suffix=".pem")
    atexit.register(Path(name).unlink, missing_ok=True)
    with os.fdopen(handle, "wb") as file:
        file.write(roots)
    return Path(name)


def _service(url: str, asset: apprise.AppriseAsset) -> NotifyBase | None:
    found = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    return found if isinstance(found, NotifyBase) else None


def _recipients(service: NotifyBase) -> list[str | None]:
    """The recipients of mail, if there are several; otherwise None: what the URL names is one target.

    Apprise reports a failure for all when a server refuses one of them: those that have got the alert would get it
    again with each attempt, and later alerts would wait behind it.
    """
    if not isinstance(service, NotifyEmail):
        return [None]
    addresses = list(dict.fromkeys(address for _, address in _addressed(service)))
    return [*addresses] if len(addresses) > 1 else [None]


def _addressed(service: NotifyEmail) -> list[tuple[str | bool, str]]:
    """Name, or False, and address of each recipient, those of copies included."""
    copies = [(service.names.get(each, False), each) for each in (*sorted(service.cc), *sorted(service.bcc))]
    return [*service.targets, *copies]


def _names(services: Iterable[NotifyBase]) -> list[str]:
    """Names that differ: a second target of the same service and host gets a number."""
    names: list[str] = []
    for service in services:
        # In the place of the host, some services have a token.
        host = service.host if "host" in service.template_tokens else None
        port = f":{service.port}" if host and service.port else ""
        plain = f"{service.service_name} {host}{port}" if host else str(service.service_name)
        count = sum(each == plain or each.startswith(f"{plain} (") for each in names)
        names.append(f"{plain} ({count + 1})" if count else plain)
    return names


def _secrets(url: str, name: str) -> list[str]:
    """All parts of the URL that the name does not show, in every spelling, the longest first."""
    scheme, _, rest = url.partition("://")
    parts = set(re.split(r"[/?&=@:#,+;]", rest)) | {rest, rest.partition("?")[0]}
    try:
        split = urlsplit(url)
        parts |= {
            split.netloc,
            split.path,
            split.path.strip("/"),
            split.query,
            split.username or "",
            split.password or "",
        }
    except ValueError:
        pass
    spellings = {spelt for part in parts for spelt in (part, unquote(part), unquote_plus(part))}
    spellings |= {spelt for part in spellings for spelt in (quote(part), quote(part, safe=""), quote_plus(part))}
    kept = {each for each in spellings if len(each) >= _SHORTEST_SECRET and each not in name and each != scheme}
    return sorted(kept, key=len, reverse=True)


def _plain(cause: str) -> str:
    """The innermost error of a chain that requests writes as one text."""
    while found := _INNERMOST.search(cause):
        cause = found["inner"]
    return _OBJECT.sub("", cause)


__all__ = ["Target", "open_targets"]
