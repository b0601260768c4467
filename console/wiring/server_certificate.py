"""The certificate of a listener of this process: PEM files, or one of a Windows store."""

import re
import ssl
from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal

from cryptography import x509

from console.settings import Settings, SettingsError, names_windows_store
from console.wiring.clock import utc_now
from graph.certificates.thumbprints import normalise_thumbprint, sha1_thumbprint
from graph.certificates.windows import native
from graph.certificates.windows.store import StoreName, WindowsStore
from graph.errors import CertificateError
from phrases import Phrase
from receiver.tls import CertificateSource, LoadedCertificate, PemFiles, Stamp, tls_context_of

_POLL_SECONDS: Final = 60.0
_NAME: Final = re.compile(r"(.+)[/\\]([^/\\]+)")


class StoreCertificate:
    """A certificate of a Windows store, with an exportable key; a `CertificateSource`.

    A renewed certificate has another thumbprint: of those with the subject and the DNS names of the configured one, the
    one that is valid now, has a usable key and ends last is presented. The key is never written in the clear.

    Args:
        store: the store that holds it.
        thumbprint: of the configured certificate, normalised.
        setting: the name of its setting.
        clock: the time now (aware, UTC).
    """

    def __init__(self, store: WindowsStore, thumbprint: str, *, setting: str, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._thumbprint = thumbprint
        self._setting = setting
        self._clock = clock
        self._known: x509.Certificate | None = None

    @property
    def names(self) -> list[str]:
        """Implement `CertificateSource`."""
        return [f"{self._store.name}/{self._thumbprint}"]

    @property
    def remedy(self) -> str:
        """Implement `CertificateSource`."""
        return (
            f"Import the certificate with its key, marked as exportable, into the store that {self._setting} names, "
            "and give the account of the service the right to read the key; a change is noticed."
        )

    @property
    def poll_seconds(self) -> float:
        """Implement `CertificateSource`."""
        return _POLL_SECONDS

    def stamp(self) -> Stamp:
        """Implement `CertificateSource`: the candidates, and which keys this process may use."""
        try:
            return tuple((sha1_thumbprint(each), self._store.key_opens(each)) for each in self._candidates())
        except CertificateError as error:
            return (str(error),)

    def load(self) -> LoadedCertificate:
        """Implement `CertificateSource`."""
        first: CertificateError | None = None
        try:
            for candidate in self._candidates():
                try:
                    return self._loaded(candidate)
                except CertificateError as error:
                    first = first or error
        except CertificateError as error:
            first = error
        raise ssl.SSLError(1, "" if first is None else Phrase.of(first))

    def _loaded(self, candidate: x509.Certificate) -> LoadedCertificate:
        pair = self._store.export(sha1_thumbprint(candidate))
        context = tls_context_of(pair.chain_pem, pair.key)
        self._known = pair.certificate
        return LoadedCertificate(context, pair.certificate)

    def _candidates(self) -> list[x509.Certificate]:
        """The renewals that are valid now, and last the configured certificate if it is not."""
        now = self._clock()
        found = self._store.of_same_names(self._known, self._thumbprint)
        valid = [each for each in found if each.not_valid_before_utc <= now < each.not_valid_after_utc]
        configured = [each for each in found if each not in valid and sha1_thumbprint(each) == self._thumbprint]
        return valid + configured


def certificate_source(settings: Settings, role: Literal["receiver", "console"]) -> CertificateSource | None:
    """Return the source of the certificate that `<role>_tls_cert` names; None: plain HTTP.

    Raises:
        SettingsError: it names no certificate of a Windows store, or this system has none.
    """
    setting = f"{role}_tls_cert"
    certificate, key = getattr(settings, setting), getattr(settings, f"{role}_tls_key")
    if certificate is None:
        return None
    if not names_windows_store(certificate):
        return None if key is None else PemFiles(certificate, key, role)
    found = _NAME.fullmatch(str(certificate).strip())
    if found is None:
        raise SettingsError(
            Phrase("{setting}: it is not of the form windows:LocalMachine/My/THUMBPRINT", setting=setting)
        )
    try:
        store = WindowsStore(StoreName.parse(found[1]), native.load())
        thumbprint = normalise_thumbprint(found[2])
    except (ValueError, CertificateError) as exc:
        raise SettingsError(Phrase("{setting}: {why}", setting=setting, why=exc)) from exc
    return StoreCertificate(store, thumbprint, setting=setting, clock=utc_now)
