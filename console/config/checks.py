"""Checks of valid settings on this host, without the network."""

import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy.engine import make_url

from bus.errors import QueueError
from console.settings import Settings, SettingsError
from console.wiring.alert_targets import alert_targets
from console.wiring.certificate_store import certificate_store, naming
from console.wiring.database import open_engine
from console.wiring.identity import identity_of
from console.wiring.queue import servicebus_address
from console.wiring.server_certificate import certificate_source
from db.errors import DatabaseError
from graph.errors import GraphError
from graph.transport import load_roots
from phrases import Phrase
from threads import DaemonThreads

_LISTENERS: Final = ("receiver", "metrics", "console")
"""The prefixes of `_host` and `_port`."""
_WITH_TLS: Final = ("receiver", "console")
_FOLDER_SECONDS: Final = 5.0
_DEFAULT_STORE: Final = Settings.model_fields["certificate_store"].default
_ANY: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104  # compared, not bound


def problems(settings: Settings) -> Iterator[Phrase]:
    """Find everything on this host that keeps the settings from working."""
    for check in (
        _certificates,
        _identity,
        _roots,
        _tls,
        _console_sign_in,
        _database,
        _queue,
        _alerts,
        _import_folders,
        _ports,
    ):
        try:
            yield from check(settings)
        except SettingsError as exc:
            yield from exc.problems
        except (DatabaseError, GraphError, QueueError) as exc:
            yield Phrase.of(exc)


def _certificates(settings: Settings) -> Iterator[Phrase]:
    if settings.graph_credential != "certificate" and settings.certificate_store == _DEFAULT_STORE:
        return  # an identity signs in, and no store is named
    for entry in certificate_store(settings).list():
        if entry.certificate is None and entry.error is not None:
            problem = Phrase.joined(entry.error.summary, entry.error.advice)
            if entry.path is None or entry.path == Path(settings.certificate_store):
                yield Phrase("certificate_store: {problem}", problem=problem)
            else:
                yield Phrase("certificate_store: file {path}: {problem}", path=entry.path, problem=problem)


def _identity(settings: Settings) -> Iterator[Phrase]:
    identity_of(settings, "graph_credential")
    yield from ()


def _roots(settings: Settings) -> Iterator[Phrase]:
    with naming("ca_bundle"):
        load_roots(settings.ca_bundle)
    yield from ()


def _tls(settings: Settings) -> Iterator[Phrase]:
    for role in _WITH_TLS:
        try:
            source = certificate_source(settings, role)
            if source is not None:
                source.load()
        except OSError as exc:  # ssl.SSLError is one, too
            why = exc if isinstance(exc, ssl.SSLError) else f"{exc.filename}: {exc.strerror}"
            yield Phrase("{role}_tls_cert and {role}_tls_key cannot be used: {why}.", role=role, why=why)


def _console_sign_in(settings: Settings) -> Iterator[Phrase]:
    if settings.console_auth == "entra" and settings.console_thumbprint is not None:
        with naming("console_thumbprint"):
            certificate_store(settings).find(settings.console_thumbprint)
    yield from ()


def _database(settings: Settings) -> Iterator[Phrase]:
    open_engine(settings).dispose()  # a driver that is missing is an error
    file = make_url(settings.database_url.get_secret_value()).database
    if settings.database_backend != "sqlite" or not file or file == ":memory:" or file.startswith("file:"):
        return
    path = Path(file).absolute()
    try:
        is_missing = not path.parent.is_dir()
    except OSError:  # it is in one that this user may not search
        is_missing = False
    if is_missing:
        yield Phrase("database_url: there is no folder {folder}.", folder=path.parent)
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        yield Phrase("database_url: this user may not write into the folder {folder}.", folder=path.parent)
    elif path.exists() and not os.access(path, os.R_OK | os.W_OK):
        yield Phrase("database_url: this user may not read and write the file {file}.", file=path)


def _queue(settings: Settings) -> Iterator[Phrase]:
    if settings.queue == "servicebus":
        servicebus_address(settings)
    yield from ()


def _alerts(settings: Settings) -> Iterator[Phrase]:
    alert_targets(settings)
    yield from ()


def _import_folders(settings: Settings) -> Iterator[Phrase]:
    threads = DaemonThreads("delivery roots", limit=1)
    for root in settings.delivery_folders:
        try:
            if not threads.submit(Path(root).is_dir).result(timeout=_FOLDER_SECONDS):
                yield Phrase("delivery_roots: there is no folder {folder}.", folder=root)
        except TimeoutError:
            yield Phrase("delivery_roots: the folder {folder} does not answer.", folder=root)
            return
        except OSError as exc:
            yield Phrase("delivery_roots: {folder}: {why}.", folder=root, why=exc.strerror or exc)


def _ports(settings: Settings) -> Iterator[Phrase]:
    taken: dict[int, str] = {}
    for name in _LISTENERS:
        port = getattr(settings, f"{name}_port")
        other = taken.setdefault(port, name)
        hosts = {getattr(settings, f"{each}_host") for each in (name, other)}
        if port and other != name and (len(hosts) == 1 or hosts & _ANY):
            yield Phrase("{one}_port and {other}_port are both {port}.", one=other, other=name, port=port)
