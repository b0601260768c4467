"""How far one gets with a host: its name, a connection, a proxy on the way, TLS, an answer. For tests of settings.

Every step opens a connection of its own, so that each can be told apart; nothing is sent beyond a HEAD of `/` or a
validation token. What stands in the way is a `HostUnreached`, with the reason and what to do.
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
