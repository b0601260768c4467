"""Pages of the web console, a module for each subject, which has its routes as `ROUTES`."""

from typing import Final

from console.web.pages import (
    about,
    activity,
    failures,
    files,
    jobs,
    me,
    message,
    message_content,
    messages,
    overview,
    problems,
    rule_apply,
    rule_files,
    rule_form,
    rules,
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
    # In this order: a rule may be named as a page.
    *rule_form.ROUTES,
    *rule_files.ROUTES,
    *rules.ROUTES,
    *rule_apply.ROUTES,
)
"""The routes of all pages."""
