"""Requests to a host over the product's session, and their failures: each failure at a real socket."""

import asyncio
import socket
import ssl
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from graph.diagnostics import Failure, Host, HostUnreached, Timeouts, Visit, is_foreign_issuer
from graph.transport import tls_context
from tests.doubles.listeners import Issuer, Proxy, answering, dropping, old
from tests.ports import free_port

SOON = Timeouts(connect=0.5, answer=0.5, total=1.5)


@pytest.fixture
def root(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path, "Test root", "Trusted Ltd")


@pytest.fixture
def trusting(root: Issuer) -> ssl.SSLContext:
    return tls_context(root.file())


def at(port: int, *, is_own: bool = False) -> Host:
    return Host(f"https://localhost:{port}", is_own=is_own, timeouts=SOON)


async def visit(host: Host, context: ssl.SSLContext | None = None) -> Visit:
    return await host.visit(context or tls_context(), lambda: datetime.now(UTC))


async def failure(host: Host, context: ssl.SSLContext | None = None) -> HostUnreached:
    """The failure of the connection; with `context` that of TLS, which a request and a handshake alone agree on."""
    visited = await visit(host, context)
    with pytest.raises(HostUnreached) as caught:
        visited.reached() if context is None else visited.handshake()
    error = caught.value
    assert error.summary
    assert error.advice
    if context is not None:
        visited.reached()
        with pytest.raises(HostUnreached) as alone:
            await host.handshake(context)
        assert (alone.value.failure, str(alone.value)) == (error.failure, str(error))
    return error


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Host]:
    """Makes a host that is reached through this proxy only."""

    def through(proxy: str) -> Host:
        for name in ("NO_PROXY", "no_proxy", "https_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTPS_PROXY", proxy)  # last: Windows does not distinguish the case of names
        return Host("https://graph.example", timeouts=SOON)

    return through


async def test_a_host_is_reached_and_shows_its_address() -> None:
    with answering() as port:
        reached = (await visit(at(port))).reached()
    assert reached.peer == "127.0.0.1"
    assert reached.peer in reached.addresses
    assert reached.proxy is None


async def test_a_name_that_dns_does_not_know() -> None:
    error = await failure(Host("https://no-such-host.invalid"))
    assert error.failure in {Failure.NAME_UNKNOWN, Failure.NAME_SERVER_SILENT}  # depends on this machine's DNS
    assert "no-such-host.invalid" in error.summary


async def test_a_name_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    assert (await failure(Host("https://graph.microsoft.com"))).failure is Failure.NAME_SERVER_SILENT


async def test_a_port_without_listener_refuses() -> None:
    assert (await failure(at(free_port()))).failure is Failure.REFUSED


async def test_a_host_that_drops_packets_is_reported_after_a_moment() -> None:
    with dropping() as port:
        error = await failure(Host(f"https://127.0.0.1:{port}", timeouts=SOON))
    assert error.failure is Failure.SILENT
    assert "0.5 seconds" in error.summary
    assert "firewall" in error.advice


async def test_the_protocol_and_the_issuer_are_named(root: Issuer, trusting: ssl.SSLContext) -> None:
    with answering(tls=root.serving("localhost")) as port:
        made = (await visit(at(port), trusting)).handshake()
    assert made.protocol == "TLSv1.3"
    assert made.certificate.issuer_name == "Trusted Ltd"


@pytest.mark.parametrize(("version", "named"), [(ssl.TLSVersion.TLSv1, "TLS 1.0"), (ssl.TLSVersion.TLSv1_1, "TLS 1.1")])
async def test_a_server_of_old_tls_is_named_by_its_version(
    version: ssl.TLSVersion, named: str, root: Issuer, trusting: ssl.SSLContext
) -> None:
    with answering(tls=old(root.serving("localhost"), version)) as port:
        error = await failure(at(port), trusting)
    assert error.failure is Failure.TLS_TOO_OLD
    assert named in error.summary


async def test_an_address_of_tls_13_only_is_no_use_to_graph(root: Issuer, trusting: ssl.SSLContext) -> None:
    server = root.serving("localhost")
    server.minimum_version = ssl.TLSVersion.TLSv1_3
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    with answering(tls=server) as port:
        assert (await failure(at(port, is_own=True), trusting)).failure is Failure.TLS_TOO_NEW


