"""The connections of the broker: Proton as the engine, asyncio as the socket."""

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import proton
from proton import Array, Condition, Data, Delivery, Endpoint, Event, Link, Message, Terminus, Transport, symbol

from tests.doubles.broker.entity import Entity, LockIsLost, Rules, Stored
from tests.doubles.broker.faults import Fault, Faults
from tests.doubles.broker.wire import Content, read, when

Proton = Any
"""An object of the engine: its types allow None where an event of the kind handled always has a value."""

_CBS: Final = "$cbs"
_MANAGEMENT: Final = "/$management"
_DEAD_LETTERS: Final = "/$deadletterqueue"
_BUSY: Final = ("com.microsoft:server-busy", "The server was busy. Please retry.")
_LOST: Final = ("com.microsoft:message-lock-lost", "The lock supplied is invalid.")
_NOT_FOUND: Final = ("amqp:not-found", "The messaging entity could not be found.")
_TOO_LARGE: Final = ("amqp:link:message-size-exceeded", "The message is too large.")
_REFUSALS: Final = {
    "server_busy": _BUSY,
    "unauthorized": ("amqp:unauthorized-access", "Unauthorized access."),
    "disabled": ("com.microsoft:entity-disabled", "The messaging entity is disabled."),
    "quota": ("amqp:resource-limit-exceeded", "The maximum entity size has been reached."),
    "detach": ("amqp:link:detach-forced", "The link was detached by the server."),
}


class Broker:
    """The queues and the connected clients."""

    def __init__(self, queues: dict[str, Rules], *, real_time: Callable[[], float]) -> None:
        self.offset = 0.0
        self.faults = Faults()
        self.refusing = False
        self.sessions: set[Session] = set()
        self._rules = queues
        self._real_time = real_time
        self.queues: dict[str, Entity] = {}
        self.reset()

    def now(self) -> float:
        """The queues' time."""
        return self._real_time() + self.offset

    def reset(self) -> None:
        """Reset the state."""
        self.offset = 0.0
        self.faults = Faults()
        self.refusing = False
        self.drop()
        self.queues = {name.lower(): Entity(rules, self.now) for name, rules in self._rules.items()}

    def drop(self) -> None:
        """Break every connection."""
        for session in list(self.sessions):
            session.abort()

    def deliver(self) -> None:
        """Deliver messages to the links with credit."""
        for session in list(self.sessions):
            session.deliver()

    def entity(self, address: str | None) -> tuple[Entity | None, str]:
        """Resolve an address to its entity and kind: cbs, management or messages."""
        path = (urlsplit(address).path if address and "://" in address else address or "").strip("/").lower()
        if path == _CBS:
            return None, "cbs"
        kind = "management" if path.endswith(_MANAGEMENT) else "messages"
        path = path.removesuffix(_MANAGEMENT)
        queue = self.queues.get(path.removesuffix(_DEAD_LETTERS))
        if queue is None:
            return None, "unknown"
        return (queue.dead if path.endswith(_DEAD_LETTERS) else queue), kind


