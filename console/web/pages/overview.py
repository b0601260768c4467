"""The overview: the state of the installation on one page."""

from aiohttp import web

from console.web.routes import Routes, page
from console.web.visit import Visit


async def show(visit: Visit) -> web.StreamResponse:
    """The overview."""
    return visit.page("overview.html")


ROUTES: Routes = (page("/", show),)
