"""What stands between this machine and a host."""

from enum import StrEnum

from graph.errors import AccountError
from phrases import Phrase


class Failure(StrEnum):
    """Why a host is not reached. The values are names for machines, the errors' texts are for people."""

    NAME_UNKNOWN = "nameUnknown"
    """DNS answers that there is no such name."""
    NAME_SERVER_SILENT = "nameServerSilent"
    """No DNS server answers."""
    REFUSED = "connectionRefused"
    NO_ROUTE = "noRoute"
    SILENT = "connectionTimedOut"
    """Packets are dropped: nobody answers, nobody refuses."""
    CLOSED = "connectionClosed"
    """The other side hung up."""
    FAILED = "connectionFailed"
    PROXY_UNKNOWN = "proxyUnknown"
    """The proxy's address is of no use: a kind nobody here speaks, or no address at all."""
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
    """A service shows a certificate of somebody whom this machine does not trust."""
    NOT_TRUSTED = "notTrusted"
    """The certificate of the notification address is of an authority that is not public."""
    CHAIN_INCOMPLETE = "chainIncomplete"
    SELF_SIGNED = "selfSigned"
    WRONG_NAME = "wrongName"
    EXPIRED = "expired"
    NOT_YET_VALID = "notYetValid"
    NO_HTTP = "noHttp"
    HTTP_TIMED_OUT = "httpTimedOut"
    NOT_VALIDATED = "notValidated"
    """An endpoint did not give the validation token back."""


class HostUnreached(AccountError):
    """A host cannot be reached, or does not answer as it should.

    Attributes:
        failure: the kind.
    """

    def __init__(self, failure: Failure, summary: Phrase, advice: Phrase) -> None:
        super().__init__(summary, advice=advice)
        self.failure = failure
