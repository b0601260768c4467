"""Accounts: list, show, enable, disable."""

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from console.accounts import views
from console.web.api.cursors import cursor_of, text_of
from console.web.api.declarations import Answer, AnyOperation, Given, Name, Nothing, Operation, Paged
from console.web.api.models import Account, AccountChange, Accounts
from console.web.api.requests import answer_json
from console.web.rights import Role
from console.web.routes import GET, POST
from console.web.visit import Visit
from console.wiring.overview import OverviewReader
from db.queries import accounts, installation
from db.queries.installation import AccountState
from monitoring.overview import Overview


class OfAccount(Given):
    """The account of that name."""

    name: Name


def operations_of(reader: OverviewReader) -> list[AnyOperation]:
    """The operations."""

    async def list_(visit: Visit, parameters: Paged, _body: Nothing) -> web.StreamResponse:
        after = None if parameters.cursor is None else text_of(parameters.cursor)
        overview = await reader.read(with_accounts=False)

        def read(connection: Connection) -> tuple[list[AccountState], list[dict[str, Any]]]:
            states = installation.account_page(connection, limit=parameters.limit + 1, after=after)
            shown = states[: parameters.limit]
            return states, _rows(connection, visit, shown, overview)

        states, rows = await visit.read(read)
        more = len(states) > parameters.limit
        return answer_json({"items": rows, "next": cursor_of(rows[-1]["name"]) if more else None})

    async def show(visit: Visit, parameters: OfAccount, _body: Nothing) -> web.StreamResponse:
        overview = await reader.read(with_accounts=False)

        def read(connection: Connection) -> list[dict[str, Any]]:
            account = accounts.with_removed(connection, parameters.name)
            states = installation.account_page(connection, limit=1, account_ids=[account.account_id])
            known = replace(overview, accounts=states)
            return views.rows(connection, [account], visit.services.settings, known)

        return answer_json((await visit.read(read))[0])

    return [
        Operation(
            "listAccounts",
            GET,
            "/accounts",
            "List the accounts that are in use, by name",
            Role.VIEWER,
            Paged,
            None,
            Answer(HTTPStatus.OK, Accounts, "A page of accounts"),
            list_,
        ),
        Operation(
            "getAccount",
            GET,
            "/accounts/{name}",
            "Show an account, also one that was removed, by its present name",
            Role.VIEWER,
            OfAccount,
            None,
            Answer(HTTPStatus.OK, Account, "The account"),
            show,
        ),
        _switch("enable", "Enable an account: its mail is imported", enabled=True),
        _switch("disable", "Disable an account: its mail is no longer imported; its messages stay", enabled=False),
    ]


def _rows(
    connection: Connection, visit: Visit, states: Sequence[AccountState], overview: Overview
) -> list[dict[str, Any]]:
    found = accounts.by_id(connection, [each.account_id for each in states])
    in_order = [found[each.account_id] for each in states if each.account_id in found]
    return views.rows(connection, in_order, visit.services.settings, replace(overview, accounts=states))


def _switch(verb: str, summary: str, *, enabled: bool) -> AnyOperation:
    async def switch(visit: Visit, parameters: OfAccount, _body: Nothing) -> web.StreamResponse:
        now = visit.now

        def work(connection: Connection) -> accounts.Account:
            accounts.set_enabled(connection, parameters.name, enabled, now=now, author=visit.author)
            return accounts.by_name(connection, parameters.name)

        account = await visit.write(work)
        return answer_json(
            {"account_id": account.account_id, "name": account.settings.name, "action": f"{verb}d"},
        )

    return Operation(
        f"{verb}Account",
        POST,
        f"/accounts/{{name}}/{verb}",
        summary,
        Role.ADMINISTRATOR,
        OfAccount,
        None,
        Answer(HTTPStatus.OK, AccountChange, "What was done"),
        switch,
    )
