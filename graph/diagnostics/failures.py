"""The failures between this machine and a host."""

from enum import StrEnum

from graph.errors import AccountError
from phrases import Phrase


class Failure(StrEnum):
    """The reason for which a host is not reached. The values are for machines, the errors' texts for users."""

    NAME_UNKNOWN = "nameUnknown"
    """DNS reports that there is no such name."""
    NAME_SERVER_SILENT = "nameServerSilent"
    """No DNS server answers."""
    REFUSED = "connectionRefused"
    NO_ROUTE = "noRoute"
    SILENT = "connectionTimedOut"
    """Packets are dropped: there is neither an answer nor a refusal."""
    CLOSED = "connectionClosed"
    """The peer closed the connection."""
    FAILED = "connectionFailed"
    PROXY_UNKNOWN = "proxyUnknown"
    """The proxy's address is unusable: of an unsupported kind, or no address at all."""
    PROXY_UNREACHED = "proxyUnreached"
    PROXY_CREDENTIALS_MISSING = "proxyCredentialsMissing"
    PROXY_CREDENTIALS_REFUSED = "proxyCredentialsRefused"
    PROXY_DENIES = "proxyDenies"
    PROXY_FAILED = "proxyFailed"
    TLS_TOO_OLD = "tlsTooOld"
    """TLS 1.1 or older only."""
    TLS_TOO_NEW = "tlsTooNew"
    """TLS 1.3 only, where Graph needs 1.2."""
    TLS_NOT_SPOKEN = "tlsNotSpoken"
    TLS_FAILED = "tlsFailed"
    INTERCEPTED = "intercepted"
    """A service presents a certificate of an issuer that this machine does not trust."""
    NOT_TRUSTED = "notTrusted"
    """The certificate of the notification address is from an authority that is not public."""
    CHAIN_INCOMPLETE = "chainIncomplete"
    SELF_SIGNED = "selfSigned"
    WRONG_NAME = "wrongName"
    EXPIRED = "expired"
    NOT_YET_VALID = "notYetValid"
    NO_HTTP = "noHttp"
    HTTP_TIMED_OUT = "httpTimedOut"
    NOT_VALIDATED = "notValidated"
    """An endpoint did not echo the validation token."""


class HostUnreached(AccountError):
    """A host cannot be reached, or does not respond as required.

    Attributes:
        failure: the kind.
    """

    def __init__(self, failure: Failure, summary: Phrase, advice: Phrase) -> None:
        super().__init__(summary, advice=advice)
        self.failure = failure
