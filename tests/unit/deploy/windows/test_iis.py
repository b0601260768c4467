"""IIS as TLS front: the requests that its configuration lets through, and where they go. No IIS runs here.

The rules are interpreted as URL Rewrite does: in their order, the pattern on the path without the leading slash and
without the query, the conditions on server variables, `{R:n}` from the pattern.
https://learn.microsoft.com/iis/extensions/url-rewrite-module/url-rewrite-module-configuration-reference
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import pytest
from lxml import etree

from console.settings import Settings
from receiver.validation import MAX_TOKEN
from tests.powershell import FOLDER

RECEIVER: Final = FOLDER / "web.config"
CONSOLE: Final = FOLDER / "web.console.config"
of_each = pytest.mark.parametrize("path", [RECEIVER, CONSOLE], ids=lambda path: path.name)

_KNOWN: Final = {
    "rule": {"name", "stopProcessing"},
    "match": {"url", "ignoreCase"},
    "add": {"input", "pattern"},
    "action": {
        "type", "url", "appendQueryString", "statusCode", "statusReason", "statusDescription",
    },
}  # fmt: skip
"""The attributes that the interpreter below knows: a rule with another one would be judged wrongly."""


@dataclass(frozen=True)
class Answer:
    """Exactly one is set: the address that the request is passed on to, or the status of IIS itself."""

    target: str | None = None
    status: int | None = None


def element(root: etree._Element, path: str) -> etree._Element:
    found = root.find(path)
    assert found is not None, path
    return found


def read(path: Path) -> etree._Element:
    return element(etree.parse(path).getroot(), "system.webServer")


def true(node: etree._Element, attribute: str, *, default: bool) -> bool:
    return {"true": True, "false": False, None: default}[node.get(attribute)]


def refused(server: etree._Element, method: str, url: str, length: int) -> int | None:
    """Return the status of request filtering: verbs, length of path, query and body."""
    filtering = element(server, "security/requestFiltering")
    limits, parts = element(filtering, "requestLimits"), urlsplit(url)
    allowed = {each.get("verb") for each in filtering.findall("verbs/add") if each.get("allowed") == "true"}
    if true(element(filtering, "verbs"), "allowUnlisted", default=True) or method in allowed:
        if len(parts.path) > int(limits.get("maxUrl", "4096")) or len(parts.query) > int(
            limits.get("maxQueryString", "2048")
        ):
            return 404
        return 413 if length > int(limits.get("maxAllowedContentLength", "30000000")) else None
    return 404


def python(pattern: str) -> str:
    """Return an ECMAScript pattern in Python's syntax, where `$` also matches before a line break at the end."""
    return re.sub(r"\$$", r"\\Z", pattern)


def answer(path: Path, method: str, url: str, *, length: int = 0) -> Answer:
    """Return what IIS does with a request to an absolute URL."""
    server, parts = read(path), urlsplit(url)
    status = refused(server, method, url, length)
    if status is not None:
        return Answer(status=status)
    variables = {"HTTPS": "on" if parts.scheme == "https" else "off"}
    raw = parts.path + (f"?{parts.query}" if parts.query else "")
    for rule in server.iterfind("rewrite/rules/rule"):
        match, action = element(rule, "match"), element(rule, "action")
        flags = re.IGNORECASE if true(match, "ignoreCase", default=True) else 0
        found = re.search(python(match.get("url", "")), unquote(parts.path).removeprefix("/"), flags)
        held = all(
            re.search(python(each.get("pattern", "")), variables[each.get("input", "").strip("{}")], re.IGNORECASE)
            for each in rule.iterfind("conditions/add")
        )
        if found is None or not held:
            continue
        if action.get("type") == "CustomResponse":
            return Answer(status=int(action.get("statusCode", "")))
        target = action.get("url", "").replace("{UNENCODED_URL}", raw)
        target = found.expand(re.sub(r"\{R:(\d)\}", r"\\\1", target))
        if parts.query and true(action, "appendQueryString", default=True):
            target += f"?{parts.query}"
        return Answer(target)
    return Answer(status=404)


