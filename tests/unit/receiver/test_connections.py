"""Connections: how many, how long they may be silent, how they are encrypted."""

import asyncio
import ssl
import warnings
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from receiver.server import ConnectionLimits, tls_context
from tests.unit.receiver.endpoint import NOW, Connection, Endpoint, Endpoints, item, until

HEALTH = ("GET /health/live HTTP/1.1", "Host: x")


class TestSilence:
    @pytest.mark.parametrize("said", [b"", b"POST /notif", b"POST /notifications HTTP/1.1\r\nHost: x\r\nX-A: b"])
    async def test_headers_that_do_not_come_end_the_connection(self, endpoints: Endpoints, said: bytes) -> None:
        """Nobody holds a connection by saying nothing, or half of it."""
        endpoint = await endpoints.start(connections=ConnectionLimits(first_request_seconds=0.1))
        async with endpoint.connection() as connection:
            connection.writer.write(said)
            assert await connection.closed() == b""
        assert (await endpoint.deliver(item(endpoint.state()))).status == 202

    async def test_who_asked_in_time_stays_connected(self, endpoints: Endpoints) -> None:
        """The limit is for the first request; Graph uses its connections again."""
        endpoint = await endpoints.start(connections=ConnectionLimits(first_request_seconds=0.1))
        async with endpoint.connection() as asked, endpoint.connection() as silent:
            await asked.say(*HEALTH)
            assert (await asked.answer()).status == 200
            await silent.closed()
            await asked.say(*HEALTH)
            assert (await asked.answer()).status == 200

    @pytest.mark.parametrize("said", [b"", b"POST /notifications HTTP/1.1\r\nHost"])
    async def test_a_kept_connection_that_goes_silent_is_closed(self, endpoints: Endpoints, said: bytes) -> None:
        """After an answer too, silence or half a request has its limit."""
        endpoint = await endpoints.start(connections=ConnectionLimits(keep_alive_seconds=0.1))
        async with endpoint.connection() as connection:
            await connection.say(*HEALTH)
            assert (await connection.answer()).status == 200
            connection.writer.write(said)
            assert await connection.closed() == b""


class TestHeaders:
    @pytest.mark.parametrize(
        "lines",
        [
            ("GET /health/live HTTP/1.1", "Host: x", f"X-Long: {'a' * 9000}"),
            (f"GET /health/live?{'a' * 9000} HTTP/1.1", "Host: x"),
            ("GET /health/live HTTP/1.1", "Host: x", *(f"X-{number}: a" for number in range(1000))),
            ("GET /health/live HTTP/1.1", "Host: x", f"{'a' * 9000}: x"),
        ],
        ids=["value", "line", "number", "name"],
    )
    async def test_oversized_headers_are_refused_and_the_connection_closed(
        self, endpoint: Endpoint, lines: tuple[str, ...]
    ) -> None:
        """A 4xx, then the end."""
        async with endpoint.connection() as connection:
            await connection.say(*lines)
            assert 400 <= (await connection.answer()).status < 500
            await connection.closed()

    @pytest.mark.parametrize(
        "said", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n", b"HELO there\r\n\r\n"]
    )
    async def test_what_is_no_http_is_refused(self, endpoint: Endpoint, said: bytes) -> None:
        """TLS to a plain port, and other protocols."""
        async with endpoint.connection() as connection:
            connection.writer.write(said)
            assert (await connection.answer()).status == 400
            await connection.closed()


class TestNumber:
    async def test_the_connection_over_the_limit_is_closed_at_once(self, endpoints: Endpoints) -> None:
        """The others work, the refusal is counted, and room comes back."""
        endpoint = await endpoints.start(connections=ConnectionLimits(connections=2))
        async with endpoint.connection() as one:
            async with endpoint.connection() as two:
                for connection in (one, two):
                    await connection.say(*HEALTH)
                    assert (await connection.answer()).status == 200
                async with endpoint.connection() as three:
                    assert await three.closed() == b""
                await one.say("GET /metrics HTTP/1.1", "Host: x")
                assert b"\nmail_importer_receiver_connections_refused_total 1.0\n" in (await one.answer()).body
                await two.say(*HEALTH)
                assert (await two.answer()).status == 200

            async def room() -> bool:
                async with endpoint.connection() as four:
                    try:
                        await four.say(*HEALTH)
                        return (await four.answer()).status == 200
                    except (ConnectionError, asyncio.IncompleteReadError):
                        return False

            await until(room, "room comes back")

    async def test_a_burst_of_connections_does_not_pass_the_limit(self, endpoints: Endpoints) -> None:
        """Also those that arrive in the same moment are counted."""
        endpoint = await endpoints.start(connections=ConnectionLimits(connections=5))
        opened = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", endpoint.port) for _ in range(50)))
        connections = [Connection(reader, writer) for reader, writer in opened]

        async def works(connection: Connection) -> bool:
            try:
                await connection.say(*HEALTH)
                return (await connection.answer()).status == 200
            except (ConnectionError, asyncio.IncompleteReadError):
                return False

        try:
            assert sum(await asyncio.gather(*map(works, connections))) == 5
        finally:
            for connection in connections:
                connection.writer.close()


