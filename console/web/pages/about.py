"""Version, schema, and where the documents are."""

import platform

from aiohttp import web

from console.web.routes import Routes, page
from console.web.visit import Visit
from console.wiring.host import host_name, program_version
from db.schema import revisions


async def show(visit: Visit) -> web.StreamResponse:
    """Version, schema and environment of this process."""
    settings = visit.services.given
    current = await visit.read(revisions.current_of)
    return visit.page(
        "about.html",
        version=program_version(),
        current=current,
        head=revisions.HEAD,
        backend=settings.database_backend,
        queue=settings.queue,
        host=host_name(),
        python=platform.python_version(),
    )


ROUTES: Routes = (page("/about", show),)
