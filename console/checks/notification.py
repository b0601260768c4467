"""Checks of the notification address: from this host, and by Graph, which is made to validate it."""

import secrets
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from console.checks.runner import Check, Finding, failed, finding_of, not_needed, passed, warned
from graph.diagnostics import Failure, Host, HostUnreached, answer_to_validation
from graph.errors import EndpointNotValidated, GraphError, SubscriptionExists
from graph.folders import MailFolders
from graph.mailbox import Mailbox
from graph.subscriptions import GraphSubscription, SubscriptionClient, mail_resource
from graph.transport import tls_context
from phrases import Phrase

CERTIFICATE: Final = "notification_certificate"
HANDSHAKE: Final = "notification_handshake"
SUBSCRIPTION: Final = "subscription"

PATHS: Final = ("/notifications", "/lifecycle")
CHANGE_TYPE: Final = "deleted"
"""Different from the manager's `created`: Graph accepts both at once, and new mail meanwhile is not notified twice."""

_SHORTEST_LIFE: Final = timedelta(minutes=46)
"""Graph raises a life below 45 minutes (docs/graph.md, section 1); a subscription left behind ends by itself soon."""
_MARK: Final = "mail-importer-test"
_OUT_OF_REACH: Final = frozenset(
    {
        Failure.NAME_UNKNOWN,
        Failure.NAME_SERVER_SILENT,
        Failure.REFUSED,
        Failure.NO_ROUTE,
        Failure.SILENT,
        Failure.FAILED,
        Failure.PROXY_CREDENTIALS_MISSING,
        Failure.PROXY_CREDENTIALS_REFUSED,
        Failure.PROXY_DENIES,
        Failure.PROXY_FAILED,
        Failure.PROXY_UNREACHED,
    }
)
"""Failures that may be this host's only: many networks do not let their own hosts come back in."""


_PORT: Final = Phrase(
    "Correct the port in notification_url (443 where it names none), have the firewall let it in and the proxy listen "
    "on it, and start the receiver (mail-importer run receiver)."
)
_NAMED: Final[Mapping[Failure, Phrase]] = {
    Failure.NAME_UNKNOWN: Phrase(
        "Correct the host name in notification_url, or publish it in the public DNS: Microsoft resolves it there."
    ),
    Failure.REFUSED: _PORT,
    Failure.SILENT: _PORT,
}
"""Failures that are the same for Microsoft, and the remedy of each."""


