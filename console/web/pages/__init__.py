"""Pages of the web console, a module for each subject, which has its routes as `ROUTES`."""

from typing import Final

from console.web.pages import jobs, overview, rule_apply, rule_files, rule_form, rules, sign_in
from console.web.routes import Route

ROUTES: Final[tuple[Route, ...]] = (
    *sign_in.ROUTES,
    *overview.ROUTES,
    *jobs.ROUTES,
    # In this order: a rule may be named as a page.
    *rule_form.ROUTES,
    *rule_files.ROUTES,
    *rules.ROUTES,
    *rule_apply.ROUTES,
)
"""The routes of all pages."""