async def test_plain_http_where_tls_belongs(trusting: ssl.SSLContext) -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n", to_anything=True) as port:
        assert (await failure(at(port), trusting)).failure is Failure.TLS_NOT_SPOKEN


async def test_a_host_that_hangs_up_when_tls_begins(trusting: ssl.SSLContext) -> None:
    with answering(hang_up=True) as port:
        assert (await failure(at(port), trusting)).failure is Failure.CLOSED


async def test_a_host_that_never_answers_to_tls(trusting: ssl.SSLContext) -> None:
    with answering() as port:
        error = await failure(at(port), trusting)
    assert error.failure is Failure.TLS_FAILED
    assert "0.5 seconds" in error.summary


async def test_a_proxy_that_inspects_tls_is_named_by_its_issuer(root: Issuer, tmp_path: Path) -> None:
    inspector = Issuer(tmp_path, "Inspection root", "Corporate Inspection")
    with answering(tls=inspector.serving("localhost")) as port:
        error = await failure(at(port), tls_context(root.file()))
    assert error.failure is Failure.INTERCEPTED
    assert "Corporate Inspection" in error.summary
    assert "ca_bundle" in error.advice


async def test_a_chain_without_its_middle_is_incomplete(root: Issuer, trusting: ssl.SSLContext, tmp_path: Path) -> None:
    between = Issuer(tmp_path, "Issuing CA", "Between Ltd", above=root)
    with answering(tls=between.serving("localhost", whole_chain=True)) as port:
        await at(port, is_own=True).handshake(trusting)
    with answering(tls=between.serving("localhost", whole_chain=False)) as port:
        error = await failure(at(port, is_own=True), trusting)
    assert error.failure is Failure.CHAIN_INCOMPLETE
    assert "Between Ltd" in error.summary
    assert "fullchain" in error.advice


async def test_a_certificate_of_another_name(root: Issuer, trusting: ssl.SSLContext) -> None:
    with answering(tls=root.serving("portal.example")) as port:
        error = await failure(at(port), trusting)
    assert error.failure is Failure.WRONG_NAME
    assert "portal.example" in error.summary


async def test_a_server_certificate_that_has_ended(root: Issuer, trusting: ssl.SSLContext) -> None:
    with answering(tls=root.serving("localhost", ended=timedelta(days=1))) as port:
        assert (await failure(at(port), trusting)).failure is Failure.EXPIRED


async def test_through_a_proxy_that_demands_a_sign_in(
    root: Issuer, trusting: ssl.SSLContext, proxied: Callable[[str], Host]
) -> None:
    with answering(b"HTTP/1.1 200 OK\r\n\r\n", tls=root.serving("graph.example")) as port:
        proxy = Proxy(credentials="me:s%cret", port_of_all=port)
        with proxy.running() as proxy_port:

            def behind(user: str) -> Host:
                return proxied(f"http://{user}localhost:{proxy_port}")

            missing = await failure(behind(""))
            assert missing.failure is Failure.PROXY_CREDENTIALS_MISSING
            refused = await failure(behind("me:wrong@"))
            assert refused.failure is Failure.PROXY_CREDENTIALS_REFUSED
            assert "wrong" not in "".join(traceback.format_exception(refused))
            visited = await visit(behind("me:s%25cret@"), trusting)
    assert visited.handshake().certificate.subject == "CN=graph.example"
    assert visited.reached().proxy == f"http://localhost:{proxy_port}"
    assert visited.failure is None
    assert set(proxy.targets) == {"graph.example:443"}


@pytest.mark.parametrize(
    ("status", "expected"), [(403, Failure.PROXY_DENIES), (502, Failure.PROXY_FAILED), (504, Failure.PROXY_FAILED)]
)
async def test_a_proxy_that_does_not_let_us_through(
    status: int, expected: Failure, proxied: Callable[[str], Host]
) -> None:
    with Proxy(refusing=status).running() as port:
        error = await failure(proxied(f"http://localhost:{port}"))
    assert error.failure is expected
    assert "graph.example:443" in error.summary


async def test_a_proxy_that_is_not_there(proxied: Callable[[str], Host]) -> None:
    error = await failure(proxied(f"http://localhost:{free_port()}"))
    assert error.failure is Failure.PROXY_UNREACHED
    assert "HTTPS_PROXY" in error.advice


