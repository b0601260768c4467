"""The identity of this workload, as configured; the variables are those that Azure's webhook for Kubernetes sets."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from console.settings import Settings, SettingsError
from console.wiring.calls import USUAL, CallContext
from graph.identity import AUDIENCES, Identity, ManagedIdentity, WorkloadIdentity
from phrases import Phrase

TOKEN_FILE: Final = "AZURE_FEDERATED_TOKEN_FILE"  # noqa: S105  # the name of a variable
_TENANT: Final = "AZURE_TENANT_ID"
_CLIENT: Final = "AZURE_CLIENT_ID"


def identity_of(
    settings: Settings, setting: str, context: CallContext = USUAL, environment: Mapping[str, str] = os.environ
) -> Identity | None:
    """The identity that `setting` names, for example `graph_credential`; None: a certificate signs in.

    Raises:
        SettingsError: this process has no workload identity.
    """
    match getattr(settings, setting):
        case "managed_identity":
            return ManagedIdentity(
                settings.managed_identity_client_id,
                audience=AUDIENCES[settings.cloud],
                read_seconds=context.sign_in_seconds,
                sleep=context.sleep,
            )
        case "workload_identity":
            file = environment.get(TOKEN_FILE)
            if not file:
                raise SettingsError(
                    Phrase(
                        "{setting}: is workload_identity, and the variable {variable} is not set. Give the pod the "
                        'label azure.workload.identity/use: "true" and its service account the annotation '
                        "azure.workload.identity/client-id",
                        setting=setting,
                        variable=TOKEN_FILE,
                    )
                )
            return WorkloadIdentity(Path(file))
        case _:
            return None


def signing_in(
    settings: Settings,
    setting: str,
    *,
    tenant_id: str | None,
    client_id: str | None,
    environment: Mapping[str, str] = os.environ,
) -> tuple[str, str]:
    """Tenant and client id of the application that opens a service other than Graph; no ids: the managed identity.

    Raises:
        SettingsError: a workload identity, and one of the two is set nowhere.
    """
    match getattr(settings, setting):
        case "managed_identity":
            return "", ""
        case "workload_identity":
            tenant_id, client_id = tenant_id or environment.get(_TENANT), client_id or environment.get(_CLIENT)
            if not tenant_id or not client_id:
                raise SettingsError(
                    Phrase(
                        "{setting}: is workload_identity, and tenant and client id of its application are neither "
                        "settings nor in the variables {tenant} and {client}",
                        setting=setting,
                        tenant=_TENANT,
                        client=_CLIENT,
                    )
                )
    return tenant_id or "", client_id or ""
