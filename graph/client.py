"""HTTP with Microsoft Graph: token, limits, retries, typed errors.

The limits are per application and mailbox (docs/graph.md, section 8): at most four calls at once, in order of arrival.
A wait that Graph requests does not occupy a slot. Every call carries `Prefer: IdType="ImmutableId"` (docs/graph.md,
section 7).
"""

import asyncio
import itertools
import json as json_codec
import random as random_module
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import quote, urlencode
from uuid import uuid4

import aiohttp
import structlog
import tenacity
from yarl import URL

from availability import Availability, Service
from graph.application import Application
from graph.errors import (
    NOT_THE_CONTENT,
    AccessDenied,
    GraphError,
    GraphUnavailable,
    ItemCorrupt,
    RequestRejected,
)
from graph.long_answers import MAX_BESIDE, LongAnswer
from graph.mailbox import Mailbox
from graph.responses import error_from_response, sanitize
from graph.slots import CallSlots, LocalSlots
from graph.transport import connection_error_of, session_for, tls_context
from hostfaults import host_fault_of, temporary_file_fault
from longtext import LONG
from phrases import Phrase
from threads import DaemonThreads

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

Observer = Callable[[str, int, float], None]
"""Called after every attempt: kind ("get", "post", …, "stream"), HTTP status (0: none arrived), seconds."""

BeforeAttempt = Callable[[], Awaitable[None]]
"""Awaited before every HTTP request of a call; may wait without limit, and an exception ends the call."""

OnDelay = Callable[[GraphError | None, datetime], None]
"""Called before a call is tried again, with the error, or when an attempt is not answered within 2 seconds (None); and
with the time at which the call is given up."""

_T = TypeVar("_T")
_UNANSWERED_SECONDS: Final = 2.0
_CHUNK: Final = 64 * 1024
_DECODED_AT_ONCE: Final = 128 * 1024
"""Bytes of a long response that a thread decodes before another one is scheduled: some milliseconds."""
_DECODED_SIDE_BY_SIDE: Final = 2
_MAX_ERROR: Final = 256 * 1024
"""Bytes of an error response; Graph's have less than one thousand."""
_REMEMBERED_TEXTS: Final = 1024
"""Encoded ids and queries that are kept: an id is in several calls of a message, the fields requested are in all."""
_CORRUPT_ATTEMPTS: Final = 3
_PREFERENCE: Final = 'IdType="ImmutableId"'
_REPEATABLE: Final = frozenset({"GET", "HEAD", "PATCH", "DELETE", "PUT"})
_ABSOLUTE: Final = re.compile(r"https?://", re.IGNORECASE)
# A raw space or line break in a link would end the request line; Graph's links have none.
_LONG_ID: Final = re.compile(r"([^/]{12})[^/]{36,}([^/]{12})")
_PLAIN_LINK: Final = re.compile(r"[!-~]+")


class Tokens(Protocol):
    """The source of tokens: `token.TokenSource`."""

    async def token(self, application: Application) -> str:
        """Return a token of the application."""
        ...

    async def fresh(self, application: Application, rejected: str) -> str:
        """Return another one, because Graph answered 401 to `rejected`."""
        ...

    async def newer(self, application: Application, refused: str) -> str | None:
        """Return another one, because Graph answered 403 to `refused`; None: that one is as good as new."""
        ...


@lru_cache(maxsize=_REMEMBERED_TEXTS)
def encode_segment(identifier: str) -> str:
    """Encode the id as one segment of a path, all but letters, digits and `-._~` (docs/graph.md, section 7)."""
    return quote(identifier, safe="")


@lru_cache(maxsize=_REMEMBERED_TEXTS)
def _query(params: tuple[tuple[str, str], ...]) -> str:
    return "?" + urlencode(params, quote_via=quote, safe="$,()':/") if params else ""


