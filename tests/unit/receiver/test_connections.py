"""Connections: their number, their time-outs, their encryption."""

import asyncio
import socket
import ssl
import sys
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from bus.database.adapter import DatabaseQueue
from receiver.connections import ConnectionLimits, Connections
from receiver.intake import IntakeLimits
from receiver.metrics import ReceiverMetrics
from receiver.throttled_log import ThrottledLog
from receiver.tls import PemFiles, ServerCertificate, tls_context
from tests.unit.receiver.endpoint import NOW, Connection, Endpoint, Endpoints, HeldQueue, collection, hang_up, item
from tests.waiting import until

HEALTH = ("GET /health/live HTTP/1.1", "Host: x")


class TestSilence:
    @pytest.mark.parametrize("said", [b"", b"POST /notif", b"POST /notifications HTTP/1.1\r\nHost: x\r\nX-A: b"])
    async def test_headers_that_do_not_come_end_the_connection(self, endpoints: Endpoints, said: bytes) -> None:
        """No client holds a connection by sending nothing, or half of it."""
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

    async def test_a_connection_of_a_genuine_sender_is_kept(self, endpoints: Endpoints) -> None:
        """Graph comes again; a client that proved nothing has a few seconds."""
        endpoint = await endpoints.start(connections=ConnectionLimits(keep_alive_seconds=0.1))
        body = collection(item(endpoint.state()))
        async with endpoint.connection() as genuine, endpoint.connection() as stranger:
            await genuine.say("POST /notifications HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", body=body)
            assert (await genuine.answer()).status == 202
            assert await _works(stranger)
            await stranger.closed()
            assert await _works(genuine)

    @pytest.mark.parametrize("said", [b"", b"POST /notifications HTTP/1.1\r\nHost"])
    async def test_a_kept_connection_that_goes_silent_is_closed(self, endpoints: Endpoints, said: bytes) -> None:
        """Silence or half a request has its limit after a response, too."""
        endpoint = await endpoints.start(connections=ConnectionLimits(keep_alive_seconds=0.1))
        async with endpoint.connection() as connection:
            await connection.say(*HEALTH)
            assert (await connection.answer()).status == 200
            connection.writer.write(said)
            assert await connection.closed() == b""

    async def test_a_client_that_reads_no_answer_is_closed_all_the_same(self, endpoints: Endpoints) -> None:
        """An unread response is not kept for it: its connection would stand outside of every bound."""
        endpoint = await endpoints.start(connections=ConnectionLimits(keep_alive_seconds=0.2))
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", endpoint.port))
        _, writer = await asyncio.open_connection(sock=client, limit=1024)
        handshake = f"POST /notifications?validationToken={'x' * 4000} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        writer.write(handshake.encode() * 3000)
        await until(writer.transport.is_closing, "the receiver ended the connection, answers unread")
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()
        assert (await endpoint.deliver(item(endpoint.state()))).status == 202

    @pytest.mark.parametrize("said", [b"", b"POST /notif"])
    async def test_silent_connections_end_with_the_receiver(self, endpoints: Endpoints, said: bytes) -> None:
        """The process does not wait for them, and they are not left open in it."""
        endpoint = await endpoints.start()
        async with endpoint.connection() as connection, endpoint.connection() as asked:
            connection.writer.write(said)
            assert await _works(asked)
            await endpoint.listener.stop()
            assert await connection.closed() == b""
            assert await asked.closed() == b""


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


async def _works(connection: Connection) -> bool:
    try:
        await connection.say(*HEALTH)
        return (await connection.answer()).status == 200
    except (ConnectionError, asyncio.IncompleteReadError):
        return False


