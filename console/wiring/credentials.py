"""Sign-in as configured, to Graph and to other services of Microsoft: by certificate, or by the host's own identity."""

import os
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final, Literal

from availability import Availability
from console.loop import run_async
from console.settings import CLOUDS, Settings, SettingsError
from console.wiring.calls import USUAL, CallContext
from console.wiring.certificate_store import certificate_store, naming
from graph.application import Application
from graph.certificates import CertificateStore
from graph.identity import ManagedIdentity, Voucher, WorkloadIdentity
from graph.token import TokenSource
from phrases import Phrase

TOKEN_FILE: Final = "AZURE_FEDERATED_TOKEN_FILE"  # noqa: S105  # the name of a variable
TENANT: Final = "AZURE_TENANT_ID"
CLIENT: Final = "AZURE_CLIENT_ID"
"""Variables that the webhook of Azure Workload Identity sets:
https://azure.github.io/azure-workload-identity/docs/quick-start.html"""


def graph_tokens(
    settings: Settings,
    certificates: CertificateStore | None = None,
    context: CallContext = USUAL,
    availability: Availability | None = None,
) -> TokenSource:
    """Tokens for Graph; `availability`: see `TokenSource`.

    Raises:
        SettingsError: `ca_bundle`, `certificate_store` or `graph_credential` cannot be used.
    """
    return _token_source(
        settings, settings.graph_url, certificates, context, availability, voucher=graph_voucher(settings)
    )


def graph_voucher(settings: Settings) -> Voucher | None:
    """What vouches for the applications of accounts; None: their certificates.

    Raises:
        SettingsError: `graph_credential` cannot be used.
    """
    match settings.graph_credential:
        case "managed_identity":
            return managed_identity(settings)
        case "workload_identity":
            return _workload_identity("graph_credential")
        case _:
            return None


def managed_identity(settings: Settings) -> ManagedIdentity:
    """The managed identity of this host."""
    return ManagedIdentity(settings.managed_identity_client_id, audience=CLOUDS[settings.cloud].exchange_audience)


def _workload_identity(setting: str) -> WorkloadIdentity:
    path = os.environ.get(TOKEN_FILE)
    if not path:
        raise SettingsError(
            Phrase(
                "{setting}: 'workload_identity' needs the variable {variable}, which is not set. In Kubernetes the "
                "label azure.workload.identity/use of a pod sets it.",
                setting=setting,
                variable=TOKEN_FILE,
            )
        )
    return WorkloadIdentity(Path(path))


@dataclass(frozen=True, slots=True)
class ServiceSignIn:
    """The sign-in to a service other than Graph, as the settings with this prefix have it."""

    tokens: TokenSource
    application: Application


def service_sign_in(
    settings: Settings, prefix: Literal["database", "servicebus"], resource: str, *, service: Phrase, address: str
) -> ServiceSignIn:
    """The sign-in to a service. The settings ensure that all of it is set.

    Raises:
        SettingsError: `ca_bundle`, `certificate_store` or the credential cannot be used.
    """
    credential = getattr(settings, f"{prefix}_credential")
    given = {name: getattr(settings, f"{prefix}_{name}") for name in ("tenant_id", "client_id", "thumbprint")}
    voucher: Voucher | None = None
    if credential == "workload_identity":
        voucher = _workload_identity(f"{prefix}_credential")
        given["tenant_id"] = given["tenant_id"] or _variable(prefix, "tenant_id", TENANT)
        given["client_id"] = given["client_id"] or _variable(prefix, "client_id", CLIENT)
    identity = managed_identity(settings) if credential == "managed_identity" else None
    application = Application(
        account_name=service,
        used_for=Phrase.joined(service, Phrase.verbatim(f"({address})")),
        tenant_id=given["tenant_id"] or "",
        client_id=given["client_id"] or "",
        thumbprint=given["thumbprint"] or "",
        # Only Entra has to trust it: the key never leaves this host, and Entra has the public part.
        secure_certificate_access=False,
    )
    return ServiceSignIn(_token_source(settings, resource, voucher=voucher, identity=identity), application)


def _variable(prefix: str, name: str, variable: str) -> str:
    value = os.environ.get(variable)
    if not value:
        raise SettingsError(
            Phrase(
                "{setting}: is not set, nor is the variable {variable}; {credential} 'workload_identity' needs one of "
                "them.",
                setting=f"{prefix}_{name}",
                variable=variable,
                credential=f"{prefix}_credential",
            )
        )
    return value


def _token_source(
    settings: Settings,
    resource: str,
    certificates: CertificateStore | None = None,
    context: CallContext = USUAL,
    availability: Availability | None = None,
    *,
    voucher: Voucher | None = None,
    identity: ManagedIdentity | None = None,
) -> TokenSource:
    with naming("ca_bundle"):
        return TokenSource(
            certificates or certificate_store(settings),
            authority_url=settings.authority_url,
            graph_url=resource,
            ca_bundle=settings.ca_bundle,
            connect_seconds=context.connect_seconds,
            read_seconds=context.sign_in_seconds,
            failures_remembered_seconds=context.failures_remembered_seconds,
            now=context.clock,
            availability=availability,
            voucher=voucher,
            managed_identity=identity,
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
        with self._turn:
            return run_async(self._tokens.token(self._application))