@of_each
def test_rules_have_only_what_the_interpreter_knows(path: Path) -> None:
    rules = element(read(path), "rewrite/rules")
    unknown = [
        f"{kind} {name!s}"
        for kind, known in _KNOWN.items()
        for node in rules.iter(kind)
        for name in node.keys()  # noqa: SIM118  # an element iterates over its children
        if name not in known
    ]
    assert unknown == []
    assert all(rule.get("stopProcessing") == "true" for rule in rules.iter("rule"))
    assert rules[0].tag == "clear"  # rules of the server come first otherwise


SITE: Final = "https://mail-in.example.com"


@pytest.mark.parametrize(
    ("method", "url", "target"),
    [
        ("POST", "/notifications", "/notifications"),
        ("POST", "/lifecycle", "/lifecycle"),
        ("GET", "/notifications?validationToken=a%20b%2Bc", "/notifications?validationToken=a%20b%2Bc"),
        ("POST", "/lifecycle?x=1&validationToken=%3Cb%3E", "/lifecycle?x=1&validationToken=%3Cb%3E"),
    ],
)
def test_deliveries_of_graph_reach_the_receiver(method: str, url: str, target: str) -> None:
    """With their query as it came: Graph compares the token that comes back."""
    port = Settings.model_fields["receiver_port"].default
    assert answer(RECEIVER, method, SITE + url) == Answer(f"http://127.0.0.1:{port}{target}")


@pytest.mark.parametrize(
    "url",
    [
        "/", "/health/live", "/health/ready", "/metrics", "/notifications/", "/notifications/health/live",
        "/Notifications", "/x/notifications", "/notifications.json", "/notificationsx", "/web.config",
        "/health/live?validationToken=x", "/notifications%0A",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_else_is_reachable(method: str, url: str) -> None:
    assert answer(RECEIVER, method, SITE + url) == Answer(status=404)


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT"])
def test_other_verbs_are_refused(method: str) -> None:
    assert answer(RECEIVER, method, f"{SITE}/notifications") == Answer(status=404)


@of_each
def test_plain_http_is_not_passed_on(path: Path) -> None:
    """Should the site get a binding without TLS."""
    assert answer(path, "POST", "http://mail-in.example.com/notifications") == Answer(status=404)


def test_limits_are_those_of_the_receiver() -> None:
    """A body that the receiver may be set to take passes, and a validation token of its full length."""
    most = 4 * 1024 * 1024
    delivery = f"{SITE}/notifications"
    assert answer(RECEIVER, "POST", delivery, length=most).target is not None
    assert answer(RECEIVER, "POST", delivery, length=most + 1) == Answer(status=413)
    assert answer(RECEIVER, "POST", f"{delivery}?validationToken={'x' * MAX_TOKEN}").target is not None
    assert answer(RECEIVER, "POST", f"{delivery}?validationToken={'x' * 8192}") == Answer(status=404)


@of_each
def test_answers_come_back_unchanged_and_at_once(path: Path) -> None:
    """503 with Retry-After is not replaced by a page of IIS; nothing is kept, compressed or listed."""
    server = read(path)
    assert element(server, "httpErrors").get("existingResponse") == "PassThrough"
    assert element(server, "caching").items() == [("enabled", "false"), ("enableKernelCache", "false")]
    assert set(element(server, "urlCompression").values()) == {"false"}
    assert element(server, "directoryBrowse").get("enabled") == "false"


@pytest.mark.parametrize(
    "url", ["/", "/events?since=3", "/accounts/R%26D%20lab", "/mail?text=a%2Bb", "/accounts/bin", "/static/app.css"]
)
def test_console_gets_every_path_as_the_browser_sent_it(url: str) -> None:
    port = Settings.model_fields["console_port"].default
    assert answer(CONSOLE, "GET", f"https://console.example.com{url}") == Answer(f"http://127.0.0.1:{port}{url}")
    filtering = element(read(CONSOLE), "security/requestFiltering")
    assert filtering.get("allowDoubleEscaping") == "true"
    assert [each.tag for each in element(filtering, "hiddenSegments")] == ["clear"]
    assert [each.tag for each in element(filtering, "fileExtensions")] == ["clear"]
