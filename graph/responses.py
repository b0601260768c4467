"""Mapping of Graph's HTTP responses to typed errors, without trust in the response's shape.

Facts: docs/graph.md, sections 1, 6, 8 and 9.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

from graph.errors import (
    AccessDenied,
    Facts,
    GraphError,
    GraphUnavailable,
    ItemCorrupt,
    ItemGone,
    ItemUnconvertible,
    MailboxNotFound,
    RequestRejected,
    SyncStateLost,
)
from graph.mailbox import Mailbox
from phrases import Phrase

# 423: the mailbox is locked, as while it is moved. 425 and 449 request a retry.
_TRANSIENT_STATUS: Final = frozenset({408, 421, 423, 425, 429, 449, 500, 502, 503, 504, 509})
# Exchange's codes are those of https://learn.microsoft.com/exchange/client-developer/web-service-reference/responsecode,
# which Graph passes on with any status.
_MAILBOX_DOWN_CODES: Final = frozenset(
    {
        "activitylimitreached",
        "applicationthrottled",
        "erroradoperation",
        "erroradunavailable",
        "errorconnectionfailed",
        "errorexceededconnectioncount",
        "errorinsufficientresources",
        "errorinternalservertransienterror",
        "errormailboxfailover",
        "errormailboxmoveinprogress",
        "errormailboxstoreunavailable",
        "errornorespondingcasindestinationsite",
        "errorproxyrequestprocessingfailed",
        "errorserverbusy",
        "errorservicediscoveryfailed",
        "errortoomanyobjectsopened",
        "mailboxstoreunavailable",
        "serviceunavailable",
        "toomanyrequests",
    }
)
_TRANSIENT_CODES: Final = _MAILBOX_DOWN_CODES | {
    "errorbatchprocessingstopped",
    "errorclientdisconnected",
    "errorinternalservererror",
    "errorirresolvableconflict",
    "errornotenoughmemory",
    "errortimeoutexpired",
}
# Exchange's permanent codes for one item: signed and encrypted mail and reports about it have no MIME, for one.
_UNCONVERTIBLE_CODES: Final = frozenset(
    {
        "errorattachmentnestlevellimitexceeded",
        "errorcontentconversionfailed",
        "erroritemcorrupt",
        "errormessagesizeexceeded",
        "errormimecontentconversionfailed",
        "errormimecontentinvalid",
        "errormimecontentinvalidbase64string",
        "errorunsupportedmimeconversion",
        "errorunsupportedtypeforconversion",
        "errorvirusdetected",
        "errorvirusmessagedeleted",
    }
)
_TRANSIENT_TEXTS: Final = ("a task was canceled", "request has been quarantined", "mailbox info is stale")
_RESYNC_CODES: Final = frozenset({"syncstatenotfound", "resyncrequired"})
_MAILBOX_CODES: Final = frozenset(
    {
        "request_resourcenotfound",
        "errorinvaliduser",
        "mailboxnotenabledforrestapi",
        "mailboxnothostedinexchangeonline",
        "errornonexistentmailbox",
    }
)
_MAILBOX_TEXTS: Final = ("rest api is not yet supported for this mailbox", "default folder inbox not found")
_PHRASES: Final = {status.phrase.replace(" ", "").replace("-", "").lower(): status.value for status in HTTPStatus}
_INNER_STATUS: Final = re.compile(r"\[Status Code: (\w+)", re.IGNORECASE)
# A JSON Web Token, a bearer header, and this product's clientState: none may reach a log through Microsoft's text.
_SECRETS: Final = re.compile(r"eyJ[\w-]+(?:\.[\w-]*)*|Bearer\s+\S+|\bmi1[.\-~_][\w.\-~]{20,}", re.IGNORECASE)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_DETAIL_LENGTH: Final = 500
_MAX_READ_SECONDS: Final = 1e9
# Not all that float() accepts: it accepts "nan", underscores and the digits of any script.
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class _Answer:
    """The contents of a Graph error response, read without trust in its shape."""

    status: int
    code: str | None
    codes: frozenset[str]
    detail: str
    request_id: str | None
    retry_after: float | None
    location: str | None

    def says(self, *texts: str) -> bool:
        """True if the text contains one of `texts`, which are lower case."""
        lowered = self.detail.lower()
        return any(text in lowered for text in texts)


def error_from_response(
    status: int,
    body: object,
    headers: Mapping[str, str],
    *,
    operation: str,
    mailbox: Mailbox | None = None,
    now: datetime | None = None,
) -> GraphError:
    """Return the typed error for a Graph response with a status of 300 or more.

    Args:
        status: the HTTP status.
        body: the body as bytes, text or decoded JSON; any output of a proxy in between is accepted.
        headers: of the response; `Retry-After` and `request-id` are read, letter case does not matter.
        doing: the failed operation, for the text: `GET /users/…/messages/…`.
        mailbox: of the call, for the text.
        now: aware time, against which a `Retry-After` in form of a date counts when the response has no `Date`.

    The true status of an `ExtensionError` is only in its text (docs/graph.md, section 1). A 404 becomes `ItemGone`
    unless the code means that the mailbox itself is missing; only a probe can decide reliably (`messages.MailReader`).
    """
    answer = _read_answer(status, body, headers, now)
    text = _describe(answer, operation, mailbox)
    facts: Facts = {
        "status": status,
        "code": answer.code,
        "request_id": answer.request_id,
        "detail": answer.detail,
    }
    if "errorcorruptdata" in answer.codes:
        return ItemCorrupt(
            Phrase("{text} Exchange cannot read this item; open it in Outlook to see whether it is whole.", text=text),
            **facts,
        )
    if answer.codes & _UNCONVERTIBLE_CODES:
        return ItemUnconvertible(
            Phrase("{text} Exchange cannot convert this item; another attempt gives the same result.", text=text),
            **facts,
        )
    if answer.status == HTTPStatus.GONE or answer.codes & _RESYNC_CODES:
        return SyncStateLost(
            Phrase("{text} A new delta round is needed.", text=text), location=answer.location, **facts
        )
    if _is_transient(answer):
        # 429 and 503 mean that nothing was begun, and so does a refusal by Exchange; the others leave it open.
        outcome_unknown = status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.SERVICE_UNAVAILABLE
        return GraphUnavailable(
            Phrase("{text} This passes by itself.", text=text),
            retry_after=answer.retry_after,
            mailbox_down=bool(answer.codes & _MAILBOX_DOWN_CODES),
            outcome_unknown=outcome_unknown,
            **facts,
        )
    if answer.codes & _MAILBOX_CODES or answer.says(*_MAILBOX_TEXTS):
        return MailboxNotFound(text, advice=MAILBOX_ADVICE, **facts)
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return AccessDenied(text, advice=_access_advice(answer), **facts)
    if answer.status == HTTPStatus.NOT_FOUND:
        return ItemGone(text, **facts)
    return RequestRejected(text, **facts)


MAILBOX_ADVICE: Final = Phrase(
    "Check the user id of the account (best the Entra object id), that the user has an Exchange Online licence, and "
    "that the mailbox is neither on-premises nor deleted."
)


def _is_transient(answer: _Answer) -> bool:
    if answer.status in _TRANSIENT_STATUS or answer.codes & _TRANSIENT_CODES or answer.says(*_TRANSIENT_TEXTS):
        return True
    # Graph never redirects an API call; the sign-in page of a proxy does, and the message is not at fault.
    return answer.status < HTTPStatus.BAD_REQUEST or answer.status > HTTPStatus.INTERNAL_SERVER_ERROR


def _access_advice(answer: _Answer) -> Phrase:
    if answer.says("quota", "limit"):
        return Phrase(
            "A quota of Microsoft is used up (1,000 subscriptions per mailbox over all applications). Find the other "
            "programs that subscribe to this mailbox and stop those no longer needed; a subscription that is not "
            "renewed ends within a week."
        )
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return Phrase(
            "Graph refused a fresh token: check that graph_url and authority_url belong to the same cloud, and that "
            "the application has the permission Mail.Read (type Application) with admin consent."
        )
    return Phrase(
        "Grant the application the permission Mail.Read (type Application; Mail.ReadWrite besides, if mail is moved, "
        "deleted or marked) with admin consent, and check that no application access policy or RBAC scope excludes "
        "the mailbox. A change takes 30 minutes to 2 hours to act."
    )


def _describe(answer: _Answer, operation: str, mailbox: Mailbox | None) -> Phrase:
    code = f" {answer.code}" if answer.code else ""
    detail = f": {answer.detail.rstrip('.')}" if answer.detail else ""
    trace = f" (request-id {answer.request_id})" if answer.request_id else ""
    answered = f"{answer.status}{code}{detail}{trace}"
    if mailbox is None:
        return Phrase("{operation} was answered {answer}.", operation=operation, answer=answered)
    return Phrase(
        "{operation} for {mailbox} was answered {answer}.", operation=operation, mailbox=mailbox, answer=answered
    )


def _read_answer(status: int, body: object, headers: Mapping[str, str], now: datetime | None) -> _Answer:
    lowered = {name.lower(): value for name, value in headers.items()}
    error = _error_object(body)
    codes: list[str] = []
    inner = error
    # innerError nests; Microsoft never sent five levels.
    for _ in range(5):
        if isinstance(inner.get("code"), str):
            codes.append(inner["code"])
        inner = _inner_error(inner)
    detail = sanitize(error.get("message"))
    true_status = status
    if codes and codes[0].lower() == "extensionerror" and (found := _INNER_STATUS.search(detail)):
        true_status = _PHRASES.get(found[1].lower(), int(found[1]) if found[1].isdigit() else status)
    request_id = lowered.get("request-id")
    if request_id is None:
        request_id = _inner_error(error).get("request-id")
    return _Answer(
        status=true_status,
        code=(sanitize(codes[0], 100) or None) if codes else None,
        codes=frozenset(code.lower() for code in codes),
        detail=detail,
        request_id=sanitize(request_id, 100) or None,
        retry_after=retry_after_seconds(lowered, now),
        location=lowered.get("location"),
    )


def _inner_error(error: Mapping[str, Any]) -> Mapping[str, Any]:
    """The value of innerError, which Microsoft spells in several ways; empty when there is none."""
    found = (value for name, value in error.items() if name.lower() == "innererror")
    return next((value for value in found if isinstance(value, Mapping)), {})


def _error_object(body: object) -> Mapping[str, Any]:
    if isinstance(body, bytes):
        body = body.decode("utf-8-sig", "replace")
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            return {}
    if isinstance(body, Mapping) and isinstance(body.get("error"), Mapping):
        return dict(body["error"])
    return {}


def sanitize(text: object, length: int = _DETAIL_LENGTH) -> str:
    """Make foreign text fit for a log: one printable line of at most `length` characters, without tokens."""
    if not isinstance(text, str):
        return ""
    # Cut generously before the search, exactly after it: a token must not stay undetected across the cut.
    line = _SECRETS.sub("…", _UNPRINTABLE.sub(" ", text[: length * 20]))
    return line.strip() if len(line) <= length else line[: length - 1].strip() + "…"


def retry_after_seconds(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return `Retry-After`, a number or an HTTP date, in seconds; None when absent or unreadable.

    From 0 to a billion: `GraphUnavailable` limits it to the actual wait.

    `headers` has lower-case names. A date counts from the response's own `date`, so that a wrong clock here does no
    harm; `now` (aware) is used when there is none.
    """
    value = headers.get("retry-after", "").strip()
    if _NUMBER.fullmatch(value):
        seconds = float(value)
    else:
        until, since = _http_date(value), _http_date(headers.get("date", "")) or now
        if until is None or since is None:
            return None
        seconds = (until - since).total_seconds()
    return min(max(0.0, seconds), _MAX_READ_SECONDS)


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
