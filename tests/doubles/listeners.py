"""Servers that obstruct as networks do: old TLS, proxies that authenticate or inspect, silent ports."""

import base64
import contextlib
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_CHUNK = 64 * 1024


@dataclass
class Issuer:
    """A certificate authority: a root of its own, or between a root and a server."""

    folder: Path
    name: str
    organization: str = ""
    above: "Issuer | None" = None
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    certificate: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        self.certificate = self._sign(self.subject, self.key.public_key(), authority=True, by=self.above or self)

    @property
    def subject(self) -> x509.Name:
        parts = [x509.NameAttribute(NameOID.COMMON_NAME, self.name)]
        if self.organization:
            parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.organization))
        return x509.Name(parts)

    def file(self) -> Path:
        """Its own certificate, in the form of ca_bundle."""
        path = self.folder / f"{self.name}.pem"
        path.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        return path

    def serving(self, *names: str, whole_chain: bool = True, ended: timedelta | None = None) -> ssl.SSLContext:
        """A context for a server of these names; `ended`: the time since its expiry."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        leaf = self._sign(subject, key.public_key(), authority=False, by=self, names=names, ended=ended)
        chain = [leaf, self.certificate] if whole_chain and self.above is not None else [leaf]
        path = self.folder / f"{names[0]}-{leaf.serial_number}.pem"
        path.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + b"".join(each.public_bytes(Encoding.PEM) for each in chain)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    @staticmethod
    def _sign(
        subject: x509.Name,
        public: ec.EllipticCurvePublicKey,
        *,
        authority: bool,
        by: "Issuer",
        names: tuple[str, ...] = (),
        ended: timedelta | None = None,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(now + timedelta(days=30) if ended is None else now - ended)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general(name) for name in names]), critical=False
            )
        return builder.sign(by.key, hashes.SHA256())


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def old(context: ssl.SSLContext, version: ssl.TLSVersion) -> ssl.SSLContext:
    """The same server, which speaks TLS 1.0 or 1.1 only."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    return context


@contextmanager
def answering(
    head: bytes = b"",
    *,
    tls: ssl.SSLContext | None = None,
    hang_up: bool = False,
    to_anything: bool = False,
    stays: bool = False,
) -> Iterator[int]:
    """A server that sends this head to every request, its port; without one it never sends anything.

    `to_anything`: also to data that is no request. `stays`: it does not notice that the client closes.
    """
    end = threading.Event()

    def serve(connection: socket.socket) -> None:
        if hang_up:
            return
        if to_anything:
            connection.recv(_CHUNK)
        else:
            _read_head(connection)
        if head:
            connection.sendall(head)
        else:
            connection.recv(1)
        if stays:
            end.wait(20)

    with _listening(serve, tls) as port:
        try:
            yield port
        finally:
            end.set()


@dataclass
class Proxy:
    """A proxy for CONNECT. `targets`: the requested targets."""

    credentials: str | None = None
    """Demanded, as `user:password`."""
    refusing: int | None = None
    """A status to refuse with."""
    port_of_all: int | None = None
    """Destination of every tunnel, in the place of its target."""
    intercepting: ssl.SSLContext | None = None
    """It ends TLS itself, with the certificate of this context."""
    targets: list[str] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[int]:
        with _listening(self._serve, None) as port:
            yield port

    def _serve(self, connection: socket.socket) -> None:
        head = _read_head(connection)
        target = head.split(" ", 2)[1]
        self.targets.append(target)
        status = self._refused(head)
        if status is not None:
            realm = (
                'Proxy-Authenticate: Basic realm="x"\r\n' if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED else ""
            )
            connection.sendall(f"HTTP/1.1 {status} No\r\n{realm}Content-Length: 0\r\n\r\n".encode())
            return
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if self.intercepting is None:
            self._pass_on(target, connection)
            return
        with self.intercepting.wrap_socket(connection, server_side=True) as inside:
            _read_head(inside)
            inside.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def _refused(self, head: str) -> int | None:
        if self.credentials is not None:
            expected = base64.b64encode(self.credentials.encode()).decode()
            if f"Basic {expected}" not in head:
                return 407
        return self.refusing

    def _pass_on(self, target: str, connection: socket.socket) -> None:
        host, _, port = target.rpartition(":")
        if self.port_of_all is not None:
            host, port = "127.0.0.1", str(self.port_of_all)
        with socket.create_connection((host, int(port))) as there:
            back = threading.Thread(target=_copy, args=(there, connection), daemon=True)
            back.start()
            _copy(connection, there)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            target.sendall(data)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def _read_head(connection: socket.socket) -> str:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(_CHUNK)
        if not more:
            raise ConnectionAbortedError
        data += more
    return data.decode("latin-1")


@contextmanager
def _listening(serve: Callable[[socket.socket], None], tls: ssl.SSLContext | None) -> Iterator[int]:
    """Listen on threads: asyncio's own server swallows the alert that refuses a handshake."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_ones: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def handle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if tls is None:
                serve(connection)
            else:
                with tls.wrap_socket(connection, server_side=True) as inside:
                    open_ones.append(inside)
                    serve(inside)
        connection.close()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                open_ones.append(connection)
                threads.append(threading.Thread(target=handle, args=(connection,), daemon=True))
                threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        for each in [listener, *open_ones]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(5)
        for thread in threads:
            thread.join(5)


@contextmanager
def dropping() -> Iterator[int]:
    """A port that drops packets: the queue of its listener is full, and Linux sends no more responses."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    port: int = listener.getsockname()[1]
    waiting = [socket.socket() for _ in range(4)]
    for each in waiting:
        each.setblocking(False)
        each.connect_ex(("127.0.0.1", port))
    try:
        yield port
    finally:
        for each in [*waiting, listener]:
            each.close()
