"""Pages of the web console, a module for each subject, which has its routes as `ROUTES`."""

from typing import Final

from console.web.pages import activity, failures, files, jobs, overview, sign_in
from console.web.routes import Route

ROUTES: Final[tuple[Route, ...]] = (
    *sign_in.ROUTES,
    *overview.ROUTES,
    *failures.ROUTES,
    *files.ROUTES,
    *activity.ROUTES,
    *jobs.ROUTES,
)
"""The routes of all pages."""
