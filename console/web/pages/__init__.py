"""Pages of the web console, a module for each subject, which has its routes as `ROUTES`."""

from typing import Final

from console.web.pages import (
    about,
    certificates,
    jobs,
    mailbox_forms,
    mailbox_tests,
    mailboxes,
    me,
    overview,
    settings,
    sign_in,
    users,
)
from console.web.routes import Route

ROUTES: Final[tuple[Route, ...]] = (
    *sign_in.ROUTES,
    *overview.ROUTES,
    *mailbox_forms.ROUTES,
    *mailbox_tests.ROUTES,
    *mailboxes.ROUTES,
    *certificates.ROUTES,
    *jobs.ROUTES,
    *me.ROUTES,
    *users.ROUTES,
    *settings.ROUTES,
    *about.ROUTES,
)
"""The routes of all pages."""
