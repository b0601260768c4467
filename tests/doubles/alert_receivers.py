"""Real servers that alerts are sent to: an SMTP server, a webhook, and a port that accepts and never answers."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.ports import free_port

LOOPBACK = "127.0.0.1"


@dataclass
class Mailbox:
    """Mail that the SMTP server took.

    `refusal`: its answer to a message, if it takes none; `unknown`: addresses that it refuses.
    """

    messages: list[EmailMessage] = field(default_factory=list)
    refusal: str | None = None
    unknown: set[str] = field(default_factory=set)
    port: int = 0

    @property
    def url(self) -> str:
        return f"mailto://{LOOPBACK}:{self.port}?from=importer@example.com&to=operator@example.com&mode=insecure"

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.unknown:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        if self.refusal is not None:
            return self.refusal
        assert isinstance(envelope.content, bytes)
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    @property
    def texts(self) -> list[str]:
        """The plain text of each message."""
        found = [each.get_body(("plain", "html")) for each in self.messages]
        return [str(each.get_content()) for each in found if each is not None]


@contextmanager
def smtp_server() -> Iterator[Mailbox]:
    """An SMTP server on a free port."""
    mailbox = Mailbox(port=free_port())
    controller = Controller(mailbox, hostname=LOOPBACK, port=mailbox.port)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


@dataclass
class Webhook:
    """Texts that were posted.

    `status`: its answer; `longest`: text up to which it accepts. `answers`: cleared, it does not answer until it is set
    again.
    """

    port: int
    posts: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    longest: int | None = None
    answers: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "token-abcdef", options: str = "") -> str:
        return f"json://{LOOPBACK}:{self.port}/{path}{options}"

    @property
    def titles(self) -> list[str]:
        return [each["title"] for each in self.posts]


@contextmanager
def webhook(port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Webhook]:
    """A webhook on a free port, or on this one; over TLS with this context."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.answers.wait(30)
            posted = json.loads(body)
            is_long = found.longest is not None and len(posted["text"]) > found.longest
            status = 400 if is_long else found.status
            if status < 300:
                found.posts.append(posted)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(f"refused at {self.path}".encode())

        def do_GET(self) -> None:
            raise AssertionError("a redirect was followed")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((LOOPBACK, port), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    found = Webhook(server.server_port)
    found.answers.set()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.answers.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that accepts connections and says nothing."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        yield listening.getsockname()[1]
