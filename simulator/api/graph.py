"""Admission to Graph: token, permission, limits and faults, before a call reaches the part that answers it."""

from dataclasses import dataclass
from urllib.parse import unquote

from simulator.api.delta_calls import DeltaCalls
from simulator.api.mail_calls import MailCalls, item_not_found
from simulator.api.routes import Route, resolve
from simulator.api.subscription_calls import SubscriptionCalls
from simulator.api.throttling import Throttle
from simulator.api.tokens import AccessTokens, Grant, unauthenticated
from simulator.calls import Answer, Call, GraphError, Operation
from simulator.faults import Fault, FaultKind, Faults, Subject
from simulator.state.mailboxes import Mailbox, Mailboxes, MailboxState

_CHANGING = {
    Operation.CREATE_FOLDER,
    Operation.UPDATE_MESSAGE,
    Operation.MOVE_MESSAGE,
    Operation.DELETE_MESSAGE,
    Operation.PURGE_MESSAGE,
}
_READ_ROLES = {"Mail.Read", "Mail.ReadWrite"}
_REFUSING = frozenset(
    {FaultKind.UNAUTHORIZED, FaultKind.FORBIDDEN, FaultKind.NOT_FOUND_AT_FIRST, FaultKind.CORRUPT, FaultKind.REFUSED},
)


@dataclass(frozen=True, slots=True)
class Admission:
    """A call with the facts known before it is answered; `mailbox` is `None` for calls on subscriptions."""

    call: Call
    route: Route
    grant: Grant
    mailbox: Mailbox | None
    subject: Subject


class Graph:
    """Admits calls, then answers them; between the two the listener injects the faults of the connection."""

    def __init__(
        self,
        *,
        tokens: AccessTokens,
        mailboxes: Mailboxes,
        mail: MailCalls,
        subscriptions: SubscriptionCalls,
        throttle: Throttle,
        faults: Faults,
    ) -> None:
        self.throttle = throttle
        self._tokens = tokens
        self._mailboxes = mailboxes
        self._mail = mail
        self._delta = DeltaCalls(faults)
        self._subscriptions = subscriptions
        self._faults = faults

    def admit(self, call: Call) -> Admission:
        """Check token, path, permission and limits, in Graph's order. `release` must follow.

        Raises:
            GraphError: refused; nothing to release.
        """
        grant = self._tokens.check(call.headers.get("Authorization", ""))
        route = resolve(call.method, call.path)
        client_id = grant.application.client_id
        if not route.user:
            self.throttle.count_subscription_call(grant.application.tenant_id, client_id, route.operation)
            return Admission(call, route, grant, None, Subject(route.operation))
        mailbox = self._reachable(grant, route)
        self.throttle.enter(client_id, mailbox.user_id)
        return Admission(call, route, grant, mailbox, self._subject(call, route, mailbox))

    def release(self, admission: Admission) -> None:
        """End a call: its answer is sent whole, or will never be."""
        if admission.mailbox:
            self.throttle.leave(admission.grant.application.client_id, admission.mailbox.user_id)

    async def answer(self, admission: Admission) -> Answer:
        """Answer an admitted call.

        Raises:
            GraphError: as Graph refuses it.
        """
        if self._faults:
            fault = self._faults.strike_call(admission.subject, _REFUSING)
            if fault:
                raise _refusal(fault)
        if admission.mailbox is None:
            return await self._subscriptions.answer(admission.call, admission.route, admission.grant)
        mailbox, route = admission.mailbox, admission.route
        if route.operation is Operation.DELTA_MESSAGES:
            return self._delta.answer(admission.call, mailbox.folder(route.folder), mailbox, admission.subject)
        return self._mail.answer(admission.call, route, mailbox)

    def _reachable(self, grant: Grant, route: Route) -> Mailbox:
        mailbox = self._mailboxes.find(grant.application.tenant_id, route.user)
        if mailbox is None:
            raise _no_mailbox(MailboxState.INVALID_USER if "@" in route.user else MailboxState.NO_SUCH_USER, route.user)
        if mailbox.state is not MailboxState.READY:
            raise _no_mailbox(mailbox.state, route.user)
        if not _permits(grant.application.may(mailbox.user_id, grant.roles), route.operation):
            raise _directory_denied() if route.operation is Operation.GET_USER else _access_denied()
        return mailbox

    def _subject(self, call: Call, route: Route, mailbox: Mailbox) -> Subject:
        if not self._faults:
            return Subject(route.operation)
        message = mailbox.message(route.message) if route.message else None
        ids = (message.immutable_id, message.default_id) if message else (route.message,)
        attachments: tuple[str, ...] = (route.attachment,) if route.attachment else ()
        if message and route.operation is Operation.LIST_ATTACHMENTS and "$select" not in unquote(call.query):
            attachments = tuple(stored.attachment_id for stored in message.attachments)
        return Subject(route.operation, (mailbox.user_id.lower(), mailbox.address.lower()), ids, attachments)


def _permits(roles: set[str], operation: Operation) -> bool:
    if operation is Operation.GET_USER:
        return any(role.startswith(("User.Read", "Directory.Read")) for role in roles)
    if operation is Operation.GET_USER_PURPOSE:
        return any(role.startswith("MailboxSettings.Read") for role in roles)
    if operation in _CHANGING:
        return "Mail.ReadWrite" in roles
    return not _READ_ROLES.isdisjoint(roles)


def _access_denied() -> GraphError:
    return GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")


def _directory_denied() -> GraphError:
    return GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def _refusal(fault: Fault) -> GraphError:
    match fault.kind:
        case FaultKind.UNAUTHORIZED:
            return unauthenticated("Lifetime validation failed, the token is expired.")
        case FaultKind.FORBIDDEN:
            return _access_denied()
        case FaultKind.CORRUPT:
            return GraphError(500, "ErrorCorruptData", "Data is corrupt.")
        case FaultKind.REFUSED:
            return GraphError(fault.status, fault.error_code, "The request was refused.")
        case _:
            return item_not_found()


def _no_mailbox(state: MailboxState, user: str) -> GraphError:
    match state:
        case MailboxState.NO_SUCH_USER:
            text = f"Resource '{user}' does not exist or one of its queried reference-property objects are not present."
            return GraphError(404, "Request_ResourceNotFound", text)
        case MailboxState.INVALID_USER:
            return GraphError(404, "ErrorInvalidUser", f"The requested user '{user}' is invalid.")
        case MailboxState.NOT_ENABLED:
            text = "The mailbox is either inactive, soft-deleted, or is hosted on-premise."
            return GraphError(404, "MailboxNotEnabledForRESTAPI", text)
        case MailboxState.NOT_HOSTED:
            return GraphError(404, "MailboxNotHostedInExchangeOnline", "The mailbox is not in Exchange Online.")
        case _:
            return GraphError(404, "ErrorItemNotFound", "Default folder Inbox not found.")
