"""The routes of the API, and the document that describes them."""

import functools
import json

from aiohttp import web

from console.web.api import accounts, dead_letters, jobs, messages, rules, status
from console.web.api.declarations import ROOT, AnyOperation
from console.web.api.openapi import document_of
from console.web.api.requests import JSON, route_of
from console.web.routes import GET, Route
from console.web.services import Services
from console.web.visit import Visit
from console.wiring.host import program_version
from console.wiring.overview import OverviewReader


def routes_of(services: Services) -> list[Route]:
    """All routes of the API."""
    operations = operations_of(services)

    @functools.cache  # not at the start: few ask for it, and it takes a tenth of a second, once
    def document() -> str:
        return json.dumps(document_of(operations, version=program_version()))

    async def describe(_visit: Visit) -> web.StreamResponse:
        return web.Response(text=document(), content_type=JSON)

    return [Route(GET, f"{ROOT}/openapi.json", describe, None), *map(route_of, operations)]


def operations_of(services: Services) -> list[AnyOperation]:
    """All operations."""
    reader = OverviewReader(services.settings, services.database, services.queue, clock=services.clock)
    return [
        *status.operations_of(reader),
        *accounts.operations_of(reader),
        *messages.operations_of(),
        *dead_letters.operations_of(),
        *jobs.operations_of(),
        *rules.operations_of(),
    ]