class NotificationChecks:
    """The checks for the notification address.

    Args:
        url: the setting notification_url; None: there are no webhooks.
        subscriptions: of the account's application.
        mailbox: of the account.
        folder: the one to import from, by the account's name for it.
        folders: finds it.
        ca_bundle: the setting.
        clock: aware time.
    """

    def __init__(
        self,
        url: str | None,
        *,
        subscriptions: SubscriptionClient,
        mailbox: Mailbox,
        folder: str,
        folders: MailFolders,
        ca_bundle: Path | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._url = url
        self._subscriptions = subscriptions
        self._mailbox = mailbox
        self._folder = folder
        self._folders = folders
        self._unreached: HostUnreached | None = None
        """The reason this host does not reach the address; Graph's refusal may not name it."""
        self._ca_bundle = ca_bundle
        self._clock = clock

    def checks(self, needs: Sequence[str]) -> list[Check]:
        """The checks, in order. `needs`: of the one that calls Graph."""
        return [
            Check(CERTIFICATE, Phrase("Certificate of the notification address"), self._judge_certificate, seconds=15),
            Check(HANDSHAKE, Phrase("The notification address answers"), self._ask_ourselves, (CERTIFICATE,), 15),
            Check(SUBSCRIPTION, Phrase("Graph can subscribe and reach it"), self._subscribe, needs, 30),
        ]

    async def _judge_certificate(self) -> Finding:
        if self._url is None:
            return _no_webhooks()
        try:
            host = Host(self._url, is_own=True)
            if not host.encrypted:
                return not_needed(Phrase("plain HTTP on this machine, to try things"))
            return await self._shaken(host)
        except HostUnreached as unreached:
            if unreached.failure not in _OUT_OF_REACH:
                raise
            self._unreached = unreached
            return _out_of_reach(unreached)

    async def _shaken(self, host: Host) -> Finding:
        try:
            made = await host.handshake(_as_graph(None))
        except HostUnreached as untrusted:
            if self._ca_bundle is None or untrusted.failure not in {Failure.NOT_TRUSTED, Failure.CHAIN_INCOMPLETE}:
                raise
            made = await host.handshake(_as_graph(self._ca_bundle))
            return warned(
                "trustedHereOnly",
                Phrase(
                    "The certificate of {host}, by {issuer}, is trusted by ca_bundle only. Microsoft does not know it.",
                    host=host.named,
                    issuer=made.certificate.issuer_name,
                ),
                Phrase("Order one of a public authority, unless a proxy of yours shows it to your own machines only."),
                {"issuer": made.certificate.issuer},
            )
        shown = made.certificate
        return passed(
            Phrase("{protocol}, whole chain, by {issuer}", protocol=made.protocol, issuer=shown.issuer_name),
            {
                "protocol": made.protocol,
                "subject": shown.subject,
                "issuer": shown.issuer,
                "not_after": shown.not_after,
            },
        )

    async def _ask_ourselves(self) -> Finding:
        if self._url is None:
            return _no_webhooks()
        tls = tls_context(self._ca_bundle)
        try:
            for path in PATHS:
                # Modelled on Graph's own (docs/graph.md, section 2): blanks and colons show whether it is decoded.
                token = f"Validation: Testing client application reachability. Request-Id: {secrets.token_hex(16)}"
                await answer_to_validation(f"{self._url}{path}", token, tls)
        except HostUnreached as unreached:
            if unreached.failure not in _OUT_OF_REACH:
                raise
            self._unreached = unreached
            return _out_of_reach(unreached)
        return passed(
            Phrase("the validation token came back from both paths"),
            {"addresses": [self._url + path for path in PATHS]},
        )

    async def _subscribe(self) -> Finding:
        if self._url is None:
            return _no_webhooks()
        try:
            made = await self._made(self._url)
        except EndpointNotValidated as refused:
            return _not_validated(self._url, refused, self._unreached)
        except SubscriptionExists as exists:
            return _in_the_way(exists)
        try:
            await self._subscriptions.delete(self._mailbox, made.id)
        except GraphError as error:
            return warned(
                "notRemoved",
                Phrase(
                    "Graph made subscription {number}, but it could not be removed. It ends by itself at "
                    "{end:%Y-%m-%d %H:%M} UTC.",
                    number=made.id,
                    end=made.expires,
                ),
                Phrase("Nothing has to be done."),
                finding_of(error).facts,
            )
        return passed(Phrase("a subscription was made and removed again"), {"subscription": made.id})

    async def _made(self, url: str) -> GraphSubscription:
        # An address of its own, so that Graph validates it anew, and no manager adopts the subscription; a state of
        # its own, so that the receiver puts nothing in the queue for it.
        mark = secrets.token_hex(8)
        notifications, lifecycle = (f"{url}{path}?{_MARK}={mark}" for path in PATHS)
        return await self._subscriptions.create(
            self._mailbox,
            resource=mail_resource(self._mailbox.user_id, await self._folders.locate(self._mailbox, self._folder)),
            notification_url=notifications,
            lifecycle_url=lifecycle,
            client_state=f"{_MARK}.{mark}",
            expires=self._clock() + _SHORTEST_LIFE,
            change_type=CHANGE_TYPE,
        )


def _as_graph(ca_bundle: Path | None) -> ssl.SSLContext:
    """TLS with the trust of Graph, and the protocol it delivers with (docs/graph.md, section 3)."""
    context = tls_context(ca_bundle)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def _no_webhooks() -> Finding:
    return not_needed(Phrase("notification_url is not set: accounts are swept each minute"))


def _out_of_reach(unreached: HostUnreached) -> Finding:
    finding = finding_of(unreached)
    return warned(
        finding.code or "",
        Phrase("From this machine it is out of reach: {reason}", reason=finding.cause),
        Phrase(
            "Start the receiver if it does not run (mail-importer run receiver). Many networks do not let their own "
            "machines come in this way: the step with Graph, below, decides."
        ),
    )


def _in_the_way(exists: SubscriptionExists) -> Finding:
    return warned(
        "alreadySubscribed",
        Phrase("Graph has one like it already, of a test that was cut off: subscriptions are possible."),
        Phrase("Try again in an hour, when it has ended, to have the address validated."),
        finding_of(exists).facts,
    )


def _not_validated(url: str, refused: EndpointNotValidated, unreached: HostUnreached | None) -> Finding:
    detail = refused.detail.lower()
    # A response that Graph received proves more than a failure from this host.
    answered = any(word in detail for word in ("status code", "exactly match", "content type"))
    if unreached is not None and unreached.failure in _NAMED and not answered:
        return failed(
            str(unreached.failure),
            Phrase(
                "Graph did not reach {url}, nor does this machine: {reason}",
                url=url,
                reason=finding_of(unreached).cause,
            ),
            _NAMED[unreached.failure],
            finding_of(refused).facts,
        )
    return failed(
        "endpointNotValidated",
        Phrase("Graph called {url} and did not get its validation token back: {reason}.", url=url,
               reason=refused.detail.rstrip(".")),
        _advice_for(detail),
        finding_of(refused).facts,
    )  # fmt: skip


def _advice_for(detail: str) -> Phrase:
    if "timed out" in detail:
        return Phrase(
            "Nothing answered within 10 seconds: have the firewall let TCP to this address in from the internet, and "
            "start the receiver (mail-importer run receiver)."
        )
    if "ssl/tls" in detail:
        return Phrase(
            "TLS failed: the address needs a certificate of a public authority with its whole chain, and TLS 1.2."
        )
    if any(word in detail for word in ("forbidden", "unauthorized", "redirect", "found'")):
        return Phrase(
            "A sign-in, firewall or redirection stands in front of the receiver: let /notifications and /lifecycle "
            "through without sign-in, unchanged."
        )
    if "exactly match" in detail or "content type" in detail:
        return Phrase("Something else than the receiver answers there: check notification_url and the proxy before it.")
    return Phrase(
        "The address must be reachable from the internet over HTTPS, and pass /notifications and /lifecycle on to the "
        "running receiver (mail-importer run receiver)."
    )
