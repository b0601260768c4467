"""Targets as Apprise serves them: real servers, real failures, and no secret outside."""

import io
import logging
import threading
import time
from pathlib import Path

import pytest

from alerts.errors import SendFailed, UnusableTargets
from alerts.services import open_targets
from tests.doubles.alert_receivers import LOOPBACK, silent_port, smtp_server, webhook
from tests.doubles.listeners import Issuer
from tests.ports import free_port

SECRET = "s3cret-t0ken"


def reason_of(url: str, *, roots: bytes | None = None) -> str:
    [target] = open_targets([url], roots=roots)
    with pytest.raises(SendFailed) as failed:
        target.send("title", "body")
    return str(failed.value)


def test_a_webhook_gets_title_and_text() -> None:
    with webhook() as hook:
        [target] = open_targets([hook.url()])
        target.send("Titre à lire", "one\n\n<b> *two*")
        [post] = hook.posts
        assert (post["title"], post["message"]) == ("Titre à lire", "one\n\n<b> *two*")
        assert post["attachments"] == []


def test_a_mail_has_the_text_with_its_lines() -> None:
    with smtp_server() as mailbox:
        [target] = open_targets([mailbox.url])
        target.send("Titre à lire", "one\n\nMore: accounts show 'a & <b>'")
        [message] = mailbox.messages
        assert (message["Subject"], message["To"]) == ("Titre à lire", "operator@example.com")
        assert "one" in mailbox.texts[0]
        assert "a & <b>" in mailbox.texts[0]


def test_each_recipient_of_mail_is_a_target_of_its_own() -> None:
    """An alert that a server refuses for one of them is not sent again to the others."""
    with smtp_server() as mailbox:
        mailbox.unknown = {"left@example.com", "gone@example.com"}
        more = ",left@example.com,Else%20<else@example.com>&cc=gone@example.com,b@example.com"
        targets = open_targets([mailbox.url.replace("operator@example.com", f"operator@example.com{more}")])
        assert [each.name for each in targets] == [
            f"E-Mail {LOOPBACK}:{mailbox.port}",
            *(f"E-Mail {LOOPBACK}:{mailbox.port} ({number})" for number in range(2, 6)),
        ]
        assert len({each.fingerprint for each in targets}) == 5
        for each, is_known in zip(targets, [True, False, True, True, False], strict=True):
            if is_known:
                each.send("title", "body")
                continue
            with pytest.raises(SendFailed, match="no such user"):
                each.send("title", "body")
        assert [str(each["To"]) for each in mailbox.messages] == [
            "operator@example.com",
            "Else <else@example.com>",
            "b@example.com",
        ]
        assert all(each["Cc"] is None for each in mailbox.messages)


def test_names_show_service_and_host_but_no_secret_and_differ() -> None:
    urls = [
        f"mailtos://user:{SECRET}@mail.example.com:587/?from=a@example.com&to=b@example.com",
        f"jsons://hook.example.com/{SECRET}",
        f"jsons://hook.example.com/other-{SECRET}",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#alerts",
        f"workflows://prod-12.westeurope.logic.azure.com:443/643e69f83c8944/{SECRET}",
    ]
    targets = open_targets(urls)
    assert [each.name for each in targets] == [
        "E-Mail mail.example.com:587",
        "JSON hook.example.com",
        "JSON hook.example.com (2)",
        "Slack",
        "Power Automate / Workflows (for MSTeams) prod-12.westeurope.logic.azure.com:443",
    ]
    assert SECRET not in repr(targets)
    assert len({each.fingerprint for each in targets}) == len(urls)
    assert open_targets(urls[:1])[0].fingerprint == targets[0].fingerprint


def test_urls_that_are_not_understood_are_named_by_their_place() -> None:
    with pytest.raises(UnusableTargets) as wrong:
        open_targets([f"json://{LOOPBACK}", f"bogus://{SECRET}", "slack://x"])
    assert wrong.value.numbers == (2, 3)
    assert SECRET not in str(wrong.value)


