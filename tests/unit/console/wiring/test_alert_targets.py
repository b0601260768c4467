"""Targets of alerts: in the setting, or in a file that it names."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from console.settings import Settings, SettingsError
from console.wiring.alert_targets import alert_targets


def targets(alerts: str) -> tuple[str, ...]:
    return alert_targets(Settings(alerts=SecretStr(alerts)))


def file_of(content: str, mode: int = 0o600) -> Path:
    path = Path("targets").absolute()
    path.write_text(content)
    path.chmod(mode)
    return path


def test_there_are_none_without_the_setting() -> None:
    assert alert_targets(Settings()) == ()


def test_they_are_separated_by_white_space() -> None:
    assert targets(" mailto://a:b@example.com\n slack://x/y ") == ("mailto://a:b@example.com", "slack://x/y")


def test_a_file_has_one_a_line() -> None:
    path = file_of("# the team\nmailto://a:b@example.com\n\n  slack://x/y\n")
    assert targets(str(path)) == ("mailto://a:b@example.com", "slack://x/y")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_a_file_open_to_others_is_refused_with_the_command_to_run(mode: int) -> None:
    path = file_of("mailto://a:b@example.com\n", mode)
    with pytest.raises(SettingsError, match=f"chmod 600 {path}"):
        targets(str(path))


@pytest.mark.parametrize("alerts", ["hunter2", "mailto://a:b@example.com hunter2", "mailto://a:b@x ://hunter2", "a\0b"])
def test_what_is_no_target_is_refused_and_not_repeated(alerts: str) -> None:
    with pytest.raises(SettingsError) as caught:
        targets(alerts)
    assert "hunter2" not in caught.value.format_message()


def test_a_line_that_is_no_target_is_named_by_its_number() -> None:
    path = file_of("mailto://a:b@example.com\nhunter2\n")
    with pytest.raises(SettingsError, match="target 2 is not a URL") as caught:
        targets(str(path))
    assert "hunter2" not in caught.value.format_message()


def test_a_folder_is_no_file_of_targets() -> None:
    Path("targets").mkdir(mode=0o700)
    with pytest.raises(SettingsError, match="cannot be read"):
        targets("targets")
