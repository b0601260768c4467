"""A stand-in of SQL Server on loopback, sufficient for an ODBC driver to receive an error.

It speaks enough of TDS (https://learn.microsoft.com/openspecs/windows_protocols/ms-tds) for a sign-in and for the begin
of TLS, and answers each statement with one text, with nothing, or with an error of a number that a test chooses.
It knows no SQL: effects of statements are tested on databases. It records the request of each round trip.
"""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from graph.certificates import Certificate

PRELOGIN: Final = 0x12
LOGIN: Final = 0x10
BATCH: Final = 0x01
CALL: Final = 0x03
ATTENTION: Final = 0x06
TRANSACTION: Final = 0x0E
_TABULAR: Final = 0x04
_LAST: Final = 0x01
_COLLATION: Final = b"\x09\x04\xd0\x00\x34"
_ERROR_DONE: Final = 0x0002
_COUNT_DONE: Final = 0x0010
_MORE: Final = 0x0001
_ATTENTION_DONE: Final = 0x0020
_BEGIN, _COMMIT, _ROLL_BACK = 5, 7, 8
_TRANSACTIONS: Final = {_BEGIN: "BEGIN", _COMMIT: "COMMIT", _ROLL_BACK: "ROLLBACK"}
_PROCEDURES: Final = {10: "sp_executesql", 11: "sp_prepare", 12: "sp_execute", 13: "sp_prepexec", 15: "sp_unprepare"}
"""Procedures that are called by a number ([MS-TDS] 2.2.6.6)."""
_LARGE: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class ServerError:
    """An error of SQL Server: number, text, state and severity; from severity 20 on it hangs up as well."""

    number: int
    text: str
    state: int = 1
    severity: int = 16


@dataclass(frozen=True, slots=True)
class Asked:
    """One round trip. `how`: `batch`, `BEGIN`, `COMMIT`, `ROLLBACK`, or the procedure that was called.

    `text`: of the statement, also where only its handle was sent; `declared`: its parameters, as a declaration of
    T-SQL.
    """

    how: str
    text: str = ""
    declared: str = ""


class HangUp(Exception):
    """The server closes the connection without a message."""


class Silence(Exception):
    """The server goes on working, until the driver cancels."""


NO_ROWS: Final = ()
Answer = ServerError | str | tuple[()] | None
"""Response to a statement: an error, one row of one column, none, or only its completion."""


def _usual(statement: str) -> Answer:
    """Response to the queries of SQLAlchemy at its first connection; 1 to other queries."""
    if statement.startswith(("INSERT", "UPDATE", "DELETE")):
        return None
    answers = {
        "SERVERPROPERTY": "16.0.4135.4",
        "@@version": "Microsoft SQL Server 2022 - 16.0.4135.4 (X64)",
        "schema_name()": "dbo",
        "test max support": "test max support",
        "sys.system_views": "dm_exec_sessions",
        "transaction_isolation_level": "READ COMMITTED",
        "SELECT": "1",
    }
    return next((answer for question, answer in answers.items() if question in statement), None)


def tls_with(certificate: Certificate, folder: Path) -> ssl.SSLContext:
    """TLS context of a server with this certificate; a file of it is left in the folder."""
    pem = folder / "server.pem"
    pem.write_bytes((certificate.private_key_pem or b"") + certificate.public_pem.encode())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # the newest that TDS 7 knows
    context.load_cert_chain(pem)
    return context


