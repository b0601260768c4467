"""Step-by-step diagnosis of a host: its name, a connection, a proxy, TLS, a response. For tests of settings.

Every step opens its own connection, so that their failures can be distinguished; nothing is sent beyond a HEAD of `/`
or a validation token. A failure is a `HostUnreached`, with the reason and the remedy.
"""

from graph.diagnostics.endpoint import answer_to_validation
from graph.diagnostics.failures import Failure, HostUnreached
from graph.diagnostics.host import Connection, Endpoint, Host
from graph.diagnostics.tls import PeerCertificate, Timeouts, TlsSession, clock_skew, handshake, is_foreign_issuer

__all__ = [
    "Connection",
    "Endpoint",
    "Failure",
    "Host",
    "HostUnreached",
    "PeerCertificate",
    "Timeouts",
    "TlsSession",
    "answer_to_validation",
    "clock_skew",
    "handshake",
    "is_foreign_issuer",
]