class Session(asyncio.Protocol):
    """One connection."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._engine = Transport(Transport.SERVER)
        self._connection = proton.Connection()
        self._collector = proton.Collector()
        self._connection.collect(self._collector)
        self._engine.max_frame_size = 65536
        self._engine.sasl().allowed_mechs("ANONYMOUS")
        self._engine.bind(self._connection)
        self._socket: asyncio.Transport | None = None
        self._kinds: dict[str, tuple[Entity | None, str]] = {}
        self._receiving: list[Proton] = []
        self._partial: dict[str, bytearray] = {}

    # asyncio's.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._socket = transport
        if self._broker.refusing:
            transport.abort()
            return
        self._broker.sessions.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._broker.sessions.discard(self)
        self._socket = None

    def data_received(self, data: bytes) -> None:
        while data and self._socket is not None:
            room = self._engine.capacity()
            if room <= 0:
                break
            with contextlib.suppress(proton.TransportException):
                self._engine.push(data[:room])
            data = data[room:]
            self._work()
        self._work()

    def abort(self) -> None:
        """Drop the connection, as a cut cable would."""
        self._broker.sessions.discard(self)
        if self._socket is not None:
            self._socket.abort()
            self._socket = None

    def _work(self) -> None:
        while (event := self._collector.peek()) is not None:
            handle = _HANDLERS.get(event.type)
            if handle is not None:
                handle(self, event)
            self._collector.pop()
        self._flush()

    def _flush(self) -> None:
        while self._socket is not None:
            pending = self._engine.pending()
            if pending <= 0:
                if pending < 0:
                    self._socket.close()
                return
            self._socket.write(self._engine.peek(pending) or b"")
            self._engine.pop(pending)

    # Opening and closing.

    def _open(self, event: Proton) -> None:
        event.connection.container = "broker"
        event.connection.open()

    def _open_session(self, event: Proton) -> None:
        event.session.open()

    def _close(self, event: Proton) -> None:
        context = event.context
        if context.state & Endpoint.LOCAL_ACTIVE:
            context.close()
        if isinstance(context, Link):
            self._receiving = [each for each in self._receiving if each.name != context.name]

    def _attach(self, event: Proton) -> None:
        link = event.link
        address = link.remote_source.address if link.is_sender else link.remote_target.address
        entity, kind = self._broker.entity(address)
        fault = self._broker.faults.take("attach") if kind == "messages" else None
        if kind == "unknown" or fault is not None:
            link.source.type = link.target.type = Terminus.UNSPECIFIED
            link.open()
            self._end(link, _NOT_FOUND if fault is None else _REFUSALS[fault.kind])
            return
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        link.max_message_size = entity.rules.max_message_bytes if entity is not None else 65536
        link.snd_settle_mode, link.rcv_settle_mode = link.remote_snd_settle_mode, link.remote_rcv_settle_mode
        self._kinds[link.name] = entity, kind
        link.open()
        if link.is_receiver:
            link.flow(1000)
        elif kind == "messages":
            self._receiving.append(link)

    def _end(self, link: Proton, reported: tuple[str, str]) -> None:
        link.condition = Condition(reported[0], reported[1], {symbol("x-opt-broker"): "test"})
        link.close()

    # Incoming.

    def _on_delivery(self, event: Proton) -> None:
        delivery, link = event.delivery, event.link
        if link.is_sender:
            self._on_disposition(delivery)
            return
        chunks = self._partial.setdefault(link.name, bytearray())
        if delivery.readable:
            chunks += link.recv(delivery.pending) or b""
        if delivery.partial:
            return
        raw = bytes(chunks)
        chunks.clear()
        link.advance()
        entity, kind = self._kinds.get(link.name, (None, "unknown"))
        if kind == "messages" and entity is not None:
            self._receive(entity, link, delivery, raw)
        else:
            delivery.update(Delivery.ACCEPTED)
            delivery.settle()
            self._answer(entity, kind, link, raw)
        if link.credit < 500:
            link.flow(500)

    def _receive(self, entity: Entity, link: Proton, delivery: Proton, raw: bytes) -> None:
        fault = self._broker.faults.take("send")
        match fault:
            case Fault(kind="drop_before_send"):
                self.abort()
                return
            case Fault(kind="hang"):
                return
            case Fault(kind="detach"):
                self._end(link, _REFUSALS["detach"])
                return
            case Fault(kind=kind) if kind in _REFUSALS:
                _refuse(delivery, _REFUSALS[kind])
                return
        if len(raw) > entity.rules.max_message_bytes:
            _refuse(delivery, _TOO_LARGE)
            return
        for content in read(raw):
            entity.put(content)
        if fault is not None and fault.kind == "drop_on_send":
            self.abort()
        elif fault is not None and fault.kind == "delay":
            asyncio.get_running_loop().call_later(fault.seconds, self._accept, delivery)
        else:
            self._accept(delivery)
        asyncio.get_running_loop().call_soon(self._broker.deliver)

    def _accept(self, delivery: Proton) -> None:
        if self._socket is None:
            return
        delivery.update(Delivery.ACCEPTED)
        delivery.settle()
        self._flush()

    # Outgoing.

    def deliver(self) -> None:
        """Deliver the available messages to the links with credit."""
        sent = False
        for link in self._receiving:
            entity = self._kinds[link.name][0]
            assert entity is not None
            for_ever = link.remote_snd_settle_mode == Link.SND_SETTLED
            while link.credit > 0 and self._socket is not None:
                stored = entity.lock(for_ever=for_ever)
                if stored is None:
                    break
                self._send(link, stored)
                sent = True
            if link.drain_mode and link.credit > 0:
                link.drained()
                sent = True
        if sent:
            self._flush()

    def _send(self, link: Proton, stored: Stored) -> None:
        token = stored.token or uuid.uuid4()
        delivery = link.delivery(token.bytes_le)
        delivery.token = token
        link.send(self._encoded(stored, locked=stored.token is not None))
        link.advance()
        if stored.token is None:
            delivery.settle()

    def _encoded(self, stored: Stored, *, locked: bool) -> bytes:
        annotations: dict[str, Any] = {
            "x-opt-enqueued-time": when(stored.enqueued),
            "x-opt-sequence-number": stored.sequence,
            "x-opt-message-state": proton.int32(2 if stored.visible > self._broker.now() else 0),
        }
        if stored.content.scheduled is not None:
            annotations["x-opt-scheduled-enqueue-time"] = when(stored.content.scheduled)
        if locked:
            # The SDK compares it with its own clock.
            annotations["x-opt-locked-until"] = when(stored.locked_until - self._broker.offset)
        return stored.content.encoded(annotations, delivery_count=stored.delivery_count)

    def _on_disposition(self, delivery: Proton) -> None:
        token = getattr(delivery, "token", None)
        if token is None or not delivery.updated or (delivery.settled and not delivery.remote_state):
            return
        entity = self._kinds[delivery.link.name][0]
        assert entity is not None
        released = delivery.remote_state == Delivery.RELEASED
        fault = None if released else self._broker.faults.take("settle")
        if fault is not None and fault.kind == "drop_before_settle":
            self.abort()
            return
        if fault is not None and fault.kind == "hang":
            return
        lost = False
        try:
            _carry_out(entity, token, delivery)
        except LockIsLost:
            lost = True
        delivery.token = None
        if fault is not None and fault.kind == "drop_on_settle":
            self.abort()
        elif fault is not None and fault.kind == "delay":
            asyncio.get_running_loop().call_later(fault.seconds, self._confirm, delivery, lost)
        else:
            self._confirm(delivery, lost)
        asyncio.get_running_loop().call_soon(self._broker.deliver)

    def _confirm(self, delivery: Proton, lost: bool) -> None:
        if self._socket is None:
            return
        if lost:
            _refuse(delivery, _LOST)
        else:
            # A rejection without an error confirms a dead letter; with one it would report a lost lock.
            state = delivery.remote_state
            delivery.update(state)
            delivery.settle()
        self._flush()

    def _on_flow(self, event: Proton) -> None:
        if event.link.is_sender:
            self.deliver()

    # Nodes that answer: tokens and management.

    def _answer(self, entity: Entity | None, kind: str, link: Proton, raw: bytes) -> None:
        request = Message()
        request.decode(raw)
        if kind == "cbs":
            status = 401 if self._broker.faults.take("token") is not None else 202
            self._reply(link, request, {"status-code": proton.int32(status), "status-description": "said"}, None)
            return
        assert entity is not None
        fault = self._broker.faults.take("management")
        if fault is not None and fault.kind == "hang":
            return
        if fault is not None and fault.kind == "drop_on_management":
            self.abort()
            return
        status, reported, body = (503, _BUSY, None) if fault is not None else self._managed(entity, request)
        properties: dict[str, Any] = {"statusCode": proton.int32(status), "statusDescription": reported[1]}
        if status >= 300:
            properties["errorCondition"] = symbol(reported[0])
        self._reply(link, request, properties, body)
        asyncio.get_running_loop().call_soon(self._broker.deliver)

    def _reply(self, link: Proton, request: Proton, properties: dict[str, Any], body: dict[str, Any] | None) -> None:
        node = link.remote_target.address
        for other in _links(self._connection):
            if other.is_sender and other.remote_source.address == node and other.session == link.session:
                reply = Message(body=body, properties=properties)
                reply.correlation_id = request.id
                delivery = other.delivery(uuid.uuid4().bytes)
                other.send(reply.encode())
                other.advance()
                delivery.settle()
                return

    def _managed(self, entity: Entity, request: Proton) -> tuple[int, tuple[str, str], dict[str, Any] | None]:
        operation = str(request.properties["operation"]).removeprefix("com.microsoft:")
        asked = {str(key): value for key, value in (request.body or {}).items()}
        done = ("", "OK")
        try:
            match operation:
                case "renew-lock":
                    ends = [
                        when(entity.renew(uuid.UUID(str(each))) - self._broker.offset) for each in asked["lock-tokens"]
                    ]
                    return 200, done, {"expirations": Array(None, Data.TIMESTAMP, *ends)}
                case "peek-message":
                    found = entity.browse(int(asked["from-sequence-number"]), int(asked["message-count"]))
                    listed = [{"message": self._encoded(each, locked=False)} for each in found]
                    return (200, done, {"messages": listed}) if listed else (204, done, None)
                case "update-disposition":
                    for each in asked["lock-tokens"]:
                        _dispose(entity, uuid.UUID(str(each)), str(asked["disposition-status"]), asked)
                    return 200, done, None
                case "cancel-scheduled-message":
                    gone = [entity.cancel_scheduled(int(each)) for each in asked["sequence-numbers"]]
                    return (200, done, None) if all(gone) else (404, ("com.microsoft:message-not-found", "None"), None)
                case _:
                    return 501, ("amqp:not-implemented", operation), None
        except LockIsLost:
            return 410, _LOST, None


_HANDLERS: Final[dict[Any, Callable[[Session, Proton], None]]] = {
    Event.CONNECTION_REMOTE_OPEN: Session._open,
    Event.SESSION_REMOTE_OPEN: Session._open_session,
    Event.LINK_REMOTE_OPEN: Session._attach,
    Event.LINK_FLOW: Session._on_flow,
    Event.DELIVERY: Session._on_delivery,
    Event.LINK_REMOTE_CLOSE: Session._close,
    Event.SESSION_REMOTE_CLOSE: Session._close,
    Event.CONNECTION_REMOTE_CLOSE: Session._close,
}


def _carry_out(entity: Entity, token: uuid.UUID, delivery: Proton) -> None:
    match delivery.remote_state:
        case Delivery.ACCEPTED:
            entity.complete(token)
        case Delivery.REJECTED:
            condition = delivery.remote.condition
            info = {str(key): value for key, value in (condition.info or {}).items()} if condition else {}
            entity.dead_letter(token, info.get("DeadLetterReason"), info.get("DeadLetterErrorDescription"))
        case Delivery.RELEASED:
            entity.abandon(token, counted=False)
        case _:
            entity.abandon(token)


def _dispose(entity: Entity, token: uuid.UUID, status: str, asked: dict[str, Any]) -> None:
    if status == "completed":
        entity.complete(token)
    elif status == "suspended":
        entity.dead_letter(token, asked.get("deadletter-reason"), asked.get("deadletter-description"))
    else:
        entity.abandon(token)


def _refuse(delivery: Proton, reported: tuple[str, str]) -> None:
    # In full: the SDK reads the third part, and hangs when there is none.
    delivery.local.condition = Condition(reported[0], reported[1], {symbol("x-opt-broker"): "test"})
    delivery.update(Delivery.REJECTED)
    delivery.settle()


def _links(connection: Proton) -> Iterator[Proton]:
    link = connection.link_head(Endpoint.LOCAL_ACTIVE)
    while link is not None:
        yield link
        link = link.next(Endpoint.LOCAL_ACTIVE)


__all__ = ["Broker", "Content", "Session"]
