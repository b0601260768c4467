"""The certificate store, as configured; light to load, for commands that do not sign in."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from console.settings import CLOUDS, Settings, SettingsError, names_windows_store
from graph.certificates import CertificateStore, FolderStore
from phrases import Phrase

_KEY_VAULT: Final = "keyvault:"


def certificate_store(settings: Settings) -> CertificateStore:
    """The certificate store that the settings name.

    Raises:
        SettingsError: `certificate_store` cannot be used.
    """
    if names_windows_store(settings.certificate_store):
        return _of_windows(settings)
    if settings.certificate_store.lower().startswith(_KEY_VAULT):
        return _key_vault(settings)
    password = settings.certificate_password
    folder = Path(settings.certificate_store)
    return FolderStore(folder, password.get_secret_value() if password is not None else None)


def _of_windows(settings: Settings) -> CertificateStore:
    from graph.certificates.windows import native  # noqa: PLC0415  # of one kind of store
    from graph.certificates.windows.store import StoreName, WindowsStore  # noqa: PLC0415  # as above

    with naming("certificate_store"):
        return WindowsStore(StoreName.parse(settings.certificate_store), native.load())


def _key_vault(settings: Settings) -> CertificateStore:
    # Its libraries are an extra of the installation, and take long to load.
    try:
        from graph.certificates.keyvault import KeyVaultStore, vault_url  # noqa: PLC0415  # see above
    except ImportError as exc:
        raise SettingsError(
            Phrase(
                "certificate_store: a Key Vault needs libraries that are not installed here ({name}). Install them: "
                "pip install 'mail-importer[azure]'",
                name=exc.name or "azure.keyvault",
            )
        ) from exc
    from console.wiring.credentials import TokensForThreads, application_of, token_source  # noqa: PLC0415  # see above
    from console.wiring.identity import signing_in  # noqa: PLC0415  # see above
    from graph.transport import proxy_for, tls_context  # noqa: PLC0415  # see above

    domain = CLOUDS[settings.cloud].keyvault_domain
    with naming("certificate_store"):
        url = vault_url(settings.certificate_store, domain)
    with naming("ca_bundle"):
        tls = tls_context(settings.ca_bundle)
    setting = "keyvault_credential"
    tenant_id, client_id = signing_in(settings, setting, tenant_id=None, client_id=None)
    application = application_of(
        Phrase("the certificate store"), url, tenant_id=tenant_id, client_id=client_id, thumbprint=None
    )
    # The folder is never read: the identity signs in.
    tokens = token_source(settings, f"https://{domain}", FolderStore(Path()), credential=setting)
    return KeyVaultStore(url, TokensForThreads(tokens, application).expiring, tls=tls, proxy=proxy_for(url))


@contextlib.contextmanager
def naming(setting: str) -> Iterator[None]:
    """Convert a ValueError, which has the reason, to an error of this setting."""
    try:
        yield
    except ValueError as exc:
        raise SettingsError(Phrase("{setting}: {why}", setting=setting, why=exc)) from exc
