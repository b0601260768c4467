"""TLS by a certificate of a Windows store: presented, renewed, and refused with what to do."""

import asyncio
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from prometheus_client import CollectorRegistry

from console.settings import Settings, SettingsError
from console.settings_sources import load_settings
from console.wiring.server_certificate import certificate_source
from receiver.metrics import ReceiverMetrics
from receiver.tls import CertificateSource, ServerCertificate
from tests.doubles.windows import BAD_KEY_STATE, Held, Windows
from tests.samples.authority import Issued, issue

HOST = "imports.example"
DNS = (x509.SubjectAlternativeName([x509.DNSName(HOST)]),)
ACCESS_DENIED = 0x80090010


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[Windows]:
    machine = Windows({("LocalMachine", "My"): [], ("LocalMachine", "CA"): []})
    monkeypatch.setattr("graph.certificates.windows.native.load", machine.native)
    yield machine
    assert machine.left_open == 0


@pytest.fixture(scope="module")
def authority() -> Issued:
    return issue("authority", _key(), authority=True)


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _put(windows: Windows, authority: Issued, *, days: int = 30, host: str = HOST) -> tuple[Issued, Held]:
    key = _key()
    names = (x509.SubjectAlternativeName([x509.DNSName(host)]),)
    issued = issue(host, key, authority, days=days, extensions=names)
    return issued, windows.put(issued.certificate, key)


def _source(thumbprint: str) -> CertificateSource:
    source = certificate_source(_settings(f"windows:LocalMachine/My/{thumbprint}"), "receiver")
    assert source is not None
    return source


def _settings(certificate: str) -> Settings:
    Path("mail-importer.toml").write_text(f"receiver_tls_cert = '{certificate}'\n", "utf-8")
    return load_settings()


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _names_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


@asynccontextmanager
async def _listening(context: ssl.SSLContext) -> AsyncIterator[int]:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _presented(context: ssl.SSLContext, authority: Issued) -> bytes | None:
    """The certificate of a connection that a client with this root accepts."""
    client = ssl.create_default_context(cadata=authority.pem.decode())
    async with _listening(context) as port:
        _reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=HOST)
        found: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        await writer.wait_closed()
        return found


async def test_a_certificate_of_the_store_is_presented_and_leaves_no_file(
    windows: Windows, authority: Issued, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    issued, held = _put(windows, authority)
    windows.put(authority.certificate, None, store=("LocalMachine", "CA"))
    loaded = _source(issued.thumbprint).load()
    assert await _presented(loaded.context, authority) == held.der
    assert _names_in(tmp_path) == ["mail-importer.toml"]


async def test_the_temporary_file_has_no_plain_key(
    windows: Windows, authority: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []

    def load(_context: ssl.SSLContext, name: str, password: bytes) -> None:
        texts.append(Path(name).read_text("ascii"))
        assert password

    issued, _ = _put(windows, authority)
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", load)
    _source(issued.thumbprint).load()
    [text] = texts
    assert "ENCRYPTED PRIVATE KEY" in text
    assert "BEGIN PRIVATE KEY" not in text


def test_a_renewed_certificate_is_presented(windows: Windows, authority: Issued) -> None:
    """It has another thumbprint: that of the same names with the latest end is taken, and no other's."""
    issued, held = _put(windows, authority)
    source = _source(issued.thumbprint)
    before = source.stamp()
    assert source.load().certificate == issued.certificate
    _put(windows, authority, days=300, host="other.example")
    _put(windows, authority, days=10)
    key = _key()
    names = DNS
    to_come = issue(HOST, key, authority, begins=datetime.now(UTC) + timedelta(days=5), days=90, extensions=names)
    windows.put(to_come.certificate, key)
    assert source.load().certificate == issued.certificate
    renewed, _ = _put(windows, authority, days=60)
    assert source.stamp() != before
    assert source.load().certificate == renewed.certificate
    windows.stores["LocalMachine", "My"].remove(held)
    assert source.load().certificate == renewed.certificate  # the old one was deleted


def test_a_renewal_without_usable_key_leaves_the_old_one(windows: Windows, authority: Issued) -> None:
    issued, _ = _put(windows, authority)
    source = _source(issued.thumbprint)
    renewed, held = _put(windows, authority, days=60)
    held.exporting_fails, held.acquiring_fails = BAD_KEY_STATE, ACCESS_DENIED
    assert source.load().certificate == issued.certificate
    before = source.stamp()
    held.exporting_fails = held.acquiring_fails = 0
    assert source.stamp() != before
    assert source.load().certificate == renewed.certificate


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        (BAD_KEY_STATE, "Mark this key as exportable"),
        (0x80090029, "let IIS be the TLS front"),
        (0x80090016, "Manage Private Keys"),
        (0x12345678, "certutil -error"),
    ],
)
def test_a_key_that_cannot_be_exported_is_reported_with_what_to_do(
    code: int, shown: str, windows: Windows, authority: Issued
) -> None:
    issued, held = _put(windows, authority)
    held.exporting_fails = code
    with pytest.raises(ssl.SSLError) as refused:
        _source(issued.thumbprint).load()
    assert shown in str(refused.value)
    assert issued.thumbprint in str(refused.value)


