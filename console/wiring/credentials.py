"""Signing in by certificate, as the settings say: to Graph, and to what else of Microsoft's takes an application."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

from console.loop import run_async
from console.settings import Settings, SettingsError
from graph.certificates import CertificateStore, FolderStore
from graph.certificates.windows import native
from graph.certificates.windows.store import PREFIX, StoreName, WindowsStore
from graph.mailbox import Mailbox
from graph.token import TokenSource
from phrases import Phrase


def certificate_store(settings: Settings) -> CertificateStore:
    """Where the settings say that certificates are.

    Raises:
        SettingsError: `certificate_store` cannot be used.
    """
    if settings.certificate_store.lower().startswith(PREFIX):
        with naming("certificate_store"):
            return WindowsStore(StoreName.parse(settings.certificate_store), native.load())
    password = settings.certificate_password
    folder = Path(settings.certificate_store)
    return FolderStore(folder, password.get_secret_value() if password is not None else None)


def token_source(settings: Settings, resource: str, certificates: CertificateStore | None = None) -> TokenSource:
    """Tokens for `resource`, for example `https://graph.microsoft.com`.

    Raises:
        SettingsError: `ca_bundle` or `certificate_store` cannot be used.
    """
    with naming("ca_bundle"):
        return TokenSource(
            certificates or certificate_store(settings),
            authority_url=settings.authority_url,
            graph_url=resource,
            ca_bundle=settings.ca_bundle,
        )


def service(
    name: Phrase, address: str, *, tenant_id: str | None, client_id: str | None, thumbprint: str | None
) -> Mailbox:
    """Who signs in to a service. The settings have seen to it that all of it is set."""
    return Mailbox(
        account_id=0,
        account_name=name,
        tenant_id=tenant_id or "",
        client_id=client_id or "",
        user_id=address,
        thumbprint=thumbprint or "",
        # Nobody but us has to trust it: the key never leaves this host, and Entra knows the public part.
        secure_certificate_access=False,
    )


class TokensForThreads:
    """Tokens for callers that block, on whatever thread that has no event loop."""

    def __init__(self, tokens: TokenSource, who: Mailbox) -> None:
        self._tokens = tokens
        self._who = who
        # One at a time: the locks inside of a TokenSource are of one event loop, and each call here has its own.
        self._turn = Lock()

    def __call__(self) -> str:
        """A token that is good for minutes at least; usually without a wait.

        Raises:
            CertificateError, SignInRefused, GraphUnavailable: as `TokenSource.token`.
        """
        with self._turn:
            return run_async(self._tokens.token(self._who))


@contextlib.contextmanager
def naming(setting: str) -> Iterator[None]:
    """Make of a ValueError, which says what is wrong, an error of this setting."""
    try:
        yield
    except ValueError as exc:
        raise SettingsError(Phrase("{setting}: {why}", setting=setting, why=exc)) from exc