def open_session(
    graph_url: str,
    *,
    ca_bundle: Path | None = None,
    connections: int = 100,
    connect_seconds: float = 10.0,
    read_seconds: float = 40.0,
) -> aiohttp.ClientSession:
    """Open the HTTP session for Graph; the caller closes it. Needs a running event loop.

    TLS 1.2 at least; the system's roots and those of `ca_bundle`; HTTPS_PROXY and NO_PROXY as set now.

    Args:
        graph_url: the one service the session is for.
        ca_bundle: PEM file of extra roots.
        connections: maximum open at once, over all mailboxes.
        connect_seconds: for one connection, TLS included.
        read_seconds: without a byte from Graph, which times out by itself after some 30 (docs/graph.md, section 7).

    Raises:
        ValueError: `ca_bundle` cannot be read.
    """
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds, sock_read=read_seconds)
    return session_for(graph_url, tls_context(ca_bundle), timeout, connections=connections)


class _Deadline:
    """The deadline of a call over all its attempts."""

    __slots__ = ("_at", "_monotonic", "_scope", "seconds")

    def __init__(self, monotonic: Callable[[], float], seconds: float) -> None:
        self.seconds = seconds
        self._monotonic = monotonic
        self._at = monotonic() + seconds
        self._scope: asyncio.Timeout

    def scope(self) -> asyncio.Timeout:
        """The context in which asyncio's clock ends operations that hang. Entered once, right away."""
        self._scope = asyncio.timeout(self.left())
        return self._scope

    def left(self) -> float:
        """Seconds until then."""
        return self._at - self._monotonic()

    def passes_within(self, seconds: float) -> bool:
        return self._monotonic() + seconds >= self._at

    async def outside(self, wait: BeforeAttempt) -> None:
        """Wait for something not caused by Graph: the deadline is extended by the duration."""
        left = self.left()
        self._scope.reschedule(None)
        await wait()
        self._resume(left)

    def _resume(self, left: float) -> None:
        self._at = self._monotonic() + left
        self._scope.reschedule(asyncio.get_running_loop().time() + left)


@dataclass(slots=True)  # not frozen: that takes three times as long to make, for each call
class _Call:
    """One call of Graph, over all its attempts."""

    mailbox: Mailbox
    method: str
    url: URL
    kind: str
    headers: dict[str, str]
    body: bytes | None = field(repr=False)
    counted: bool
    before_attempt: "BeforeAttempt | None"
    deadline: "_Deadline"
    files: ExitStack | None
    """Closes the files of long texts; None: the response is decoded in memory."""
    never: Collection[str]
    """Media types that a streamed body cannot have."""
    troubles: list[GraphError] = field(default_factory=list)
    """The failure of the last attempt, when another will follow."""

    @property
    def operation(self) -> str:
        """The operation for error texts: without the query, which may hold the token of a delta link; ids cut short."""
        path = _LONG_ID.sub(r"\1…\2", self.url.raw_path)
        return f"{self.method} {path[:300]}"


_Attempt = Callable[[_Call, str], Awaitable[_T]]
"""One attempt at a call, with this token."""