def test_a_certificate_without_its_key_is_reported(windows: Windows, authority: Issued) -> None:
    issued = issue(HOST, _key(), authority)
    windows.put(issued.certificate, None)
    with pytest.raises(ssl.SSLError, match="only the public part"):
        _source(issued.thumbprint).load()


def test_a_missing_certificate_is_reported(windows: Windows, authority: Issued) -> None:
    _put(windows, authority)
    with pytest.raises(ssl.SSLError, match="is not in windows:LocalMachine/My"):
        _source("AB" * 20).load()


def test_an_ended_certificate_is_presented_until_it_is_renewed(windows: Windows, authority: Issued) -> None:
    """The role starts, and the log warns, as for files."""
    key = _key()
    ended = issue(HOST, key, authority, begins=datetime.now(UTC) - timedelta(days=40), days=30, extensions=DNS)
    windows.put(ended.certificate, key)
    expires = ReceiverMetrics(CollectorRegistry()).certificate_expires
    served = ServerCertificate(_source(ended.thumbprint), clock=lambda: datetime.now(UTC), expires=expires)
    assert served.context.cert_store_stats() is not None


@pytest.mark.parametrize(
    ("certificate", "shown"),
    [
        ("windows:", "of the form windows:LocalMachine/My/THUMBPRINT"),
        ("windows:LocalMachine/My", "neither windows:LocalMachine/My nor"),
        ("windows:LocalMachine/My/12", "thumbprint"),
        ("windows:Elsewhere/My/" + "AB" * 20, "neither windows:LocalMachine/My nor"),
    ],
)
def test_a_setting_that_names_none_is_an_error_of_it(certificate: str, shown: str, windows: Windows) -> None:
    with pytest.raises(SettingsError) as refused:
        certificate_source(_settings(certificate), "receiver")
    assert str(refused.value).startswith("receiver_tls_cert: ")
    assert shown in str(refused.value)
    assert not windows.calls


def test_a_key_beside_it_is_an_error() -> None:
    text = f"receiver_tls_cert = 'windows:LocalMachine/My/{'AB' * 20}'\nreceiver_tls_key = 'key.pem'\n"
    Path("mail-importer.toml").write_text(text, "utf-8")
    with pytest.raises(SettingsError, match="receiver_tls_key"):
        load_settings()


@pytest.mark.skipif(sys.platform == "win32", reason="there it is possible")
def test_elsewhere_it_is_an_error() -> None:
    with pytest.raises(SettingsError, match="on Windows only"):
        certificate_source(_settings("windows:LocalMachine/My/" + "AB" * 20), "receiver")
