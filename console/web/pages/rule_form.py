"""The form of a rule: adding, copying, changing, and trying it on recent mail before it is saved."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import click
from aiohttp import web
from sqlalchemy import Connection

from console.changes import Changes, who_of
from console.output import shown
from console.rules import editing
from console.rules.options import name_option, rule_options
from console.rules.recent import RecentTrial, TrialLimits, try_recent
from console.rules.reports import added_sentence, changed_sentence, folder_sentences, rule_sentences
from console.rules.settings import NOTHING, SUBJECTS, AccountNames, changed, exported, problems_of
from console.rules.trial import failed_shown, file_shown
from console.translation.language import reason_of, translated
from console.web import forms
from console.web.forms import Form
from console.web.pages import rules as pages
from console.web.rights import Role
from console.web.routes import Routes, action, page
from console.web.visit import Visit
from db.errors import AccountNotFound, RuleExists
from db.queries import rule_history, rules
from db.queries.rules import RuleEditor, StoredRule
from phrases import Phrase
from rules.rule import Rule

T = TypeVar("T")

_TRY: Final = TrialLimits(messages=500, seconds=10)
_TRY_LIVE: Final = TrialLimits(messages=100, seconds=3)
"""Of the trials that a browser starts by itself, while the form is filled in."""
_TURN_SECONDS: Final = 10.0
_MAX_HINTS: Final = 200
_LABELS: Final[Mapping[str, Phrase]] = {
    "name": Phrase("Name"),
    "disabled": Phrase("Not enabled yet"),
    "folder": Phrase("Import folder"),
    "account": Phrase("Account"),
    "senders": Phrase("Senders"),
    "recipients": Phrase("Recipients"),
    "subjects": Phrase("Subject contains"),
    "subject_is": Phrase("Subject is"),
    "subject_matches": Phrase("Subject matches"),
    "body_words": Phrase("Body text"),
    "attachment_names": Phrase("File types"),
    "size_least": Phrase("Least size"),
    "size_most": Phrase("Largest size"),
    "has_attachments": Phrase("Has attachments"),
    "file_name": Phrase("Names of saved files"),
    "save_attachments": Phrase("Save attachments"),
    "unpack": Phrase("Unpack"),
    "save_body": Phrase("Save the body"),
    "save_original": Phrase("Save the original"),
    "save_metadata": Phrase("Save metadata"),
    "position": Phrase("Position"),
}
_GROUPS: Final = (
    (Phrase("The rule"), ("name", "folder", "account", "position", "disabled")),
    (
        Phrase("Conditions: all of them must hold"),
        (
            *("senders", "recipients", "subjects", "subject_is", "subject_matches", "body_words"),
            *("attachment_names", "size_least", "size_most", "has_attachments"),
        ),
    ),
    (
        Phrase("Files"),
        ("file_name", "save_attachments", "unpack", "save_body", "save_original", "save_metadata"),
    ),
)
_NAME_HELP: Final = Phrase("What the rule is called: in this console, in commands, and in the log.")
_EMPTY: Final = {"save_body": NOTHING, "has_attachments": "any"}
"""Meaning of a choice without a value."""


@dataclass(frozen=True, slots=True)
class _Known:
    """Suggestions of the form, accounts and folders, and the rule that it changes."""

    accounts: Sequence[str]
    folders: Sequence[str]
    stored: StoredRule | None
    names: AccountNames

    @property
    def rule(self) -> Rule:
        """The rule that the form changes."""
        if self.stored is None:
            raise RuntimeError("the form adds a rule")
        return self.stored.rule


def _options(*, adding: bool) -> list[click.Option]:
    name = name_option("--name", help=_NAME_HELP)
    name.required = True
    disabled = click.Option(["--disabled"], is_flag=True, help="Add it without having it applied.")
    return [name, *rule_options(adding=True), *([disabled] if adding else [])]


async def _known(visit: Visit, rule: str | None) -> _Known:
    """Raises RuleNotFound."""

    def read(connection: Connection) -> tuple[list[StoredRule], AccountNames]:
        return rules.every(connection), AccountNames(connection)

    every, names = await visit.read(read)
    stored = None if rule is None else pages.found(every, rule)
    roots = visit.services.settings.delivery_folders
    folders = dict.fromkeys([*roots, *(each.rule.folder for each in every)])
    return _Known(names.every()[:_MAX_HINTS], list(folders)[:_MAX_HINTS], stored, names)


def _texts(values: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """The values of a rule, as `exported` has them, as they are typed."""
    return {name: tuple(_typed(value)) for name, value in values.items()}


def _typed(value: object) -> Iterator[str]:
    if isinstance(value, bool):
        yield from ("on",) if value else ()
    elif isinstance(value, list | tuple):
        yield from map(str, value)
    elif value not in {None, ""}:
        yield str(value)


def _form(visit: Visit, known: _Known, texts: Mapping[str, Sequence[str]], *, adding: bool) -> Form:
    return _dressed(forms.form_of(_options(adding=adding), visit.language, labels=_LABELS, texts=texts), known)


async def _read(visit: Visit, known: _Known, *, adding: bool) -> Form:
    services = visit.services
    form = forms.read_form(
        _options(adding=adding),
        await visit.form(),
        visit.language,
        labels=_LABELS,
        settings=services.settings,
        clock=services.clock,
    )
    return _dressed(form, known)


def _dressed(form: Form, known: _Known) -> Form:
    """The form with what its options do not say."""
    form.named("account").hints = tuple(known.accounts)
    form.named("folder").hints = tuple(known.folders)
    unpack = form.named("unpack")
    unpack.choices = tuple(each for each in unpack.choices if each != NOTHING)
    for name, word in _EMPTY.items():
        field = form.named(name)
        field.texts = field.texts or (word,)
    return form


def _rule(form: Form, known: _Known, roots: Sequence[str]) -> Rule | None:
    """The rule as it was typed; None: it is wrong, which the form shows."""
    if not form.is_valid:
        return None
    before = Rule("", "") if known.stored is None else known.stored.rule
    try:
        rule = changed(before, _given(form), known.names)
    except AccountNotFound as exc:
        form.mark("account", reason_of(exc))
        return None
    except click.UsageError as exc:
        for name in SUBJECTS.values():  # of which one alone may be given
            if form.named(name).texts:
                form.mark(name, exc.message)
        return None
    problems = problems_of(rule, roots)
    for name, reason in problems:
        form.mark(name, translated(reason))
    return None if problems else rule


def _given(form: Form) -> dict[str, Any]:
    given = {name: value for name, value in form.values.items() if name not in {"name", "disabled"}}
    return {**given, "rename": form.values["name"]}


def _page(visit: Visit, form: Form, known: _Known, version: str = "", **values: Any) -> web.Response:  # noqa: ANN401  # of the template
    """The form. `version`: of the rule that its user has seen."""
    stored = known.stored
    by_name = {each.name: each for each in form.fields}
    groups = [(title, [by_name[name] for name in names if name in by_name]) for title, names in _GROUPS]
    return visit.page(
        "rules_form.html",
        status=200 if form.is_valid else 400,
        form=form,
        groups=groups,
        rule=None if stored is None else stored.rule,
        version=version,
        **{"trial": None, "failed": failed_shown, "file": file_shown, "limits": _TRY, **values},
    )


async def add(visit: Visit) -> web.StreamResponse:
    """An empty form, or one that begins as a copy of a rule."""
    copied = visit.query.get("copy")
    known = await _known(visit, copied)
    if copied is None:
        return _page(visit, _form(visit, known, {}, adding=True), known)
    values = exported(known.rule, known.names.name_of)
    texts = _texts({name: value for name, value in values.items() if name not in {"name", "enabled"}})
    fresh = replace(known, stored=None)
    return _page(visit, _form(visit, fresh, {**texts, "name": ()}, adding=True), fresh)


async def save_new(visit: Visit) -> web.StreamResponse:
    """Add the rule."""
    known = await _known(visit, None)
    form = await _read(visit, known, adding=True)
    roots = visit.services.settings.delivery_folders
    if _rule(form, known, roots) is None:
        return _page(visit, form, known)
    values = dict(form.values)
    name, is_disabled = values.pop("name"), values.pop("disabled")

    def work(editor: RuleEditor, names: AccountNames) -> StoredRule:
        return editing.added(editor, names, name, values, enabled=not is_disabled, roots=roots)

    stored = await _saved(visit, form, work)
    return _page(visit, form, known) if stored is None else _to_rule(visit, stored.rule, added_sentence(stored.rule))


async def edit(visit: Visit) -> web.StreamResponse:
    """The form with the rule as it is."""
    known = await _known(visit, visit.part("rule"))
    values = exported(known.rule, known.names.name_of)
    return _page(visit, _form(visit, known, _texts(values), adding=False), known, editing.version_of(known.rule))


async def save(visit: Visit) -> web.StreamResponse:
    """Change the rule, unless another did meanwhile."""
    known = await _known(visit, visit.part("rule"))
    form, number = await _read(visit, known, adding=False), known.rule.rule_id
    roots, version = visit.services.settings.delivery_folders, await visit.text("version")
    if _rule(form, known, roots) is None:
        return _page(visit, form, known, version)
    given = _given(form)

    def work(editor: RuleEditor, names: AccountNames) -> tuple[StoredRule, Changes] | None:
        stored = editing.numbered(editor.every(), number)
        if editing.version_of(stored.rule) != version:
            return None  # and what another program changed is in the history now
        return editing.updated(editor, names, stored.rule.name, given, roots=roots)

    saved = await _saved(visit, form, work)
    if saved is None and form.is_valid:
        form.error = translated(await _conflict(visit, number))
        now = await _known(visit, str(number))
        return _page(visit, form, now, editing.version_of(now.rule))
    if saved is None:
        return _page(visit, form, known, version)
    stored, changes = saved
    sentence = changed_sentence(stored.rule)
    if not changes and not given["position"]:
        sentence = Phrase("Rule {name!r} is as it was.", name=stored.rule.name)
    return _to_rule(visit, stored.rule, sentence, stored.unreadable_because)


async def _saved(visit: Visit, form: Form, work: editing.Edit[T]) -> T | None:
    """Result of the work, once it is saved; None: the form shows why it is not, or the work saved nothing."""
    try:
        return await pages.change(visit, work)
    except RuleExists as exc:
        form.mark("name", reason_of(exc))
    except AccountNotFound as exc:
        form.mark("account", reason_of(exc))
    except click.UsageError as exc:
        form.fail(exc)
    return None


async def _conflict(visit: Visit, number: int) -> Phrase:
    changes = await visit.read(lambda connection: rule_history.latest(connection, limit=1, rule_id=number))
    advice = Phrase(
        "What you typed is still here, and was not saved. Look at the rule as it is now; to replace it, save again."
    )
    if not changes:
        return Phrase.joined(Phrase("The rule was changed meanwhile."), advice)
    last = changes[-1]
    changed_by = Phrase(
        "The rule was changed meanwhile, by {who} at {time}.",
        who=who_of(last) or Phrase("another program"),
        time=shown(last.changed),
    )
    return Phrase.joined(changed_by, advice)


def _to_rule(visit: Visit, rule: Rule, *sentences: Phrase | None) -> web.Response:
    told = [*filter(None, sentences), *rule_sentences(rule), *folder_sentences(visit.services.settings)]
    return visit.redirect(pages.path_of(rule.rule_id), Phrase.joined(*told))


# --- Trying ---


async def try_out(visit: Visit) -> web.StreamResponse:
    """Show which recent mail the rule would match, as it is typed."""
    number = await visit.text("rule")
    known = await _known(visit, number or None)
    form = await _read(visit, known, adding=known.stored is None)
    name = form.named("name")
    if not name.texts:  # it does not matter yet
        name.error, form.values["name"] = None, "-"
    rule = _rule(form, known, visit.services.settings.delivery_folders)
    limits = _TRY_LIVE if visit.is_partial else _TRY
    hidden = await visit.hidden_accounts()
    found = None if rule is None else await _in_turn(visit, rule, limits, hidden)
    values: dict[str, Any] = {"trial": found, "hidden": len(hidden), "limits": limits}
    if visit.is_partial:
        return visit.page("rules_form.html#trial", form=form, failed=failed_shown, file=file_shown, **values)
    return _page(visit, form, known, await visit.text("version"), **values)


async def _in_turn(visit: Visit, rule: Rule, limits: TrialLimits, hidden: frozenset[int]) -> RecentTrial:
    services = visit.services
    try:
        async with asyncio.timeout(_TURN_SECONDS):
            await services.trials.acquire()
    except TimeoutError as exc:
        raise web.HTTPTooManyRequests from exc
    try:
        return await try_recent(services.settings, services.database, rule, limits, without=hidden)
    finally:
        services.trials.release()


async def to_form(visit: Visit) -> web.StreamResponse:
    """The form, where only the address of a trial is known, as after a change of the language."""
    return visit.redirect("/rules/add")


ROUTES: Routes = (
    page("/rules/try", to_form, needs=Role.ADMINISTRATOR),
    page("/rules/add", add, needs=Role.ADMINISTRATOR),
    action("/rules/add", save_new, needs=Role.ADMINISTRATOR),
    action("/rules/try", try_out, needs=Role.ADMINISTRATOR),
    page("/rules/{rule:[^/]+}/edit", edit, needs=Role.ADMINISTRATOR),
    action("/rules/{rule:[^/]+}/edit", save, needs=Role.ADMINISTRATOR),
)