class TestNumber:
    async def test_the_longest_idle_connection_gives_way_to_a_new_one(self, endpoints: Endpoints) -> None:
        """A client that holds idle connections keeps no other out; it is counted, and logged once a minute."""
        endpoint = await endpoints.start(connections=ConnectionLimits(connections=2, per_address=0))
        async with endpoint.connection() as one, endpoint.connection() as two:
            assert [await _works(one), await _works(two), await _works(one)] == [True, True, True]
            with capture_logs() as logged:
                async with endpoint.connection() as three, endpoint.connection() as four:
                    assert await two.closed() == b""
                    assert await one.closed() == b""
                    assert [await _works(three), await _works(four)] == [True, True]
        assert endpoint.metric("mail_importer_receiver_connections_dropped_total") == 2
        (line,) = (each for each in logged if each["event"] == "connections_limited")
        assert (line["bound"], line["open"], line["remote"]) == (2, 2, "127.0.0.1")

    @pytest.mark.parametrize("said", ["", "POST /notif", "POST /notifications HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"])
    async def test_connections_that_say_little_give_way(self, endpoints: Endpoints, said: str) -> None:
        """Nothing, half of the headers, half of a body: none of them keeps a place from a delivery."""
        endpoint = await endpoints.start(connections=ConnectionLimits(connections=3, per_address=0))
        async with endpoint.connection() as one, endpoint.connection() as two, endpoint.connection() as three:
            for connection in (one, two, three):
                connection.writer.write(said.encode())
                await connection.writer.drain()
            for _ in range(6):
                async with endpoint.connection() as genuine:
                    assert await _works(genuine)

    async def test_a_genuine_sender_is_the_last_to_give_way(self, endpoints: Endpoints) -> None:
        """A flood of new connections pushes itself out."""
        endpoint = await endpoints.start(connections=ConnectionLimits(connections=3, per_address=0))
        body = collection(item(endpoint.state()))
        async with endpoint.connection() as genuine:
            await genuine.say("POST /notifications HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", body=body)
            assert (await genuine.answer()).status == 202
            for _ in range(10):
                async with endpoint.connection() as stranger:
                    assert await _works(stranger)
            assert await _works(genuine)

    async def test_a_request_that_is_being_answered_is_not_cut_off(self, endpoints: Endpoints) -> None:
        """All of them are busy: the new connection is closed at once, and counted; room comes back."""
        held: list[HeldQueue] = []

        def hold(queue: DatabaseQueue) -> HeldQueue:
            held.append(HeldQueue(queue))
            return held[0]

        limits = ConnectionLimits(connections=1, per_address=0)
        endpoint = await endpoints.start(queue_of=hold, connections=limits, intake=IntakeLimits(put_seconds=15))
        post = asyncio.create_task(endpoint.deliver(item(endpoint.state())))
        await until(lambda: bool(held[0].under_way), "the put is under way")
        async with endpoint.connection() as refused:
            await refused.closed()
        assert endpoint.metric("mail_importer_receiver_connections_refused_total") == 1
        held[0].let.set()
        assert (await post).status == 202
        async with endpoint.connection() as later:
            assert await _works(later)

    async def test_one_address_has_a_bound_of_its_own(self, endpoints: Endpoints) -> None:
        """Beyond it its own longest idle connection is closed, long before there are too many in all."""
        endpoint = await endpoints.start(connections=ConnectionLimits(per_address=2))
        async with endpoint.connection() as one, endpoint.connection() as two, endpoint.connection() as three:
            assert await one.closed() == b""
            assert [await _works(two), await _works(three)] == [True, True]

    @pytest.mark.slow
    async def test_the_bound_of_an_address_can_be_lifted(self, endpoints: Endpoints) -> None:
        """Behind a proxy all have its address."""
        endpoint = await endpoints.start(connections=ConnectionLimits(per_address=0))
        async with AsyncExitStack() as opened:
            connections = [await opened.enter_async_context(endpoint.connection()) for _ in range(300)]
            assert all([await _works(connection) for connection in connections])

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            ("192.0.2.1", "192.0.2.2", False),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
            ("fe80::1%eth0", "fe80::2%eth0", True),
            ("::ffff:192.0.2.1", "192.0.2.1", True),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ],
    )
    def test_a_network_of_ipv6_counts_as_one_address(self, one: str, other: str, same: bool) -> None:
        """Every host has 2**64 of them; an IPv4 address is itself, in any spelling."""
        limits = ConnectionLimits(per_address=1)
        metrics = ReceiverMetrics(CollectorRegistry())
        connections = Connections(limits, metrics, ThrottledLog(time.monotonic), monotonic=time.monotonic)
        dropped: list[str] = []
        for address in (one, other):
            connections.admit((address, 1), drop=lambda address=address: dropped.append(address), close=lambda: None)  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        assert dropped == ([one] if same else [])

    @pytest.mark.skipif(sys.platform == "win32", reason="there one is answered before the next is accepted")
    async def test_a_burst_of_connections_does_not_pass_the_limit(self, endpoints: Endpoints) -> None:
        """Those that arrive in the same moment are counted, too."""
        endpoint = await endpoints.start(connections=ConnectionLimits(connections=5))
        opened = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", endpoint.port) for _ in range(50)))
        connections = [Connection(reader, writer) for reader, writer in opened]
        try:
            assert sum(await asyncio.gather(*map(_works, connections))) == 5
        finally:
            for connection in connections:
                await hang_up(connection.writer)