async def test_a_proxy_that_dns_does_not_know(proxied: Callable[[str], Host]) -> None:
    error = await failure(proxied("http://no-such-proxy.invalid:3128"))
    assert error.failure is Failure.PROXY_UNREACHED
    assert "no-such-proxy.invalid" in error.summary


async def test_a_proxy_that_drops_packets(proxied: Callable[[str], Host]) -> None:
    with dropping() as port:
        error = await failure(proxied(f"http://127.0.0.1:{port}"))
    assert error.failure is Failure.PROXY_UNREACHED
    assert "0.5 seconds" in error.summary


@pytest.mark.parametrize(
    ("head", "says"), [(b"220 mail.example ESMTP\r\n\r\n", "not one of a proxy"), (b"", "no answer in time")]
)
async def test_a_proxy_that_is_something_else(head: bytes, says: str, proxied: Callable[[str], Host]) -> None:
    with answering(head) as port:
        error = await failure(proxied(f"http://localhost:{port}"))
    assert error.failure is Failure.PROXY_FAILED
    assert says in error.summary


async def test_a_proxy_that_hangs_up(proxied: Callable[[str], Host]) -> None:
    with answering(hang_up=True) as port:
        error = await failure(proxied(f"http://localhost:{port}"))
    assert error.failure is Failure.PROXY_FAILED


async def test_a_proxy_of_tls_that_is_not_trusted(root: Issuer, proxied: Callable[[str], Host]) -> None:
    with answering(tls=root.serving("localhost")) as port:
        error = await failure(proxied(f"https://localhost:{port}"))
    assert error.failure is Failure.PROXY_FAILED
    assert "TLS with it failed" in error.summary


async def test_a_proxy_of_an_unsupported_kind(proxied: Callable[[str], Host]) -> None:
    with pytest.raises(HostUnreached) as caught:
        proxied("socks5://me:secret@localhost:1080")
    assert caught.value.failure is Failure.PROXY_UNKNOWN
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("minutes", [-10, 0, 10])
async def test_the_clock_is_compared_with_the_date_of_an_answer(
    minutes: int, root: Issuer, trusting: ssl.SSLContext
) -> None:
    now = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
    there = now + timedelta(minutes=minutes)
    head = f"HTTP/1.1 200 OK\r\nDate: {there:%a, %d %b %Y %H:%M:%S} GMT\r\n\r\n".encode()
    with answering(head, tls=root.serving("localhost")) as port:
        skew = (await at(port).visit(trusting, lambda: now)).answered()
    assert skew is not None
    assert abs(skew.ahead - timedelta(minutes=minutes)) <= timedelta(seconds=1)
    assert skew.uncertainty >= timedelta(seconds=0.5)


async def test_a_server_that_does_not_speak_http(root: Issuer, trusting: ssl.SSLContext) -> None:
    with answering(tls=root.serving("localhost")) as port:
        visited = await visit(at(port), trusting)
    visited.handshake()
    with pytest.raises(HostUnreached) as caught:
        visited.answered()
    assert caught.value.failure is Failure.HTTP_TIMED_OUT


async def test_an_answer_that_is_not_http(root: Issuer, trusting: ssl.SSLContext) -> None:
    with answering(b"220 mail.example ESMTP\r\n\r\n", tls=root.serving("localhost")) as port:
        visited = await visit(at(port), trusting)
    assert visited.failure is not None
    assert visited.failure.failure is Failure.NO_HTTP


async def test_nothing_is_sent_to_a_host_that_is_not_trusted(tmp_path: Path) -> None:
    """The certificate that is named comes from a second handshake, which ends there."""
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read())
        writer.close()

    stranger = Issuer(tmp_path, "Inspection root", "Corporate Inspection").serving("localhost")
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=stranger)
    async with server:
        visited = await visit(at(server.sockets[0].getsockname()[1]))
    assert visited.failure is not None
    assert visited.failure.failure is Failure.INTERCEPTED
    assert "Corporate Inspection" in visited.failure.summary
    assert not any(received)


async def test_who_issues_for_microsoft(root: Issuer, trusting: ssl.SSLContext) -> None:
    with answering(tls=root.serving("localhost")) as port:
        shown = (await at(port).handshake(trusting)).certificate
    assert is_foreign_issuer("graph.microsoft.com", shown)
    assert not is_foreign_issuer("graph.example", shown)
    assert not is_foreign_issuer("notmicrosoft.com", shown)
