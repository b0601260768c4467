"""Step-by-step diagnosis of a host: its name, a connection, a proxy, TLS, a response. For tests of settings.

A request goes the product's own way, over a session of `transport.session_for`, so that it cannot succeed where the
product fails; the error and the steps that it reached tell the cause. Nothing is sent beyond a HEAD of `/` or a
validation token. A failure is a `HostUnreached`, with the reason and the remedy.
"""

from graph.diagnostics.endpoint import answer_to_validation
from graph.diagnostics.explanation import Timeouts
from graph.diagnostics.failures import Failure, HostUnreached
from graph.diagnostics.host import Connection, Host, Visit
from graph.diagnostics.peers import Endpoint, PeerCertificate, TlsSession, is_foreign_issuer

__all__ = [
    "Connection",
    "Endpoint",
    "Failure",
    "Host",
    "HostUnreached",
    "PeerCertificate",
    "Timeouts",
    "TlsSession",
    "Visit",
    "answer_to_validation",
    "is_foreign_issuer",
]