def _make_pair(folder: Path, name: str, *, ends: datetime = NOW + timedelta(days=3650)) -> tuple[Path, Path]:
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
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    certificate_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate_file, key_file


class _Clock:
    """The time is `NOW`; a watch reads it at each of its checks, at least while something is wrong."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> datetime:
        self.asked += 1
        return NOW

    async def several_looks(self) -> None:
        enough = self.asked + 5
        await until(lambda: self.asked >= enough, "the watch looks several times")


def _served(
    pair: tuple[Path, Path], metrics: ReceiverMetrics | None = None, clock: _Clock | None = None
) -> ServerCertificate:
    metrics = metrics or ReceiverMetrics(CollectorRegistry())
    return ServerCertificate(
        PemFiles(*pair), clock=clock or _Clock(), expires=metrics.certificate_expires, poll_seconds=0.02
    )


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
            await hang_up(writer)
    except (OSError, asyncio.IncompleteReadError):
        return False


class TestTls:
    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    async def test_graph_may_speak_1_2_or_1_3(
        self, endpoints: Endpoints, pair: tuple[Path, Path], version: ssl.TLSVersion
    ) -> None:
        """An endpoint with 1.3 alone failed its validation (docs/graph.md, section 3)."""
        endpoint = await endpoints.start(tls=_served(pair))
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port, ssl=_client(version))
        try:
            assert writer.get_extra_info("ssl_object").version() == version.name.replace("_", ".")
            connection = Connection(reader, writer)
            await connection.say("POST /notifications?validationToken=a+b HTTP/1.1", "Host: x", "Content-Length: 0")
            assert (await connection.answer()).text == "a b"
        finally:
            await hang_up(writer)

    async def test_tls_1_1_is_refused(self, endpoints: Endpoints, pair: tuple[Path, Path]) -> None:
        """It is broken; no client that is wanted speaks it."""
        endpoint = await endpoints.start(tls=_served(pair))
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", endpoint.port, ssl=_client(ssl.TLSVersion.TLSv1_1))

    async def test_a_handshake_that_does_not_come_ends_the_connection(
        self, endpoints: Endpoints, pair: tuple[Path, Path]
    ) -> None:
        """A client that sends nothing to a TLS port has no more time than to a plain one."""
        limits = ConnectionLimits(first_request_seconds=0.1)
        endpoint = await endpoints.start(tls=_served(pair), connections=limits)
        async with endpoint.connection() as connection:
            await connection.closed()

    async def test_handshakes_under_way_count_and_give_way(self, endpoints: Endpoints, pair: tuple[Path, Path]) -> None:
        """Connections without a handshake are neither a way round the limit nor a way to hold others off."""
        endpoint = await endpoints.start(tls=_served(pair), connections=ConnectionLimits(connections=3))
        client = _client(ssl.TLSVersion.TLSv1_3)
        async with endpoint.connection() as first, endpoint.connection(), endpoint.connection():
            assert await _answers(endpoint, client)
            await first.closed()

    async def test_a_handshake_that_fails_leaves_its_place(self, endpoints: Endpoints, pair: tuple[Path, Path]) -> None:
        """Plain HTTP to a TLS port, or a client that leaves amid it, is dropped at once."""
        endpoint = await endpoints.start(tls=_served(pair), connections=ConnectionLimits(connections=2))
        for said in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b""):
            async with endpoint.connection() as connection:
                connection.writer.write(said)
                connection.writer.write_eof()
                await connection.closed()
        for _ in range(4):
            assert await _answers(endpoint, _client(ssl.TLSVersion.TLSv1_3))
        assert endpoint.metric("mail_importer_receiver_connections_dropped_total") == 0

    async def test_a_request_that_comes_with_the_end_of_the_handshake_is_answered(
        self, endpoints: Endpoints, pair: tuple[Path, Path]
    ) -> None:
        """A fast client's first bytes arrive in one piece with its last of the handshake."""
        endpoint = await endpoints.start(tls=_served(pair))
        client = _client(ssl.TLSVersion.TLSv1_3)
        answers = await asyncio.gather(*(_answers(endpoint, client) for _ in range(50)))
        assert all(answers)

    def test_a_key_of_another_certificate_is_a_clear_error(self, tmp_path: Path, pair: tuple[Path, Path]) -> None:
        """The text names the mismatch."""
        _, other_key = _make_pair(tmp_path, "two")
        with pytest.raises(ssl.SSLError, match=r"(?i)key.values.mismatch"):
            tls_context(pair[0], other_key)

    @pytest.mark.parametrize(
        "content", [b"", b"not PEM", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
    )
    def test_a_file_that_is_no_key_is_an_error(self, tmp_path: Path, pair: tuple[Path, Path], content: bytes) -> None:
        """It is found at the start, not at the first connection."""
        wrong = tmp_path / "wrong.key"
        wrong.write_bytes(content)
        with pytest.raises(ssl.SSLError):
            tls_context(pair[0], wrong)

    def test_a_missing_file_is_an_error(self, tmp_path: Path, pair: tuple[Path, Path]) -> None:
        """It is found at the start, too."""
        with pytest.raises(FileNotFoundError):
            tls_context(pair[0], tmp_path / "missing.key")

    def test_an_encrypted_key_is_an_error_without_a_prompt(self, tmp_path: Path, pair: tuple[Path, Path]) -> None:
        """OpenSSL would prompt for the password at the terminal, and the service would wait for ever."""
        key = ec.generate_private_key(ec.SECP256R1())
        encrypted = tmp_path / "encrypted.key"
        encrypted.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
        with pytest.raises(ssl.SSLError) as refused:
            tls_context(pair[0], encrypted)
        assert str(refused.value) == "the private key is encrypted; receiver_tls_key takes an unencrypted one"


def _replace(pair: tuple[Path, Path], by: tuple[Path, Path]) -> None:
    for old, new in zip(pair, by, strict=True):
        new.replace(old)


async def _shown(endpoint: Endpoint) -> bytes:
    """The certificate that a new connection gets."""
    _, writer = await asyncio.open_connection("127.0.0.1", endpoint.port, ssl=_client(ssl.TLSVersion.TLSv1_3))
    shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    await hang_up(writer)
    return shown


def _der(certificate: Path) -> bytes:
    return x509.load_pem_x509_certificate(certificate.read_bytes()).public_bytes(Encoding.DER)


@asynccontextmanager
async def _watched(certificate: ServerCertificate) -> AsyncIterator[asyncio.Event]:
    """The certificate with its watch running, and the event that stands for SIGHUP."""
    stop, reload = asyncio.Event(), asyncio.Event()
    watch = asyncio.create_task(certificate.watch(stop, reload))
    try:
        yield reload
    finally:
        stop.set()
        await watch


class TestCertificateInUse:
    async def test_replaced_files_are_served_without_a_restart(
        self, endpoints: Endpoints, tmp_path: Path, pair: tuple[Path, Path]
    ) -> None:
        """certbot renews, and no connection is lost: those that are open go on."""
        certificate = _served(pair)
        endpoint = await endpoints.start(tls=certificate)
        new = _make_pair(tmp_path, "two")
        wanted = _der(new[0])
        async with _watched(certificate):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", endpoint.port, ssl=_client(ssl.TLSVersion.TLSv1_3)
            )
            with capture_logs() as logged:
                _replace(pair, new)

                async def served() -> bool:
                    return await _shown(endpoint) == wanted

                await until(served, "the new certificate is served")
            assert await _works(Connection(reader, writer))
            await hang_up(writer)
        assert [line["event"] for line in logged] == ["receiver_certificate_reloaded"]

    async def test_a_hangup_reloads_at_once(
        self, endpoints: Endpoints, tmp_path: Path, pair: tuple[Path, Path]
    ) -> None:
        """SIGHUP does so between two checks of the files, too."""
        metrics = ReceiverMetrics(CollectorRegistry())
        certificate = ServerCertificate(
            PemFiles(*pair), clock=lambda: NOW, expires=metrics.certificate_expires, poll_seconds=3600
        )
        endpoint = await endpoints.start(tls=certificate)
        new = _make_pair(tmp_path, "two")
        wanted = _der(new[0])
        async with _watched(certificate) as reload:
            _replace(pair, new)
            assert await _shown(endpoint) != wanted
            reload.set()

            async def served() -> bool:
                return await _shown(endpoint) == wanted

            await until(served, "the new certificate is served")

    @pytest.mark.parametrize("fault", ["another key", "no certificate", "gone"])
    async def test_a_pair_that_cannot_be_used_changes_nothing_and_is_reported(
        self, endpoints: Endpoints, tmp_path: Path, pair: tuple[Path, Path], fault: str
    ) -> None:
        """The receiver keeps the present pair, the log has the reason, once; and the corrected pair is loaded."""
        clock = _Clock()
        certificate = _served(pair, clock=clock)
        endpoint = await endpoints.start(tls=certificate)
        before = _der(pair[0])
        new, other = _make_pair(tmp_path, "two"), _make_pair(tmp_path, "three")
        wanted = _der(new[0])
        async with _watched(certificate):
            with capture_logs() as logged:
                if fault == "another key":
                    _replace(pair, (new[0], other[1]))
                elif fault == "no certificate":
                    pair[0].write_bytes(b"")
                else:
                    pair[0].unlink()
                await until(lambda: bool(logged), "it is told")
                assert await _shown(endpoint) == before
                await clock.several_looks()
            (line,) = logged
            assert (line["event"], line["log_level"]) == ("receiver_certificate_not_reloaded", "error")
            assert str(pair[0]) in line["files"]
            if new[0].exists():
                new[0].replace(pair[0])
            new[1].replace(pair[1])

            async def served() -> bool:
                return await _shown(endpoint) == wanted

            await until(served, "the corrected certificate is served")

    @pytest.mark.parametrize(
        ("days", "reported"), [(31, None), (29, "receiver_certificate_ends"), (-1, "receiver_certificate_ended")]
    )
    async def test_its_end_is_reported_in_time(self, tmp_path: Path, days: int, reported: str | None) -> None:
        """A month before, and each day; Graph delivers nothing to an endpoint whose certificate has ended."""
        end = (NOW + timedelta(days=days)).replace(microsecond=0)
        metrics = ReceiverMetrics(registry := CollectorRegistry())
        clock = _Clock()
        certificate = _served(_make_pair(tmp_path, "one", ends=end), metrics, clock)
        with capture_logs() as logged:
            async with _watched(certificate):
                await clock.several_looks()
        assert [line["event"] for line in logged] == ([reported] if reported else [])
        name = "mail_importer_receiver_certificate_expires_timestamp_seconds"
        assert registry.get_sample_value(name) == end.timestamp()
