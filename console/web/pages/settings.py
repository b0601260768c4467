"""The settings of this process, read only; secrets are masked."""

from aiohttp import web

from console.config.commands import settings_listing
from console.config.meanings import meanings
from console.settings_sources import Sources
from console.web.routes import Routes, page
from console.web.visit import Visit


async def show(visit: Visit) -> web.StreamResponse:
    """Each setting, its value, its source and its meaning."""
    listing = settings_listing(visit.services.given, Sources())
    return visit.page("settings.html", listing=listing, meanings=meanings())


ROUTES: Routes = (page("/settings", show),)
