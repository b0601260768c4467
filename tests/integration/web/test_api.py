"""The API: rights of each operation, hidden accounts, pages that are complete, problem details, the replay as a job."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import Connection

from bus.errors import QueueUnavailable
from console.web import gate, limits, sending
from console.web.api import models, requests
from console.web.api.routes import operations_of
from console.web.gate import AT_ONCE, AT_ONCE_OF_ADDRESS, Gate, TooManyRequests
from console.web.rights import Role
from db.queries import accounts, audit, console_activity, history
from db.queries.console_activity import ActivityKind
from phrases import Phrase
from tests.databases import on_every_database
from tests.doubles.rule_files import add_account
from tests.integration.web.api_site import CONTENT, Contents, Program, add_dead_letters, fill, program
from tests.integration.web.console_site import ConsoleSite
from tests.integration.web.mail_rows import add_mail, attachment_numbers

ROOT = "/api/v1"


@pytest.fixture
def contents(site: ConsoleSite) -> Contents:
    return fill(site)


def is_problem(answer: Any, status: int) -> bool:  # noqa: ANN401  # a `Called`
    assert answer.status == status, (answer.status, answer.raw[:500])
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json["status"] == status
    assert {"type", "title", "detail"} <= set(answer.json)
    return True


def paths_of(site: ConsoleSite, contents: Contents) -> Iterator[tuple[str, str, Role | None]]:
    """A request of each operation, and the role that it needs."""
    names = {
        "message_id": contents.message,
        "attachment_id": contents.attachment,
        "job_id": "unknown",
    }
    for each in operations_of(site.services):
        name = "Copies" if each.path.startswith("/rules") else "account-1"
        yield each.method, each.path.format(name=name, **names), each.needs


async def test_every_operation_wants_a_token_and_its_role(site: ConsoleSite, contents: Contents) -> None:
    none = program(site)
    viewer = program(site, Role.VIEWER)
    operator = program(site, Role.OPERATOR)
    reader_alone = program(site, Role.READER)
    for method, path, needs in paths_of(site, contents):
        answer = await Program(site, "mip_wrong").call(method, path)
        assert is_problem(answer, 401), path
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert is_problem(await none.call(method, path), 403), path
        assert is_problem(await reader_alone.call(method, path), 403), path
        if needs is not Role.VIEWER:
            assert is_problem(await viewer.call(method, path), 403), path
        if needs is Role.ADMINISTRATOR:
            assert is_problem(await operator.call(method, path), 403), path


async def test_a_session_of_a_browser_is_no_token(site: ConsoleSite) -> None:
    browser = await site.signed_in(Role.ADMINISTRATOR)
    assert (await browser.get(f"{ROOT}/accounts")).status == 401


async def test_answers_have_the_members_that_the_document_names(site: ConsoleSite, contents: Contents) -> None:
    await add_dead_letters(site, 1)
    reader = program(site, Role.VIEWER, Role.READER)
    for path, model in (
        ("/status", models.Status),
        ("/accounts", models.Accounts),
        ("/accounts/laboratory", models.Account),
        ("/messages", models.Messages),
        (f"/messages/{contents.message}?body=true", models.Message),
        ("/dead-letters", models.DeadLetters),
        ("/rules", models.Rules),
        ("/rules/copies", models.Rule),
    ):
        answer = await reader.get(path)
        assert answer.status == 200, (path, answer.raw)
        assert answer.headers["Cache-Control"] == "no-store"
        model.model_validate_json(answer.raw)
        assert_same_members(answer.json, model)


def assert_same_members(value: dict[str, Any], model: type[BaseModel]) -> None:
    """Fail where an object has other members than its model."""
    assert set(value) == {each.alias or name for name, each in model.model_fields.items()}, model.__name__
    for name, field in model.model_fields.items():
        inner = value[field.alias or name]
        for each in inner if isinstance(inner, list) else [inner]:
            found = [one for one in (field.annotation, *getattr(field.annotation, "__args__", ())) if is_model(one)]
            if found and isinstance(each, dict):
                assert_same_members(each, found[0])


def is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


# Pages.


@on_every_database
async def test_pages_together_have_everything_once(site: ConsoleSite) -> None:
    fill(site)
    await add_dead_letters(site, 4)
    director = program(site, Role.VIEWER, groups=("directors",))
    names = [*(f"account-{number}" for number in range(5)), "board", "laboratory"]
    for limit in (1, 3, 200):
        assert [each["name"] for each in await director.every("/accounts", limit=limit)] == names
        messages = await director.every("/messages", limit=limit)
        assert len(messages) == len({each["cursor"] for each in messages}) == 12
        assert len({each["entry"] for each in await director.every("/dead-letters", limit=limit)}) == 4
        assert [each["name"] for each in await director.every("/rules", limit=limit)] == ["Results", "Copies", "Orders"]


async def test_a_cursor_of_another_list_is_refused_or_ends_it(site: ConsoleSite) -> None:
    viewer = program(site, Role.VIEWER)
    for path in ("/accounts", "/messages", "/dead-letters", "/rules"):
        for cursor in ("nonsense", "AAAA", "YQ==", "LTEgLTE=", "%00", "w6k%3D"):
            answer = await viewer.get(f"{path}?cursor={cursor}")
            assert answer.status == 200 or is_problem(answer, 422)


@on_every_database
async def test_messages_are_found_by_the_criteria_of_the_command(site: ConsoleSite) -> None:
    fill(site)
    viewer = program(site, Role.VIEWER)

    async def found(query: str) -> list[str]:
        return [each["graph_id"] for each in (await viewer.get(f"/messages?{query}")).json["items"]]

    assert await found("subject=LEAD") == ["with-body"]
    assert await found("to=importer") == ["with-body"]
    assert await found("attachment=page.htm&account=laboratory") == ["with-body"]
    assert set(await found("state=failed&state=waiting")) == {"retrying", "dead"}
    assert set(await found("from=lab%40example.com&rule_state=red")) == {"imported-red"}
    assert await found("rule=results&rule_state=green") == ["imported-green"]
    assert await found("since=2026-11-20T12:00:01Z") == []
    assert is_problem(await viewer.get("/messages?account=unknown"), 404)
    assert is_problem(await viewer.get("/messages?rule=unknown"), 404)


# Rights.


async def test_mail_of_a_hidden_account_is_not_found(site: ConsoleSite, contents: Contents) -> None:
    everything = program(site, Role.ADMINISTRATOR, Role.READER)
    director = program(site, Role.VIEWER, Role.READER, groups=("Directors",), name="director")
    content = f"/messages/{contents.hidden}/attachments/{contents.hidden_attachment}/content"
    elsewhere = f"/messages/{contents.message}/attachments/{contents.hidden_attachment}/content"
    assert "hidden" not in (await everything.get("/messages?limit=200")).raw.decode()
    assert (await everything.get("/messages?account=board")).json["items"] == []
    for path in (f"/messages/{contents.hidden}", f"/messages/{contents.hidden}?body=true", content, elsewhere):
        assert is_problem(await everything.get(path), 404), path
    assert (await director.get(f"/messages/{contents.hidden}?body=true")).json["body"] == "The price is 7."
    assert (await director.get(content)).raw == b"pdf"
    assert {each["graph_id"] for each in (await director.get("/messages?account=board")).json["items"]} == {
        "hidden",
        "hidden-dead",
    }


async def test_a_body_is_for_readers_and_its_opening_is_recorded(site: ConsoleSite, contents: Contents) -> None:
    path = f"/messages/{contents.message}"
    viewer, reader = program(site, Role.VIEWER), program(site, Role.VIEWER, Role.READER)
    answer = await viewer.get(path)
    assert (answer.json["body"], answer.json["body_text"], answer.json["body_type"]) == (None, None, "html")
    assert "Lead 42" not in answer.raw.decode()
    assert is_problem(await viewer.get(f"{path}?body=true"), 403)
    assert not site.read(lambda connection: console_activity.latest(connection, limit=10))
    assert (await reader.get(f"{path}?body=true")).json["body"] == "<p>Lead 42</p>"
    [noted] = site.read(lambda connection: console_activity.of_message(connection, contents.message, limit=10))
    assert (noted.who, noted.action, noted.address) == ("viewer-reader", ActivityKind.BODY_OPENED, "127.0.0.1")


async def test_a_download_is_whole_harmless_and_recorded(site: ConsoleSite, contents: Contents) -> None:
    reader = program(site, Role.VIEWER, Role.READER)
    first, second = (await reader.get(f"/messages/{contents.message}")).json["attachments"]
    path = f"/messages/{contents.message}/attachments/{first['attachment_id']}/content"
    answer = await reader.get(path)
    assert (answer.status, answer.raw, first["stored"]) == (200, CONTENT, len(CONTENT))
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="page.html"')
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    [noted] = site.read(lambda connection: console_activity.of_message(connection, contents.message, limit=10))
    assert (noted.action, noted.detail) == (ActivityKind.ATTACHMENT_DOWNLOADED, "page.html")
    assert second["stored"] is None
    missing = f"/messages/{contents.message}/attachments/{second['attachment_id']}/content"
    assert is_problem(await reader.get(missing), 404)


async def test_a_download_that_is_not_read_ends(site: ConsoleSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_STALLED_SECONDS", 0.2)
    monkeypatch.setattr(gate, "AT_ONCE_OF_ADDRESS", 1)
    reader = program(site, Role.VIEWER, Role.READER)

    def work(connection: Connection) -> str:
        add_account(connection)
        message = add_mail(connection, "large", files=[("large.bin", bytes(20_000_000))])
        return f"{ROOT}/messages/{message}/attachments/{attachment_numbers(connection, message)[0]}/content"

    path = site.write(work)
    host = site.url.removeprefix("http://")
    incoming, outgoing = await asyncio.open_connection(*host.split(":"), limit=1000)
    outgoing.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {reader.token}\r\n\r\n".encode())
    assert await incoming.readline() == b"HTTP/1.1 200 OK\r\n"
    assert (await reader.get("/rules")).status == 429
    until = time.monotonic() + 10
    while (await reader.get("/rules")).status != 200:
        assert time.monotonic() < until
        await asyncio.sleep(0.05)
    outgoing.close()
    with suppress(ConnectionError):
        await outgoing.wait_closed()


async def test_changes_are_made_under_the_name_of_the_user(site: ConsoleSite) -> None:
    fill(site)
    administrator = program(site, Role.ADMINISTRATOR)
    answer = await administrator.call("POST", "/accounts/laboratory/disable")
    assert answer.json == {"account_id": 1, "name": "laboratory", "action": "disabled"}
    assert not site.read(lambda connection: accounts.by_name(connection, "laboratory")).enabled
    change = site.read(history.changes)[-1]
    assert (change.author.who, change.author.host) == ("administrator", "console 127.0.0.1")
    assert (await administrator.call("POST", "/rules/COPIES/disable")).json["name"] == "Copies"
    assert (await administrator.get("/rules/Copies")).json["enabled"] is False
    assert (await administrator.call("POST", "/rules/Copies/enable")).json["action"] == "enabled"
    assert (await administrator.call("DELETE", "/rules/copies")).json["action"] == "removed"
    assert is_problem(await administrator.get("/rules/Copies"), 404)
    assert is_problem(await administrator.call("POST", "/accounts/unknown/enable"), 404)


async def test_a_rule_is_put_as_it_is_shown(site: ConsoleSite) -> None:
    fill(site)
    administrator = program(site, Role.ADMINISTRATOR)
    conditions = {"senders": ["lab.example"], "subject_is": ["Results"], "size_most": 5000, "has_attachments": True}
    rule = {"folder": "/srv/import/new", "account": "laboratory", "conditions": conditions, "unpack": ["zip"]}
    put = await administrator.call("PUT", "/rules/New%2Fone", {**rule, "save_body": "text", "enabled": False})
    assert (put.status, put.json["action"]) == (200, "added"), put.raw
    shown = (await administrator.get("/rules/new%2fONE")).json
    assert (shown["name"], shown["enabled"], shown["account"]) == ("New/one", False, "laboratory")
    assert {name: value for name, value in shown["conditions"].items() if value not in ([], None)} == conditions
    assert (shown["unpack"], shown["save_body"], shown["save_original"]) == (["zip"], "text", False)
    put = await administrator.call("PUT", "/rules/new%2Fone", {"folder": "/srv/import/new"})
    assert put.json == {"rule_id": shown["rule_id"], "name": "New/one", "action": "changed"}
    shown = (await administrator.get("/rules/New%2Fone")).json
    assert (shown["enabled"], shown["account"], shown["save_body"]) == (False, None, None)
    assert not any(shown["conditions"].values())
    put = await administrator.call("PUT", "/rules/new%2Fone%20", {"folder": "/srv/import/new"})
    assert (put.status, put.json["name"], put.json["action"]) == (200, "New/one", "unchanged"), put.raw
    answer = await administrator.call("PUT", "/rules/Other", {"folder": "relative", "conditions": {"size_least": -1}})
    assert is_problem(answer, 422)
    assert [each["pointer"] for each in answer.json["errors"]] == ["/conditions/size_least"]
    answer = await administrator.call("PUT", "/rules/Other", {"folder": "relative"})
    assert is_problem(answer, 422)
    assert "relative" in answer.json["errors"][0]["detail"]
    assert is_problem(await administrator.get("/rules/Other"), 404)


# Replay.


async def ended(caller: Program, location: str) -> dict[str, Any]:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        job: dict[str, Any] = (await caller.get(location)).json
        if job["state"] != "running":
            return job
        await asyncio.sleep(0.02)
    raise AssertionError("the job does not end")


async def test_a_replay_is_a_job_of_its_caller_and_on_record(site: ConsoleSite) -> None:
    fill(site)
    await add_dead_letters(site, 3)
    await add_dead_letters(site, 2, reason="Other")
    operator, other = program(site, Role.OPERATOR), program(site, Role.OPERATOR, name="other")
    selection = {"account": "laboratory", "reason": "ItemCorrupt"}
    counted = await operator.call("POST", "/dead-letters/replay", {**selection, "dry_run": True})
    assert counted.status == 202
    job = await ended(operator, counted.headers["Location"])
    assert (job["state"], job["result"]) == ("done", {"would_be_replayed": 3, "imported_already": 0})
    assert len((await operator.get("/dead-letters")).json["items"]) == 5
    started = await operator.call("POST", "/dead-letters/replay", {**selection, "why": "ticket 7"})
    job = await ended(operator, started.headers["Location"])
    assert job["result"] == {"replayed": 3, "imported_already": 0}
    assert is_problem(await other.get(started.headers["Location"]), 404)
    left = (await operator.get("/dead-letters?reason=Other")).json["items"]
    assert len(left) == len((await operator.get("/dead-letters")).json["items"]) == 2
    [entry] = site.read(lambda connection: audit.latest(connection, limit=10))
    assert (entry.who, entry.why, entry.messages) == ("operator", "ticket 7", 3)
    by_entry = await operator.call("POST", "/dead-letters/replay", {"ids": [left[0]["entry"]]})
    assert (await ended(operator, by_entry.headers["Location"]))["result"]["replayed"] == 1


async def test_wrong_members_are_named_by_their_pointers(site: ConsoleSite) -> None:
    operator = program(site, Role.OPERATOR)
    bodies: list[tuple[object, str]] = [
        ({}, ""),
        ({"dry_run": True}, ""),
        ({"all": True, "reason": "Other"}, ""),
        ({"all": False}, "/all"),
        ({"ids": ["1", "x"]}, "/ids/1"),
        ({"ids": []}, "/ids"),
        ({"account": None}, "/account"),
        ({"account": 1}, "/account"),
        ({"reason": "a\0b"}, "/reason"),
        ({"since": "yesterday"}, "/since"),
        ({"all": True, "a/b": 1}, "/a~1b"),
        (b"[]", ""),
        (b"{", ""),
        (b"\xff", ""),
    ]
    for body, pointer in bodies:
        answer = await operator.call("POST", "/dead-letters/replay", body)
        assert is_problem(answer, 422)
        assert pointer in [each["pointer"] for each in answer.json["errors"]], body


# Errors.


async def test_wrong_parameters_are_named(site: ConsoleSite) -> None:
    viewer = program(site, Role.VIEWER)
    for query in (
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=1.0",
        "limit=1&limit=2",
        "unknown=1",
        "since=1",
        "since=2026-11-20",
        "state=lost",
        "subject=",
        "subject=%00",
        f"subject={'x' * 1001}",
        "cursor=",
    ):
        answer = await viewer.get(f"/messages?{query}")
        assert is_problem(answer, 422)
        assert [each["parameter"] for each in answer.json["errors"]] == [query.partition("=")[0]]


async def test_errors_are_problem_details(site: ConsoleSite) -> None:
    operator = program(site, Role.OPERATOR)
    assert is_problem(await operator.get("/nothing"), 404)
    assert is_problem(await operator.get("/messages/99999"), 404)
    assert is_problem(await operator.get("/messages/99999999999999999999"), 404)
    assert is_problem(await operator.get("/messages/one"), 404)
    assert is_problem(await operator.get("/messages/1?body=maybe"), 422)
    assert is_problem(await operator.get("/accounts/%00"), 404)
    answer = await operator.call("PUT", "/accounts")
    assert is_problem(answer, 405)
    assert answer.headers["Allow"] == "GET"
    replay = "/dead-letters/replay"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert is_problem(await operator.call("POST", replay, b"all=true", form), 415)
    assert is_problem(await operator.call("POST", replay, b'"' + b"x" * 1_100_000 + b'"'), 413)
    refused = await operator.call("POST", "/accounts/a/enable", {})
    assert is_problem(refused, 403)
    assert "token" in refused.json["detail"]  # and nothing of pages to load again
    assert is_problem(await program(site, Role.ADMINISTRATOR).call("POST", "/accounts/a/enable", {}), 422)


@pytest.mark.parametrize(("method", "path"), [("POST", "/dead-letters/replay"), ("GET", "/rules")])
async def test_a_body_that_does_not_arrive_gives_up_its_place(
    site: ConsoleSite, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    monkeypatch.setattr(requests, "_BODY_SECONDS", 0.1)
    token = program(site, Role.OPERATOR).token
    host = site.url.removeprefix("http://")
    incoming, outgoing = await asyncio.open_connection(*host.split(":"))
    head = (f"{method} {ROOT}{path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {token}")
    outgoing.write("\r\n".join((*head, "Content-Type: application/json", "Content-Length: 100", "", "")).encode())
    async with asyncio.timeout(60):
        assert (await incoming.readline()).startswith(b"HTTP/1.1 408")
    outgoing.close()


async def test_what_does_not_answer_is_a_503_and_too_many_requests_are_a_429(
    site: ConsoleSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = program(site, Role.VIEWER)

    async def fail(**_: object) -> None:
        raise QueueUnavailable(Phrase("The queue does not answer."))

    with monkeypatch.context() as patch:
        patch.setattr(site.services.queue, "peek", fail)
        answer = await viewer.get("/dead-letters")
        assert is_problem(answer, 503)
        assert (answer.json["detail"], int(answer.headers["Retry-After"]) > 0) == ("The queue does not answer.", True)
    with monkeypatch.context() as patch:
        patch.setattr(gate, "AT_ONCE_OF_ADDRESS", 0)
        answer = await viewer.get("/dead-letters")
        assert is_problem(answer, 429)
        assert answer.headers["Retry-After"] == "1"
    assert (await viewer.get("/dead-letters")).status == 200


async def test_invalid_tokens_are_limited_by_address_and_valid_ones_are_not(site: ConsoleSite) -> None:
    viewer, guess = program(site, Role.VIEWER), Program(site, "mip_guess")
    statuses = [(await guess.get("/rules")).status for _ in range(51)]
    assert set(statuses[:50]) == {401}
    answer = await guess.get("/rules")
    assert is_problem(answer, 429)
    assert int(answer.headers["Retry-After"]) > 0
    assert (await viewer.get("/rules")).status == 200


async def test_a_network_of_ipv6_is_limited_as_one_address(site: ConsoleSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every host has 2**64 addresses, one for each guess."""
    monkeypatch.setattr(limits, "MAX_OF_ADDRESS", 2)
    guess = Program(site, "mip_guess")
    answers = [
        await guess.call("GET", "/rules", headers={"X-Forwarded-For": address})
        for address in ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1")
    ]
    assert [each.status for each in answers] == [401, 401, 429, 401]
    passwords = site.services.sign_in_limits
    for number in range(2):
        assert await passwords.begin(f"user {number}", f"2001:db8::{number}")
    assert [await passwords.begin("marie", each) for each in ("2001:db8::9", "2001:db8:0:1::9")] == [False, True]
    at_once = Gate()
    with ExitStack() as in_progress:
        for number in range(AT_ONCE_OF_ADDRESS):
            in_progress.enter_context(at_once.passed(f"2001:db8::{number}"))
        with pytest.raises(TooManyRequests), at_once.passed("2001:db8::9"):
            pass
        with at_once.passed("2001:db8:0:1::9"):
            pass


async def test_the_requests_at_a_time_are_limited() -> None:
    at_once = Gate()
    with ExitStack() as in_progress:
        for _ in range(AT_ONCE_OF_ADDRESS):
            in_progress.enter_context(at_once.passed("a"))
        with pytest.raises(TooManyRequests), at_once.passed("a"):
            pass
        for _ in range(AT_ONCE - AT_ONCE_OF_ADDRESS):
            in_progress.enter_context(at_once.passed("b"))
        with pytest.raises(TooManyRequests), at_once.passed("c"):
            pass
    with at_once.passed("a"):
        pass
