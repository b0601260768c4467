"""Graph, opened as the settings say: for roles and for commands."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from console.settings import Settings, SettingsError, certificate_folder
from graph.certificates import CertificateStore
from graph.client import GraphClient, open_session
from graph.slots import CallSlots
from graph.token import TokenSource


@dataclass(frozen=True, slots=True)
class OpenedGraph:
    """What talks to Graph in this process."""

    client: GraphClient
    certificates: CertificateStore
    tokens: TokenSource


@asynccontextmanager
async def open_graph(settings: Settings, slots: CallSlots | None = None) -> AsyncIterator[OpenedGraph]:
    """Connections and tokens for as long as the context lasts; `slots`: see `GraphClient`.

    Raises:
        SettingsError: `ca_bundle` or `certificate_store` cannot be used.
    """
    certificates = certificate_store(settings)
    with _naming("ca_bundle"):
        tokens = TokenSource(
            certificates,
            authority_url=settings.authority_url,
            graph_url=settings.graph_url,
            ca_bundle=settings.ca_bundle,
        )
        session = open_session(settings.graph_url, ca_bundle=settings.ca_bundle)
    async with session:
        client = GraphClient(session, tokens, base_url=settings.graph_url, slots=slots)
        yield OpenedGraph(client, certificates, tokens)


def certificate_store(settings: Settings) -> CertificateStore:
    """Where the settings say that certificates are.

    Raises:
        SettingsError: `certificate_store` cannot be used.
    """
    password = settings.certificate_password
    return CertificateStore(certificate_folder(settings), password.get_secret_value() if password is not None else None)


@contextlib.contextmanager
def _naming(setting: str) -> Iterator[None]:
    try:
        yield
    except ValueError as exc:
        raise SettingsError(f"{setting}: {exc}") from exc
