"""The HTTPS listener: one port for sign-in, Graph and the control API, and the faults of the wire."""

import asyncio
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from simulator.api.graph import Graph
from simulator.api.signin import SignIn
from simulator.api.signin_errors import SignInError
from simulator.calls import JSON_TYPE, Answer, Call, GraphError, Operation, error_body
from simulator.control import Control
from simulator.faults import Fault, FaultKind, Faults, Subject
from simulator.identifiers import Identifiers

_MAX_BODY_BYTES = 4 * 1024 * 1024
# A mail of 150 MB, the largest that Exchange Online accepts, as base64 within JSON.
_MAX_CONTROL_BYTES = 150 * 1024 * 1024 * 4 // 3 + 1024 * 1024
_INSTEAD_OF_ANSWER = frozenset({FaultKind.THROTTLED, FaultKind.UNAVAILABLE, FaultKind.RESET, FaultKind.HANG})
_IN_BODY = frozenset({FaultKind.RESET_IN_BODY, FaultKind.TRUNCATED, FaultKind.ANSWER_LOST})
_HANG_POLL_SECS = 0.05
_UNAVAILABLE_CODES = {500: "InternalServerError", 503: "ServiceUnavailable", 504: "GatewayTimeout"}
_HALF_WAY_BYTES = 1_048_576


class _ConnectionAborted(Exception):
    """The fault ended the connection: no answer can be sent."""


