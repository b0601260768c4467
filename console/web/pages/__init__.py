"""Pages of the web console, a module for each subject, which has its routes as `ROUTES`."""

from typing import Final

from console.web.pages import (
    about,
    jobs,
    me,
    message,
    message_content,
    messages,
    overview,
    activity,
    failures,
    files,
    problems,
    settings,
    sign_in,
    users,
)
from console.web.routes import Route

ROUTES: Final[tuple[Route, ...]] = (
    *sign_in.ROUTES,
    *overview.ROUTES,
    *failures.ROUTES,
    *files.ROUTES,
    *problems.ROUTES,
    *activity.ROUTES,
    *jobs.ROUTES,
    *me.ROUTES,
    *users.ROUTES,
    *settings.ROUTES,
    *about.ROUTES,
    *messages.ROUTES,
    *message.ROUTES,
    *message_content.ROUTES,
)
"""The routes of all pages."""