class GraphClient:
    """Calls of Graph for any number of mailboxes.

    Args:
        session: from `open_session`; not closed here.
        tokens: from `token.TokenSource`.
        base_url: the setting graph_url, without a version: `https://graph.microsoft.com`.
        slots: limit an application's concurrent calls for a mailbox; default: this process counts its own.
        deadline_seconds: for a call with all its waits, if the call gives no other.
        observer: called after every attempt, for metrics.
        availability: learns of answers, and of failures to get one.
        on_delay: see `OnDelay`; for a command that a person waits for.
        monotonic, sleep, random, now: time and randomness.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        tokens: Tokens,
        *,
        base_url: str,
        slots: CallSlots | None = None,
        deadline_seconds: float = 60.0,
        observer: Observer | None = None,
        availability: Availability | None = None,
        on_delay: OnDelay | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = random_module.random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._session = session
        self._tokens = tokens
        self._origin = URL(base_url).origin()
        self._base = f"{base_url.rstrip('/')}/v1.0/"
        self._slots = slots if slots is not None else LocalSlots()
        self._deadline_seconds = deadline_seconds
        self._observer = observer
        self._availability = availability
        self._on_delay = on_delay
        self._monotonic = monotonic
        self._sleep = sleep
        self._random = random
        self._now = now
        self._decoding = DaemonThreads("graph-json", limit=_DECODED_SIDE_BY_SIDE)
        self._backoff = tenacity.wait_exponential(multiplier=0.5, max=20)
        self._user_agent = f"mail-importer/{_own_version()}"
        self._request_ids = _request_ids()

    async def request(
        self,
        mailbox: Mailbox,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        json: object = None,
        prefer: str | None = None,
        deadline_seconds: float | None = None,
        counted: bool = True,
        before_attempt: BeforeAttempt | None = None,
        files: ExitStack | None = None,
    ) -> Any:  # noqa: ANN401 (JSON has no narrower type)
        """Make one call, retried while that may help; return the decoded JSON, or None if the response has no body.

        GET, PATCH and DELETE are retried after every transient fault. POST only when Graph surely did nothing: 429,
        503, no connection; otherwise the error's `outcome_unknown` is true, and the caller checks before a retry.

        Args:
            mailbox: determines token and slot.
            method: upper case.
            url: below `/v1.0`, ids encoded with `encode_segment` (`/users/…/messages/…`); or a nextLink or deltaLink,
                which is used unchanged, provided it leads to the service of `base_url`.
            params: added to the path, values unencoded; not for links.
            json: the body.
            prefer: appended to the client's own `Prefer`.
            deadline_seconds: for everything, waits for a slot and for Retry-After included.
            counted: false for calls that do not touch the mailbox and take none of its slots.
            before_attempt: awaited before each HTTP request, retries included, since those count at Graph as well
                (docs/graph.md, section 8). No slot is held meanwhile, and the deadline does not run.
            files: for responses that may be as long as a mail: strings of more than `longtext.LONG` bytes are LongText
                then, whose files it closes. None: the response is decoded in memory, and has 16 MB at most.

        Raises:
            GraphUnavailable: not within the deadline; at once when Retry-After exceeds it.
            AccountError: CertificateError, SignInRefused, AccessDenied, MailboxNotFound.
            ItemError: ItemGone, ItemCorrupt, RequestRejected.
            SyncStateLost: a delta link is no longer valid.
        """
        call = self._call(
            mailbox,
            method,
            url,
            params=params,
            json=json,
            prefer=prefer,
            deadline_seconds=deadline_seconds,
            kind=method.lower(),
            counted=counted,
            before_attempt=before_attempt,
            files=files,
        )
        return await self._within_deadline(call, self._answer)

    def stream(
        self,
        mailbox: Mailbox,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        deadline_seconds: float | None = None,
        never: Collection[str] = (),
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """GET a body in chunks of at most 64 KiB.

        `never`: media types, in lower case, that the body cannot have; such a body is a page of a proxy, and raises
        GraphUnavailable.

        Retried as `request` until the body begins; a fault after that raises GraphUnavailable from the iterator, and
        the whole must be requested again. The deadline is for the beginning; after it the session's read time-out
        applies. The mailbox's slot is held until the context ends.

        Raises:
            GraphError: as `request`.
        """
        call = self._call(
            mailbox, "GET", url, params=params, deadline_seconds=deadline_seconds, kind="stream", never=never
        )
        return self._streaming(call)

    # --- The call and its attempts ---

    def _call(
        self,
        mailbox: Mailbox,
        method: str,
        url: str,
        *,
        kind: str,
        params: Mapping[str, str] | None = None,
        json: object = None,
        prefer: str | None = None,
        deadline_seconds: float | None = None,
        counted: bool = True,
        before_attempt: BeforeAttempt | None = None,
        files: ExitStack | None = None,
        never: Collection[str] = (),
    ) -> _Call:
        headers = {
            "Prefer": _PREFERENCE if prefer is None else f"{_PREFERENCE}, {prefer}",
            "User-Agent": self._user_agent,
        }
        body = None
        if json is not None:
            body = json_codec.dumps(json).encode()
            headers["Content-Type"] = "application/json"
        seconds = self._deadline_seconds if deadline_seconds is None else deadline_seconds
        target = self._target(mailbox, url, params)
        deadline = _Deadline(self._monotonic, seconds)
        return _Call(mailbox, method, target, kind, headers, body, counted, before_attempt, deadline, files, never)

    def _target(self, mailbox: Mailbox, url: str, params: Mapping[str, str] | None) -> URL:
        if not _PLAIN_LINK.fullmatch(url):
            raise RequestRejected(
                Phrase(
                    "A link of Graph for {mailbox} has characters no address has; it is not followed.",
                    mailbox=mailbox,
                )
            )
        if not _ABSOLUTE.match(url):
            return URL(f"{self._base}{url.lstrip('/')}{_query(tuple((params or {}).items()))}", encoded=True)
        target = _parsed(url)
        if target is None or _service_of(target) != _service_of(self._origin) or target.user is not None:
            # A forged link in a response must not get the token.
            raise RequestRejected(
                Phrase(
                    "A link of Graph for {mailbox} leads to another service than {origin}; it is not followed. Check "
                    "the setting graph_url, and whether something between changes answers.",
                    mailbox=mailbox,
                    origin=self._origin,
                )
            )
        return target

    async def _within_deadline(self, call: _Call, attempt: _Attempt[_T]) -> _T:
        try:
            async with call.deadline.scope():
                try:
                    return await self._authorised(call, attempt)
                except (GraphUnavailable, ItemCorrupt) as error:
                    return await self._again(call, attempt, error)
        except asyncio.CancelledError as reason:
            # A caller with a time limit around the call gets the reason for the delay, see errors.trouble_before.
            if call.troubles and reason.__cause__ is None:
                reason.__cause__ = call.troubles[-1]
            raise
        except TimeoutError as reason:
            raise GraphUnavailable(
                Phrase(
                    "{operation} for {mailbox} was not answered within {seconds:.0f} seconds.",
                    operation=call.operation,
                    mailbox=call.mailbox,
                    seconds=call.deadline.seconds,
                ),
                unanswered=True,
                outcome_unknown=call.method not in _REPEATABLE,
            ) from reason

    async def _again(self, call: _Call, attempt: _Attempt[_T], first: GraphError) -> _T:
        """Make the attempts after the first; separate, since nearly every call needs only one."""
        pending: list[GraphError] = [first]

        async def one() -> _T:
            if pending:
                raise pending.pop()
            return await self._authorised(call, attempt)

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(lambda error: _may_repeat(call, error)),
            wait=self._wait,
            stop=lambda state: self._is_last(call, state),
            before_sleep=lambda state: self._before_retry(call, state),
            sleep=self._sleep,
            reraise=True,
        )
        return await retrying(one)

    def _before_retry(self, call: _Call, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, GraphError):
            call.troubles[:] = [error]
            self._report_delay(call, error)
        _log_retry(call, state, error)

    def _report_delay(self, call: _Call, error: GraphError | None) -> None:
        if self._on_delay is not None:
            self._on_delay(error, self._now() + timedelta(seconds=call.deadline.left()))

    async def _reported(self, call: _Call, work: Awaitable[_T]) -> _T:
        """Await a part of an attempt, and report it if there is no answer in the usual time."""
        timer = asyncio.get_running_loop().call_later(_UNANSWERED_SECONDS, self._report_delay, call, None)
        try:
            return await work
        finally:
            timer.cancel()

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked: float = getattr(error, "retry_after", None) or 0.0
        own = float(self._backoff(state)) * self._random()
        # A little longer than asked, so that all mailboxes throttled at once do not retry at once; and never less than
        # without a request: Graph has sent fractions of a second, and a date that has passed is none at all.
        return max(asked + self._random() * min(1.0, asked / 10), own)

    def _is_last(self, call: _Call, state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, ItemCorrupt) and state.attempt_number >= _CORRUPT_ATTEMPTS:
            return True
        return call.deadline.passes_within(state.upcoming_sleep)

    async def _authorised(self, call: _Call, attempt: _Attempt[_T]) -> _T:
        """Make one attempt; after a 401 a second one with a fresh token, and after a 403 with one that may hold more.

        docs/graph.md, section 9.
        """
        application = call.mailbox.application
        try:
            signing_in = self._tokens.token(application)
            token = await (signing_in if self._on_delay is None else self._reported(call, signing_in))
        except GraphUnavailable as error:
            self._note_failure(error.service or Service.SIGN_IN, call.mailbox, error)
            raise
        try:
            found = await attempt(call, token)
        except AccessDenied as denied:
            other: str | None
            if denied.status == HTTPStatus.UNAUTHORIZED:
                other = await self._tokens.fresh(application, token)
            else:
                other = await self._tokens.newer(application, token)
            if other is None:
                raise
            found = await attempt(call, other)
        except GraphUnavailable as error:
            self._note_failure(Service.GRAPH, call.mailbox, error)
            raise
        if self._availability is not None:
            self._availability.answered(Service.GRAPH)
        return found

    def _note_failure(self, service: Service, mailbox: Mailbox, error: GraphUnavailable) -> None:
        """Record that the service did not answer; a request to wait, or trouble of one mailbox, is an answer."""
        if self._availability is None:
            return
        if error.status == HTTPStatus.TOO_MANY_REQUESTS or error.mailbox_down:
            self._availability.answered(service)
        else:
            self._availability.failed(service, error.why or _status_of(error), account_id=mailbox.account_id)

    async def reach(self) -> None:
        """Ensure that Graph answers, by one request without a token: with any status but that of a fault of a server.

        Raises:
            GraphUnavailable: it did not; the caller decides about a retry.
        """
        try:
            async with self._session.head(self._origin, allow_redirects=False) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as reason:
            error, _ = _reason(reason)
            raise self._unreachable(error) from _safe_cause(reason)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:  # also of a gateway between, which calls count as failures, too
            raise self._unreachable(Phrase("it answers with HTTP status {status}", status=status))
        if self._availability is not None:
            self._availability.answered(Service.GRAPH)

    def _unreachable(self, why: Phrase) -> GraphUnavailable:
        """The error, recorded."""
        if self._availability is not None:
            self._availability.failed(Service.GRAPH, why)
        return GraphUnavailable(
            Phrase("Microsoft Graph at {origin} does not answer: {why}.", origin=self._origin, why=why), why=why
        )

    # --- One attempt ---

    async def _answer(self, call: _Call, token: str) -> Any:  # noqa: ANN401  # JSON of any shape
        files, counted_as = call.files, call.mailbox.counted_as
        if call.before_attempt is not None:
            await call.deadline.outside(call.before_attempt)
        if call.counted:
            await self._slots.acquire(counted_as)
        began, status = self._monotonic(), 0
        try:
            response = await self._send(call, token)
            try:
                if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                    body, more = await _beginning(response, _MAX_ERROR)
                elif files is None:
                    body, more = await _beginning(response, MAX_BESIDE)
                    if more:
                        raise _no_json(call, response, len(body))
                else:
                    body, more = await _beginning(response, LONG)
                    if more:
                        return await self._decoded_while_it_comes(call, response, body, files)
            finally:
                response.release()
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as reason:
            raise _unreachable(call, reason) from _safe_cause(reason)
        finally:
            if call.counted:
                self._slots.release(counted_as)
            self._observe(call, status, began)
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            raise self._error(call, response, body)
        return _decoded(call, response, body)

    async def _decoded_while_it_comes(
        self, call: _Call, response: aiohttp.ClientResponse, begun: bytes, files: ExitStack
    ) -> object:
        """The response, whose beginning is `begun`, with its long strings in files. Decoded on a thread."""
        pending, count = bytearray(begun), len(begun)
        try:
            with ExitStack() as own:
                answer = LongAnswer(own)
                async for chunk in response.content.iter_chunked(_CHUNK):
                    pending += chunk
                    count += len(chunk)
                    if len(pending) >= _DECODED_AT_ONCE:
                        await self._on_thread(answer.feed, bytes(pending))
                        pending.clear()
                await self._on_thread(answer.feed, bytes(pending))
                found = await self._on_thread(answer.finish)
                files.push(own.pop_all())
        except (ValueError, RecursionError) as reason:
            raise _no_json(call, response, count) from _without_body(reason)
        return found

    async def _on_thread(self, work: Callable[..., _T], *given: bytes) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._decoding, work, *given)
        except OSError as reason:
            raise temporary_file_fault(reason) from reason

    async def _opened(self, call: _Call, token: str) -> aiohttp.ClientResponse:
        """The response with its body unread; its slot stays acquired."""
        await self._slots.acquire(call.mailbox.counted_as)
        began, status = self._monotonic(), 0
        response: aiohttp.ClientResponse | None = None
        try:
            response = await self._send(call, token)
            status = response.status
            if status >= HTTPStatus.MULTIPLE_CHOICES:
                body, _ = await _beginning(response, _MAX_ERROR)
                raise self._error(call, response, body)  # noqa: TRY301 (the slot is released below)
            if response.content_type.lower() in call.never:
                raise _other_content(call, response)  # noqa: TRY301  # ends as any other response does
        except BaseException as reason:
            if response is not None:
                response.close()
            self._slots.release(call.mailbox.counted_as)
            if isinstance(reason, (aiohttp.ClientError, TimeoutError, OSError)):
                raise _unreachable(call, reason) from _safe_cause(reason)
            raise
        finally:
            self._observe(call, status, began)
        return response

    @asynccontextmanager
    async def _streaming(self, call: _Call) -> AsyncGenerator[AsyncIterator[bytes]]:
        response = await self._within_deadline(call, self._opened)
        try:
            yield _chunks(call, response)
        finally:
            # Closes the connection if the body was not read to its end, else keeps it.
            response.release()
            self._slots.release(call.mailbox.counted_as)

    async def _send(self, call: _Call, token: str) -> aiohttp.ClientResponse:
        headers = {**call.headers, "Authorization": f"Bearer {token}", "client-request-id": next(self._request_ids)}
        # A redirect is never followed: Graph sends none, and the token must not go anywhere else.
        request = self._session.request(call.method, call.url, headers=headers, data=call.body, allow_redirects=False)
        return await (request if self._on_delay is None else self._reported(call, request))

    def _observe(self, call: _Call, status: int, began: float) -> None:
        if self._observer is not None:
            self._observer(call.kind, status, self._monotonic() - began)

    def _error(self, call: _Call, response: aiohttp.ClientResponse, body: bytes) -> GraphError:
        return error_from_response(
            response.status, body, response.headers, operation=call.operation, mailbox=call.mailbox, now=self._now()
        )


def _parsed(link: str) -> URL | None:
    try:
        url = URL(link, encoded=True)
        url.origin()
    except ValueError:
        return None
    return url


def _service_of(url: URL) -> tuple[str, str, int | None]:
    """Scheme, host and port, the same in any letter case, and with or without the usual port."""
    return url.scheme.lower(), (url.host or "").lower(), url.port


def _request_ids() -> Iterator[str]:
    """Ids by which Microsoft finds a request, in the form of a UUID: no secret, so that all but the end is random once.

    A random one for each would take as long as to build the request.
    """
    begin = str(uuid4())[:-12]
    return (f"{begin}{number:012x}" for number in itertools.count())


def _own_version() -> str:
    try:
        return version("mail-importer")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0"


def _may_repeat(call: _Call, error: BaseException) -> bool:
    if isinstance(error, GraphUnavailable):
        return call.method in _REPEATABLE or not error.outcome_unknown
    return isinstance(error, ItemCorrupt)


def _log_retry(call: _Call, state: tenacity.RetryCallState, error: BaseException | None) -> None:
    log.info(
        "graph_call_delayed",
        account=call.mailbox.account_name,
        kind=call.kind,
        attempt=state.attempt_number,
        seconds=round(state.upcoming_sleep, 3),
        status=getattr(error, "status", None),
        code=getattr(error, "code", None),
        request_id=getattr(error, "request_id", None),
    )


async def _beginning(response: aiohttp.ClientResponse, limit: int) -> tuple[bytes, bool]:
    """The body up to a little more than `limit` bytes; and True if there may be more of it."""
    pieces: list[bytes] = []
    size = 0
    content = response.content
    while piece := await content.readany():
        pieces.append(piece)
        size += len(piece)
        if size > limit or content.at_eof():
            break
    return b"".join(pieces), size > limit


async def _chunks(call: _Call, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    try:
        async for chunk in response.content.iter_chunked(_CHUNK):
            yield chunk
    except (aiohttp.ClientError, TimeoutError, OSError) as reason:
        raise _unreachable(call, reason) from _safe_cause(reason)


def _decoded(call: _Call, response: aiohttp.ClientResponse, body: bytes) -> Any:  # noqa: ANN401  # JSON of any shape
    """The JSON of a 2xx response.

    Lone surrogates are allowed, mail holds them; a body that is not JSON was truncated or is from a proxy, and is
    transient.
    """
    if response.status == HTTPStatus.NO_CONTENT or (not body and call.method != "GET"):
        return None
    try:
        return json_codec.loads(body)
    except (ValueError, RecursionError) as reason:
        raise _no_json(call, response, len(body)) from _without_body(reason)


def _no_json(call: _Call, response: aiohttp.ClientResponse, count: int) -> GraphUnavailable:
    return GraphUnavailable(
        Phrase(
            "{operation} for {mailbox} was answered {status}, but not with whole JSON ({kind}, {count} bytes). If "
            "this lasts, check for a proxy that changes responses.",
            operation=call.operation,
            mailbox=call.mailbox,
            status=response.status,
            kind=sanitize(response.headers.get("Content-Type"), 60) or "no content type",
            count=count,
        ),
        status=response.status,
        outcome_unknown=call.method not in _REPEATABLE,
        request_id=sanitize(response.headers.get("request-id"), 100) or None,
    )


def _other_content(call: _Call, response: aiohttp.ClientResponse) -> GraphUnavailable:
    """The error for a 200 whose body has a media type that Graph does not send there."""
    return GraphUnavailable(
        Phrase(
            "{operation} for {mailbox} was answered {status}, but with {kind} in place of the content. If this lasts, "
            "check for a proxy that changes responses.",
            operation=call.operation,
            mailbox=call.mailbox,
            status=response.status,
            kind=sanitize(response.content_type, 60),
        ),
        status=response.status,
        code=NOT_THE_CONTENT,
        detail=f"{response.content_type} in its place",
        request_id=sanitize(response.headers.get("request-id"), 100) or None,
    )


def _without_body(reason: Exception) -> Exception:
    # json's own exception contains the whole document, which is mail.
    return ValueError(f"{type(reason).__name__}: {getattr(reason, 'msg', 'not JSON')}")


def _safe_cause(reason: BaseException) -> BaseException | None:
    # aiohttp's errors about a proxy contain its URL, and with it perhaps a password.
    return None if isinstance(reason, (aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError)) else reason


def _unreachable(call: _Call, reason: BaseException) -> GraphUnavailable:
    """The error for a connection fault; its time decides whether Graph may have received the request."""
    why, begun = _reason(reason)
    what = why
    if isinstance(reason, (aiohttp.ClientConnectorDNSError, aiohttp.ClientConnectorError)):
        what = Phrase("{why}; check network, DNS and HTTPS_PROXY", why=why)
    return GraphUnavailable(
        Phrase("{operation} for {mailbox} failed: {what}.", operation=call.operation, mailbox=call.mailbox, what=what),
        unanswered=begun,
        outcome_unknown=begun and call.method not in _REPEATABLE,
        why=why,
    )


def _reason(reason: BaseException) -> tuple[Phrase, bool]:
    """The cause of a connection fault, and True if Graph may have received the request."""
    fault = host_fault_of(reason)
    if fault is not None:
        return fault.what, False
    if isinstance(reason, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError)):
        return Phrase(
            "its TLS certificate is not trusted, or TLS failed; if a proxy inspects TLS, set ca_bundle to its root"
        ), False
    if isinstance(reason, (aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError)):
        return Phrase("the proxy did not connect; check HTTPS_PROXY and NO_PROXY"), False
    if isinstance(reason, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        return Phrase("no connection ({why})", why=connection_error_of(reason)), False
    if isinstance(reason, TimeoutError):
        return Phrase("the answer took too long"), True
    return Phrase("the connection broke ({name})", name=type(reason).__name__), True


def _status_of(error: GraphUnavailable) -> Phrase:
    if error.status is None:
        return Phrase("it does not answer")
    if error.code is None:
        return Phrase("it answers with HTTP status {status}", status=error.status)
    return Phrase("it answers with HTTP status {status} ({code})", status=error.status, code=error.code)
