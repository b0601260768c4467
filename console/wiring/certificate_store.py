"""The certificate store, as configured; light to load, for commands that do not sign in."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from console.settings import Settings, SettingsError
from graph.certificates import CertificateStore, FolderStore
from graph.certificates.windows import native
from graph.certificates.windows.store import PREFIX, StoreName, WindowsStore
from phrases import Phrase


def certificate_store(settings: Settings) -> CertificateStore:
    """The certificate store that the settings name.

    Raises:
        SettingsError: `certificate_store` cannot be used.
    """
    if settings.certificate_store.lower().startswith(PREFIX):
        with naming("certificate_store"):
            return WindowsStore(StoreName.parse(settings.certificate_store), native.load())
    password = settings.certificate_password
    folder = Path(settings.certificate_store)
    return FolderStore(folder, password.get_secret_value() if password is not None else None)


@contextlib.contextmanager
def naming(setting: str) -> Iterator[None]:
    """Convert a ValueError, which has the reason, to an error of this setting."""
    try:
        yield
    except ValueError as exc:
        raise SettingsError(Phrase("{setting}: {why}", setting=setting, why=exc)) from exc