def _make_pair(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=3650))
        .not_valid_after(NOW + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    certificate_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate_file, key_file


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return _make_pair(tmp_path, "one")


def _client(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    return context


async def _answers(endpoint: Endpoint, client: ssl.SSLContext) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port, ssl=client)
        connection = Connection(reader, writer)
        try:
            await connection.say(*HEALTH)
            return (await connection.answer()).status == 200
        finally:
            writer.close()
    except (OSError, asyncio.IncompleteReadError):
        return False


class TestTls:
    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    async def test_graph_may_speak_1_2_or_1_3(
        self, endpoints: Endpoints, pair: tuple[Path, Path], version: ssl.TLSVersion
    ) -> None:
        """An endpoint with 1.3 alone failed its validation (graph.md, section 3)."""
        endpoint = await endpoints.start(tls=tls_context(*pair))
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port, ssl=_client(version))
        try:
            assert writer.get_extra_info("ssl_object").version() == version.name.replace("_", ".")
            connection = Connection(reader, writer)
            await connection.say("POST /notifications?validationToken=a+b HTTP/1.1", "Host: x", "Content-Length: 0")
            assert (await connection.answer()).text == "a b"
        finally:
            writer.close()
            await writer.wait_closed()

    async def test_tls_1_1_is_refused(self, endpoints: Endpoints, pair: tuple[Path, Path]) -> None:
        """It is broken; nobody whom we want speaks it."""
        endpoint = await endpoints.start(tls=tls_context(*pair))
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", endpoint.port, ssl=_client(ssl.TLSVersion.TLSv1_1))

    async def test_a_handshake_that_does_not_come_ends_the_connection(
        self, endpoints: Endpoints, pair: tuple[Path, Path]
    ) -> None:
        """Who says nothing at all to a TLS port has no more time than to a plain one."""
        limits = ConnectionLimits(first_request_seconds=0.1)
        endpoint = await endpoints.start(tls=tls_context(*pair), connections=limits)
        async with endpoint.connection() as connection:
            await connection.closed()

    async def test_handshakes_under_way_count_as_connections(
        self, endpoints: Endpoints, pair: tuple[Path, Path]
    ) -> None:
        """Connections without a handshake are not a way round the limit."""
        endpoint = await endpoints.start(tls=tls_context(*pair), connections=ConnectionLimits(connections=3))
        client = _client(ssl.TLSVersion.TLSv1_3)
        async with endpoint.connection(), endpoint.connection(), endpoint.connection():
            assert not await _answers(endpoint, client)

    def test_a_key_of_another_certificate_is_a_clear_error(self, tmp_path: Path, pair: tuple[Path, Path]) -> None:
        """The text says what does not fit."""
        _, other_key = _make_pair(tmp_path, "two")
        with pytest.raises(ssl.SSLError, match=r"(?i)key.values.mismatch"):
            tls_context(pair[0], other_key)

    @pytest.mark.parametrize(
        "content", [b"", b"not PEM", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
    )
    def test_a_file_that_is_no_key_is_an_error(self, tmp_path: Path, pair: tuple[Path, Path], content: bytes) -> None:
        """Found at the start, not at the first connection."""
        wrong = tmp_path / "wrong.key"
        wrong.write_bytes(content)
        with pytest.raises(ssl.SSLError):
            tls_context(pair[0], wrong)

    def test_a_missing_file_is_an_error(self, tmp_path: Path, pair: tuple[Path, Path]) -> None:
        """Also found at the start."""
        with pytest.raises(FileNotFoundError):
            tls_context(pair[0], tmp_path / "missing.key")