class TdsServer:
    """Listens from `with` on, and records its input. A test sets its responses.

    `sign_in`: the error that each sign-in gets. `answer`: the response to each statement; may raise HangUp. `tls`: the
    server's context; without one it reports no encryption. `recovers`: a sign-in acknowledges that its session can be
    restored by another one. `partner`: the mirror that each sign-in names. `logins`: the raw data of each sign-in.
    `asked`: the round trips after that.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.sign_in: ServerError | None = None
        self.answer: Callable[[str], Answer] = lambda _statement: None
        self.recovers = False
        self.partner: str | None = None
        self.logins: list[bytes] = []
        self.statements: list[str] = []
        self.asked: list[Asked] = []
        self._prepared: dict[int, Asked] = {}
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    @property
    def port(self) -> int:
        """The port it listens at."""
        port: int = self._listening.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone does not wake up the thread that waits for the next connection.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(10)

    def hang_up(self) -> None:
        """Close all connections, like a server that is stopped."""
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._open.append(connection)
                self._start(lambda connection=connection: self._serve(connection))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, HangUp):
            wire = _Wire(connection)
            for kind, body in wire.messages():
                if kind == PRELOGIN:
                    wire.send(_prelogin(encrypts=self._tls is not None))
                    if self._tls is not None:
                        wire.encrypt(self._tls)
                elif kind == LOGIN:
                    self.logins.append(body)
                    wire.send(_refused(self.sign_in) if self.sign_in else self._signed_in())
                    if self.sign_in:
                        return
                else:
                    with contextlib.suppress(Silence):
                        wire.send(self._answer(kind, body))

    def _signed_in(self) -> bytes:
        return _signed_in(recovers=self.recovers, partner=self.partner)

    def _answer(self, kind: int, body: bytes) -> bytes:
        if kind == ATTENTION:
            return _done(status=_ATTENTION_DONE)
        if kind == TRANSACTION:
            request = _transaction_request(body)
            self.asked.append(Asked(_TRANSACTIONS.get(request, "TRANSACTION")))
            return _transaction(request)
        asked, handle = self._read(kind, body)
        if "sp_datatype_info" in asked.how:
            return _refused(ServerError(2812, "There is no such procedure."), procedure=True)
        self.asked.append(asked)
        if asked.how == "sp_unprepare":
            return _done(procedure=True)
        self.statements.append(asked.text)
        found = self.answer(asked.text)
        if found is None:
            found = _usual(asked.text)
        if isinstance(found, ServerError):
            return _refused(found, procedure=kind != BATCH)
        if handle is not None:
            rows = _within() if found is None else _row(found, within=True)
            return rows + _returned(handle) + _done(procedure=True)
        return _row(found) if found is not None else _done(procedure=kind != BATCH)

    def _read(self, kind: int, body: bytes) -> tuple[Asked, int | None]:
        """Parse the request, and the handle of the statement that it prepares."""
        (headers,) = struct.unpack("<I", body[:4])
        if kind == BATCH:
            return Asked("batch", body[headers:].decode("utf-16-le")), None
        procedure, parameters = _call(body[headers:])
        if procedure in {"sp_execute", "sp_unprepare"}:
            known = self._prepared.get(int(next(parameters) or 0), Asked(""))
            return Asked(procedure, known.text, known.declared), None
        if procedure in {"sp_prepexec", "sp_prepare"}:
            next(parameters)
            declared, text = str(next(parameters) or ""), str(next(parameters))
            handle = len(self._prepared) + 1
            self._prepared[handle] = Asked(procedure, text, declared)
            return self._prepared[handle], handle
        if procedure == "sp_executesql":
            return Asked(procedure, str(next(parameters)), str(next(parameters, "") or "")), None
        return Asked(procedure, str(next(parameters, "") or "") if procedure.startswith("sp_describe") else ""), None


class _Wire:
    """Messages of TDS over a socket: each in packets of a header and a part of it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None

    def messages(self) -> Iterator[tuple[int, bytes]]:
        """Their type and content, until the other side closes."""
        body = b""
        while header := self._read(8):
            kind, status, length = struct.unpack(">BBH", header[:4])
            body += self._read(length - 8)
            if status & _LAST:
                yield kind, body
                body = b""

    def send(self, body: bytes, kind: int = _TABULAR) -> None:
        packet = struct.pack(">BBHHBB", kind, _LAST, len(body) + 8, 0, 1, 0) + body
        if self._tls is not None:
            self._tls.write(packet)
            packet = self._outgoing.read()
        self._connection.sendall(packet)

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Shake hands, within messages; from then on all messages go through TLS. OSError: the other side did not."""
        tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        for _, body in self.messages():
            self._incoming.write(body)
            try:
                tls.do_handshake()
                shaken = True
            except ssl.SSLWantReadError:
                shaken = False
            self.send(self._outgoing.read(), PRELOGIN)
            if shaken:
                self._tls = tls
                return

    def _read(self, size: int) -> bytes:
        if self._tls is None:
            return self._connection.recv(size, socket.MSG_WAITALL)
        found = b""
        while len(found) < size:
            try:
                found += self._tls.read(size - len(found))
            except ssl.SSLWantReadError:
                more = self._connection.recv(65536)
                if not more:
                    return b""
                self._incoming.write(more)
        return found


def _prelogin(*, encrypts: bool) -> bytes:
    options = [(0, bytes([16, 0, 0x10, 0x27, 0, 0])), (1, b"\x01" if encrypts else b"\x02"), (2, b"\0"), (4, b"\0")]
    offset, head, data = 5 * len(options) + 1, b"", b""
    for number, value in options:
        head += struct.pack(">BHH", number, offset + len(data), len(value))
        data += value
    return head + b"\xff" + data


def _wide(text: str, size: str = "<B") -> bytes:
    """Text after its length in characters."""
    return struct.pack(size, len(text)) + text.encode("utf-16-le")


def _token(kind: int, body: bytes) -> bytes:
    return struct.pack("<BH", kind, len(body)) + body


def _done(*, procedure: bool = False, status: int = 0, rows: int = 0) -> bytes:
    return struct.pack("<BHHQ", 0xFE if procedure else 0xFD, status, 0, rows)


def _signed_in(*, recovers: bool, partner: str | None) -> bytes:
    changes = [b"\x01" + _wide("gateway") + _wide("master"), b"\x04" + _wide("4096") + _wide("4096")]
    collation = b"\x07" + bytes([len(_COLLATION)]) + _COLLATION + b"\0"
    acknowledged = b"\x01\x74\x00\x00\x04" + _wide("Microsoft SQL Server") + bytes([16, 0, 0x10, 0x27])
    if partner is not None:
        changes.append(b"\x0d" + _wide(partner) + b"\0")
    features = b"\xae\x01\0\0\0\0\xff" if recovers else b""  # FEATUREEXTACK of SESSIONRECOVERY
    tokens = [*(_token(0xE3, each) for each in [*changes, collation]), _token(0xAD, acknowledged), features, _done()]
    return b"".join(tokens)


def _call(body: bytes) -> tuple[str, Iterator[int | str | None]]:
    """The procedure that is called, and its first parameters, as long as they are numbers and texts."""
    (length,) = struct.unpack("<H", body[:2])
    if length == _LARGE:
        (number,) = struct.unpack("<H", body[2:4])
        return _PROCEDURES[number], _parameters(body[6:])
    name = body[2 : 2 + 2 * length].decode("utf-16-le")
    return name.removeprefix("[sys]."), _parameters(body[4 + 2 * length :])


def _parameters(body: bytes) -> Iterator[int | str | None]:
    while body:
        body = body[1 + 2 * body[0] + 1 :]  # the name, and how it is passed
        kind = body[0]
        if kind == 0x26:  # a number of up to body[1] bytes
            size = body[2]
            yield int.from_bytes(body[3 : 3 + size], "little") if size else None
            body = body[3 + size :]
        elif kind == 0xE7 and body[1:3] == b"\xff\xff":  # a text in chunks
            body, text = body[16:], b""
            while size := int.from_bytes(body[:4], "little"):
                text += body[4 : 4 + size]
                body = body[4 + size :]
            body = body[4:]
            yield text.decode("utf-16-le")
        elif kind == 0xE7:
            (size,) = struct.unpack("<H", body[8:10])
            yield None if size == _LARGE else body[10 : 10 + size].decode("utf-16-le")
            body = body[10 + (0 if size == _LARGE else size) :]
        else:
            return


def _within() -> bytes:
    """The end of a statement of a procedure, which goes on: with one row."""
    return struct.pack("<BHHQ", 0xFF, _COUNT_DONE | _MORE, 0, 1)


def _returned(handle: int) -> bytes:
    """A status, and the handle as the value of the first parameter."""
    value = struct.pack("<HBB", 0, 0, 1) + struct.pack("<IH", 0, 0) + b"\x26\x04\x04" + struct.pack("<i", handle)
    return b"\x79" + struct.pack("<i", 0) + b"\xac" + value


def _transaction_request(body: bytes) -> int:
    (length,) = struct.unpack("<I", body[:4])
    (request,) = struct.unpack("<H", body[length : length + 2])
    return int(request)


def _transaction(request: int) -> bytes:
    """The number of the transaction, which changes when one begins or ends."""
    number, none = b"\x08" + bytes([1] * 8), b"\0"
    changes = {_BEGIN: b"\x08" + number + none, _COMMIT: b"\x09" + none + number, _ROLL_BACK: b"\x0a" + none + number}
    return (_token(0xE3, changes[request]) if request in changes else b"") + _done()


def _refused(error: ServerError, *, procedure: bool = False) -> bytes:
    body = (
        struct.pack("<iBB", error.number, error.state, error.severity)
        + _wide(error.text, "<H")
        + _wide("SQLHOST")
        + _wide("")
        + struct.pack("<I", 1)
    )
    return _token(0xAA, body) + _done(procedure=procedure, status=_ERROR_DONE)


def _row(text: str | tuple[()], *, within: bool = False) -> bytes:
    """A result of one row, or none, and its end; `within` a procedure that goes on."""
    column = struct.pack("<IHBH", 0, 9, 0xE7, 8000) + _COLLATION + _wide("")
    row = b""
    if text != NO_ROWS:
        value = str(text).encode("utf-16-le")
        row = b"\xd1" + struct.pack("<H", len(value)) + value
    end = _within() if within else _done(status=_COUNT_DONE, rows=1)
    return b"\x81" + struct.pack("<H", 1) + column + row + end