def test_the_reason_of_a_failure_is_the_real_error_without_secrets() -> None:
    port = free_port()
    assert "Connection refused" in reason_of(f"json://user:{SECRET}@{LOOPBACK}:{port}/{SECRET}?+X-Key={SECRET}")
    mail = reason_of(f"mailto://user:{SECRET}@{LOOPBACK}:{port}?from=a@example.com&to=b@example.com&mode=insecure")
    assert "Connection refused" in mail
    with silent_port() as silent:
        assert "timed out" in reason_of(f"json://{LOOPBACK}:{silent}/{SECRET}?rto=0.2").lower()
    with webhook() as hook:
        hook.status = 403
        refused = reason_of(hook.url(SECRET))
        assert "403" in refused
        assert "refused at" in refused
        assert SECRET not in refused
    with smtp_server() as mailbox:
        mailbox.refusal = "550 relaying denied"
        assert "relaying denied" in reason_of(mailbox.url)


def test_what_a_service_refuses_as_too_long_is_cut() -> None:
    """As Discord and Telegram do with an alert of several problems; a longer limit than Apprise knows is used."""
    title, body = "12 problems", "one\n\n" + "of many " * 1000
    with webhook() as hook:
        url = f"mmost://{LOOPBACK}:{hook.port}/token-abcdef"
        [target] = open_targets([url])
        target.send(title, body)
        assert body.strip() in hook.posts[0]["text"]
        hook.longest = 4000
        target.send(title, body)
        assert len(hook.posts) == 2
        assert title in hook.posts[1]["text"]
        assert len(hook.posts[1]["text"]) > 3000
        hook.longest = 1
        assert "400" in reason_of(url)


def test_a_redirect_is_a_failure_since_what_was_posted_would_be_lost() -> None:
    with webhook() as hook:
        hook.status = 302
        assert "302" in reason_of(hook.url())


def test_certificates_are_trusted_by_the_given_roots(tmp_path: Path) -> None:
    known, unknown = Issuer(tmp_path, "known"), Issuer(tmp_path, "unknown")
    with webhook(tls=known.serving("localhost")) as hook:
        url = f"jsons://localhost:{hook.port}/{SECRET}"
        [target] = open_targets([url], roots=known.file().read_bytes())
        target.send("title", "body")
        assert hook.titles == ["title"]
        assert "certificate" in reason_of(url, roots=unknown.file().read_bytes()).lower()
        assert "certificate" in reason_of(url).lower()


def test_concurrent_sends_keep_their_reasons_apart() -> None:
    with webhook() as hook:
        hook.status = 403
        port = free_port()
        urls = [hook.url(), f"json://{LOOPBACK}:{port}/x"] * 4
        reasons: dict[int, str] = {}
        threads = [
            threading.Thread(target=lambda number=number, url=url: reasons.update({number: reason_of(url)}))
            for number, url in enumerate(urls)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert ["403" in reasons[number] for number in range(8)] == [True, False] * 4
    assert ["Connection refused" in reasons[number] for number in range(8)] == [False, True] * 4


def test_nothing_of_apprise_reaches_the_logs(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not at any level: what it logs quotes URLs. (pytest's own capture would listen to it all the same.)"""
    root, records = logging.getLogger(), io.StringIO()
    monkeypatch.setattr(root, "handlers", [logging.StreamHandler(records)])
    monkeypatch.setattr(root, "level", logging.DEBUG)
    reason_of(f"json://{LOOPBACK}:{free_port()}/{SECRET}")
    with pytest.raises(UnusableTargets):
        open_targets([f"bogus://{SECRET}"])
    written = capfd.readouterr()
    assert SECRET not in records.getvalue() + written.out + written.err


def test_messages_of_one_target_do_not_wait_for_each_other() -> None:
    """Apprise would pause for seconds between two mails."""
    with smtp_server() as mailbox:
        [target] = open_targets([mailbox.url])
        began = time.monotonic()
        for _ in range(3):
            target.send("title", "body")
        assert len(mailbox.messages) == 3
        assert time.monotonic() - began < 8