class Listener:
    """Reads requests, has the responsible part answer, and sends answers. `calls` counts them by operation."""

    def __init__(
        self,
        *,
        graph: Graph,
        sign_in: SignIn,
        control: Control,
        faults: Faults,
        identifiers: Identifiers,
        clock: Callable[[], datetime],
    ) -> None:
        self.calls: Counter[Operation] = Counter()
        self.statuses: Counter[int] = Counter()
        self._graph = graph
        self._sign_in = sign_in
        self._sign_in_handlers: dict[Operation, Callable[[str, Call], Answer]] = {
            Operation.DISCOVERY: sign_in.discovery,
            Operation.TOKEN: sign_in.token,
            Operation.SIGNING_KEYS: sign_in.keys,
            Operation.AUTHORIZE: sign_in.people.authorize,
            Operation.SIGN_OUT: sign_in.people.sign_out,
        }
        self._control = control
        self._faults = faults
        self._identifiers = identifiers
        self._clock = clock
        self._runner: web.ServerRunner | None = None

    async def start(self, host: str, port: int, tls: ssl.SSLContext) -> int:
        """Listen; returns the port, chosen by the system when `port` is 0."""
        server = web.Server(self._handle, request_factory=_request, access_log=None, keepalive_timeout=300)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, ssl_context=tls).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close the port and the connections open on it."""
        if self._runner:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        call = Call(
            method=request.method,
            path=path,
            query=query,
            headers=request.headers,
            body=await request.read() if request.can_read_body else b"",
            base_url=f"https://{request.headers.get('Host', '')}",
            prefer=", ".join(request.headers.getall("Prefer", ())).lower(),
        )
        try:
            if path.startswith("/v1.0/"):
                return await self._handle_graph(request, call)
            if path.startswith("/simulator/"):
                return await self._send(request, await self._control.answer(call), None)
            return await self._handle_sign_in(request, call)
        except _ConnectionAborted:
            return web.Response()

    async def _handle_graph(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        request_id = self._identifiers.guid()
        client_request_id = call.headers.get("client-request-id", request_id)
        traced = {"request-id": request_id, "client-request-id": client_request_id}
        try:
            admission = self._graph.admit(call)
        except GraphError as exc:
            return await self._send(request, self._refusal(exc, traced), None)
        try:
            self.calls[admission.route.operation] += 1
            damage = None
            try:
                if self._faults:
                    await self._inject_fault(request, admission.subject)
                answer = await self._graph.answer(admission)
                damage = self._faults.strike_call(admission.subject, _IN_BODY)
            except GraphError as exc:
                answer = self._refusal(exc, traced)
            answer.headers.update(traced)
            return await self._send(request, answer, damage)
        finally:
            self._graph.release(admission)

    async def _handle_sign_in(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        operation, tenant_id = _sign_in_operation(call)
        if operation is None:
            return await self._send(request, Answer(404), None)
        self.calls[operation] += 1
        subject = Subject(operation)
        try:
            await self._inject_fault(request, subject)
        except GraphError as exc:
            return await self._send(request, Answer(exc.status, b"", None, exc.headers), None)
        refused = self._faults.strike(FaultKind.SIGN_IN_REFUSED, subject) if operation is Operation.TOKEN else None
        if refused:
            error = SignInError(refused.code, "Refused by a fault that was switched on.")
            answer = self._sign_in.refusal(error, call)
        else:
            answer = self._sign_in_handlers[operation](tenant_id, call)
        return await self._send(request, answer, self._faults.strike_call(subject, _IN_BODY))

    async def _inject_fault(self, request: web.BaseRequest, subject: Subject) -> None:
        """Inject the faults that come before an answer."""
        latency = self._faults.strike(FaultKind.LATENCY, subject)
        if latency:
            await asyncio.sleep(latency.seconds)
        fault = self._faults.strike_call(subject, _INSTEAD_OF_ANSWER)
        if fault is None:
            return
        match fault.kind:
            case FaultKind.THROTTLED:
                raise GraphError(429, "TooManyRequests", "Too many requests.", self._retry_after(fault))
            case FaultKind.UNAVAILABLE:
                code = _UNAVAILABLE_CODES.get(fault.status, "UnknownError")
                raise GraphError(fault.status, code, "The service is unavailable.", self._retry_after(fault))
            case FaultKind.HANG:
                await _disconnected(request)
        _abort(request)
        raise _ConnectionAborted

    def _retry_after(self, fault: Fault) -> dict[str, str]:
        if fault.retry_after is None:
            return {}
        if fault.retry_after_as_date:
            moment = datetime.fromtimestamp(self._clock().timestamp() + fault.retry_after, tz=self._clock().tzinfo)
            return {"Retry-After": format_datetime(moment, usegmt=True)}
        return {"Retry-After": f"{fault.retry_after:g}"}

    def _refusal(self, error: GraphError, traced: dict[str, str]) -> Answer:
        body = error_body(error, traced["request-id"], traced["client-request-id"], self._clock())
        return Answer(error.status, body, JSON_TYPE, {**error.headers, **traced})

    async def _send(self, request: web.BaseRequest, answer: Answer, damage: Fault | None) -> web.StreamResponse:
        """Send an answer to its last byte: until then the call counts as running (docs/graph.md, section 8)."""
        self.statuses[answer.status] += 1
        if damage and damage.kind is FaultKind.ANSWER_LOST:
            _abort(request)
            raise _ConnectionAborted
        if answer.content is not None:
            return await self._stream(request, answer, damage)
        body = answer.body
        if damage and damage.kind is FaultKind.TRUNCATED:
            body = body[: len(body) // 2]
        elif damage:
            return await self._stream(request, answer, damage)
        response = web.Response(status=answer.status, body=body, headers=answer.headers)
        if answer.content_type:
            response.headers["Content-Type"] = answer.content_type
        await response.prepare(request)
        await response.write_eof()
        return response

    async def _stream(self, request: web.BaseRequest, answer: Answer, damage: Fault | None) -> web.StreamResponse:
        content = answer.content
        size = content.size if content else len(answer.body)
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        if answer.content_type:
            response.headers["Content-Type"] = answer.content_type
        end = size if damage is None else min(size // 2, _HALF_WAY_BYTES)
        response.content_length = end if damage and damage.kind is FaultKind.TRUNCATED else size
        await response.prepare(request)
        sent = 0
        for chunk in content.chunks() if content else (answer.body,):
            if sent >= end:
                break
            await response.write(chunk[: end - sent])
            sent += len(chunk)
        if damage and damage.kind is FaultKind.RESET_IN_BODY:
            _close_early(request)
            raise _ConnectionAborted
        await response.write_eof()
        return response


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    """Make a request; its body may be as large as Graph accepts one, or as the control API accepts a mail."""
    limit = _MAX_CONTROL_BYTES if message.path.startswith("/simulator/") else _MAX_BODY_BYTES
    return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=limit)


def _sign_in_operation(call: Call) -> tuple[Operation | None, str]:
    match call.method, call.path.split("/")[1:]:
        case "GET", [tenant_id, "v2.0", ".well-known", "openid-configuration"]:
            return Operation.DISCOVERY, tenant_id
        case "POST", [tenant_id, "oauth2", "v2.0", "token"]:
            return Operation.TOKEN, tenant_id
        case "GET", [tenant_id, "oauth2", "v2.0", "authorize"]:
            return Operation.AUTHORIZE, tenant_id
        case "GET", [tenant_id, "oauth2", "v2.0", "logout"]:
            return Operation.SIGN_OUT, tenant_id
        case "GET", [tenant_id, "discovery", "v2.0", "keys"]:
            return Operation.SIGNING_KEYS, tenant_id
    return None, ""


async def _disconnected(request: web.BaseRequest) -> None:
    # aiohttp reports it to a handler only by cancelling all handlers so, also those that must continue.
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(_HANG_POLL_SECS)


def _abort(request: web.BaseRequest) -> None:
    transport = request.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        # Without lingering, closing sends RST instead of FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _close_early(request: web.BaseRequest) -> None:
    # Not `_abort`: a reset may overtake the bytes sent, and the client would see no half of a body.
    if request.transport is not None:
        request.transport.close()
