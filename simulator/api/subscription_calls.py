"""Graph's calls on subscriptions (docs/graph.md, section 1)."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from yarl import URL

from simulator.api.handshake import Handshake
from simulator.api.routes import Route
from simulator.api.tokens import Grant
from simulator.calls import GRAPH_JSON_TYPE, Answer, Call, GraphError, Operation, json_answer
from simulator.identifiers import Identifiers
from simulator.state.mailboxes import ChangeKind, Mailbox, Mailboxes, MailboxState
from simulator.state.subscriptions import Subscription, Subscriptions, parse_resource
from simulator.state.tenants import Application

_LOOPBACK_HOSTS = {"127.0.0.1", "localhost", "::1"}
_TLS_VERSIONS = {"v1_0", "v1_1", "v1_2", "v1_3"}


class SubscriptionCalls:
    """Answers `/subscriptions` and the paths below.

    Real Graph accepts only https URLs; here plain http is accepted for loopback hosts, for a receiver without TLS.
    Handshakes happen at creation and when `notificationUrl` is changed, not at renewal; Graph has
    been seen to do both (docs/graph.md, section 2).
    """

    def __init__(
        self,
        *,
        subscriptions: Subscriptions,
        mailboxes: Mailboxes,
        handshake: Handshake,
        identifiers: Identifiers,
        clock: Callable[[], datetime],
    ) -> None:
        self._subscriptions = subscriptions
        self._mailboxes = mailboxes
        self._handshake = handshake
        self._identifiers = identifiers
        self._clock = clock
        self.reauthorized: dict[str, list[datetime]] = {}
        self.renewed: dict[str, list[datetime]] = {}

    async def answer(self, call: Call, route: Route, grant: Grant) -> Answer:
        """Answer one call.

        Raises:
            GraphError: as Graph refuses it.
        """
        application = grant.application
        match route.operation:
            case Operation.CREATE_SUBSCRIPTION:
                return await self._create(call, grant)
            case Operation.LIST_SUBSCRIPTIONS:
                return self._list(call, application)
            case Operation.UPDATE_SUBSCRIPTION:
                return await self._update(call, self._subscriptions.get(application, route.subscription))
        subscription = self._subscriptions.get(application, route.subscription)
        if route.operation is Operation.DELETE_SUBSCRIPTION:
            self._subscriptions.remove(subscription)
            return Answer(204)
        if route.operation is Operation.REAUTHORIZE_SUBSCRIPTION:
            self.reauthorized.setdefault(subscription.subscription_id, []).append(self._clock())
            return Answer(204)
        return _subscription_answer(call, subscription, 200)

    async def _create(self, call: Call, grant: Grant) -> Answer:
        subscription = self._read(call, grant)
        self._subscriptions.check_addable(subscription)
        urls = [subscription.notification_url]
        if subscription.lifecycle_notification_url:
            urls.append(subscription.lifecycle_notification_url)
        await _all_or_first_error([self._handshake.validate(url, Operation.CREATE_SUBSCRIPTION) for url in urls])
        self._subscriptions.add(subscription)
        return _subscription_answer(call, subscription, 201)

    def _read(self, call: Call, grant: Grant) -> Subscription:
        body = call.json_object()
        if body.get("includeResourceData"):
            raise GraphError(400, "InvalidRequest", "The simulator sends no resource data.")
        resource = _text(body, "resource")
        user, folder_name = parse_resource(resource)
        mailbox = self._reachable(grant, user)
        folder = mailbox.folder(folder_name) if folder_name else None
        if folder_name and folder is None:
            raise _not_in_store()
        lifecycle_url = body.get("lifecycleNotificationUrl")
        return Subscription(
            subscription_id=self._identifiers.guid(),
            application=grant.application,
            mailbox=mailbox,
            folder=folder,
            change_types=_change_types(_text(body, "changeType")),
            change_type=_text(body, "changeType"),
            resource=resource,
            notification_url=_checked_url(_text(body, "notificationUrl"), "notificationUrl"),
            lifecycle_notification_url=lifecycle_url and _checked_url(str(lifecycle_url), "lifecycleNotificationUrl"),
            client_state=self._client_state(body.get("clientState")),
            expires=self._subscriptions.expiry(body.get("expirationDateTime")),
            immutable_ids=call.prefers_immutable_ids(),
            latest_supported_tls_version=_tls_version(body.get("latestSupportedTlsVersion")),
        )

    def _reachable(self, grant: Grant, user: str) -> Mailbox:
        application = grant.application
        if not application.scoped and not any(role.startswith("Mail.Read") for role in grant.roles):
            raise _extension_error(401, "Unauthorized", "Caller lacks the permission Mail.Read")
        mailbox = self._mailboxes.find(application.tenant_id, user)
        if mailbox is None or mailbox.state in {MailboxState.NO_SUCH_USER, MailboxState.INVALID_USER}:
            raise _not_in_store()
        if mailbox.state in {MailboxState.NOT_ENABLED, MailboxState.NOT_HOSTED}:
            raise GraphError(404, "ExtensionError", "REST API is not yet supported for this mailbox.")
        if mailbox.state is MailboxState.NO_INBOX:
            raise _not_in_store()
        if not any(role.startswith("Mail.Read") for role in application.may(mailbox.user_id, grant.roles)):
            raise _extension_error(403, "Forbidden", "Access to OData is disabled")
        return mailbox

    def _client_state(self, value: object) -> str | None:
        longest = self._subscriptions.rules.longest_client_state
        if value is not None and (not isinstance(value, str) or len(value) > longest):
            text = f"Invalid 'clientState' attribute: at most {longest} characters."
            raise GraphError(400, "InvalidRequest", text)
        return value

    def _list(self, call: Call, application: Application) -> Answer:
        options = {name: values[0] for name, values in parse_qs(call.query, keep_blank_values=True).items()}
        if set(options) - {"$skiptoken"}:
            raise GraphError(400, "BadRequest", "OData query options are not supported here.")
        page = self._subscriptions.rules.list_page
        try:
            start = int(options.get("$skiptoken", "0"), 16)
        except ValueError as exc:
            raise GraphError(400, "BadRequest", "Invalid $skiptoken.") from exc
        found = self._subscriptions.all(application)
        result: dict[str, Any] = {
            "@odata.context": f"{call.base_url}/v1.0/$metadata#subscriptions",
            "value": [subscription.as_json(with_client_state=False) for subscription in found[start : start + page]],
        }
        if start + page < len(found):
            result["@odata.nextLink"] = f"{call.base_url}{call.path}?$skiptoken={start + page:x}"
        return json_answer(result, 200, GRAPH_JSON_TYPE)

    async def _update(self, call: Call, subscription: Subscription) -> Answer:
        body = call.json_object()
        for name in body:
            if name not in {"expirationDateTime", "notificationUrl"}:
                raise GraphError(400, "InvalidRequest", f"The property '{name}' cannot be updated.")
        expires = subscription.expires
        if "expirationDateTime" in body:
            expires = self._subscriptions.expiry(body["expirationDateTime"])
        if "notificationUrl" in body:
            url = _checked_url(_text(body, "notificationUrl"), "notificationUrl")
            await self._handshake.validate(url, Operation.UPDATE_SUBSCRIPTION)
            subscription.notification_url = url
        subscription.expires = expires
        self.renewed.setdefault(subscription.subscription_id, []).append(self._clock())
        return _subscription_answer(call, subscription, 200)


async def _all_or_first_error(validations: list[Any]) -> None:
    for result in await asyncio.gather(*validations, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


def _subscription_answer(call: Call, subscription: Subscription, status: int) -> Answer:
    context = f"{call.base_url}/v1.0/$metadata#subscriptions/$entity"
    values = {"@odata.context": context, **subscription.as_json(with_client_state=True)}
    return json_answer(values, status, GRAPH_JSON_TYPE)


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise GraphError(400, "InvalidRequest", f"'{name}' is a required property of 'subscription'.")
    return value


def _change_types(text: str) -> frozenset[ChangeKind]:
    try:
        return frozenset(ChangeKind(part.strip().lower()) for part in text.split(","))
    except ValueError as exc:
        raise GraphError(400, "InvalidRequest", f"Invalid 'changeType' attribute: '{text}'.") from exc


def _checked_url(text: str, name: str) -> str:
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme == "https" or (url.scheme == "http" and url.host in _LOOPBACK_HOSTS):
        return text
    raise GraphError(400, "InvalidRequest", f"Invalid '{name}' attribute: an https URL is required.")


def _tls_version(value: object) -> str:
    if value is None:
        return "v1_2"
    if not isinstance(value, str) or value not in _TLS_VERSIONS:
        raise GraphError(400, "InvalidRequest", "Invalid 'latestSupportedTlsVersion' attribute.")
    return value


def _extension_error(status: int, word: str, reason: str) -> GraphError:
    text = f"Operation: Create; Exception: [Status Code: {word}; Reason: {reason}]"
    return GraphError(status, "ExtensionError", text)


def _not_in_store() -> GraphError:
    reason = "The specified object was not found in the store."
    return _extension_error(400, "NotFound", reason)
