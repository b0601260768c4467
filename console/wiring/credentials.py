"""Sign-in as configured: to Graph, and to other services of Microsoft that accept an application or identity."""

from threading import Lock

from availability import Availability
from console.loop import run_async
from console.settings import Settings
from console.wiring.calls import USUAL, CallContext
from console.wiring.certificate_store import certificate_store, naming
from console.wiring.identity import identity_of
from graph.application import Application
from graph.certificates import CertificateStore
from graph.token import TokenSource
from phrases import Phrase


def token_source(
    settings: Settings,
    resource: str,
    certificates: CertificateStore | None = None,
    context: CallContext = USUAL,
    availability: Availability | None = None,
    *,
    credential: str = "graph_credential",
) -> TokenSource:
    """Tokens for `resource`, for example `https://graph.microsoft.com`; `availability`: see `TokenSource`.

    `credential`: the setting that names the way to sign in.

    Raises:
        SettingsError: `ca_bundle` or `certificate_store` cannot be used.
    """
    with naming("ca_bundle"):
        return TokenSource(
            certificates or certificate_store(settings),
            identity=identity_of(settings, credential, context),
            authority_url=settings.authority_url,
            graph_url=resource,
            ca_bundle=settings.ca_bundle,
            connect_seconds=context.connect_seconds,
            read_seconds=context.sign_in_seconds,
            failures_remembered_seconds=context.failures_remembered_seconds,
            now=context.clock,
            availability=availability,
        )


def application_of(
    service: Phrase, address: str, *, tenant_id: str | None, client_id: str | None, thumbprint: str | None
) -> Application:
    """The application that opens a service other than Graph; without client id: the managed identity itself."""
    return Application(
        account_name=service,
        used_for=Phrase.joined(service, Phrase.verbatim(f"({address})")),
        tenant_id=tenant_id or "",
        client_id=client_id or "",
        thumbprint=thumbprint or "",
        # Only Entra has to trust it: the key never leaves this host, and Entra has the public part.
        secure_certificate_access=False,
    )


class TokensForThreads:
    """Tokens for callers that block, on any thread without an event loop."""

    def __init__(self, tokens: TokenSource, application: Application) -> None:
        self._tokens = tokens
        self._application = application
        # One at a time: the locks of a TokenSource belong to one event loop, and each call here has its own.
        self._turn = Lock()

    def __call__(self) -> str:
        """Return a token valid for minutes at least; usually without a wait.

        Raises:
            CertificateError, SignInRefused, GraphUnavailable: as `TokenSource.token`.
        """
        return self.expiring()[0]

    def expiring(self) -> tuple[str, float]:
        """Return a token as from `__call__`, and the seconds until it expires.

        Raises:
            CertificateError, SignInRefused, GraphUnavailable: as `TokenSource.token`.
        """
        with self._turn:
            return run_async(self._tokens.expiring(self._application))
