"""Unit tests that expect a POSIX system: left out on Windows, each with the reason."""

from typing import Final

import pytest

_ALIVE: Final = "signal 0 does not ask there whether a process is alive"
_MODES: Final = "file modes mean nothing there"
_PATHS: Final = "its paths are those of POSIX"
_PROGRAM: Final = "it runs a program of Debian"
_SIGNAL: Final = "SIGTERM ends a process of Windows at once"

REASONS: Final = {
    "certificates/test_commands.py::test_a_store_that_cannot_be_here_is_a_wrong_setting": "there it is possible",
    "certificates/test_convert.py::test_every_form_with_a_key_is_private_and_found_by_the_store": _MODES,
    "certificates/test_convert.py::test_openssl_reads_a_pfx_and_finds_it_encrypted_as_promised": _PROGRAM,
    "certificates/test_convert.py::test_what_openssl_wrote_is_read": _PROGRAM,
    "certificates/test_convert.py::test_an_encrypted_key_in_der_needs_its_password": _PROGRAM,
    "certificates/test_convert.py::test_nothing_is_overwritten_unless_forced": _MODES,
    "checks/test_folders.py::test_folders_are_written_to_and_left_empty": "Wine keeps no time of creation",
    "checks/test_folders.py::test_a_folder_that_is_missing_fails_with_its_cause": _PATHS,
    "config/test_config.py::test_everything_that_the_settings_name_is_tried_at_once": _MODES,
    "config/test_config.py::test_the_file_to_begin_with_has_every_setting_and_changes_none": _MODES,
    "content/test_body_text.py::test_a_body_that_takes_too_much_is_left_out": "Wine enforces no limit of memory",
    "rules/test_bulk.py::test_a_folder_outside_the_roots_of_this_host_is_refused": _PATHS,
    "rules/test_commands.py::TestFolders::": _PATHS,
    "test_completion.py::test_bash_takes_its_script": _PROGRAM,
    "test_loop.py::test_without_file_handles_it_tries_again_once_at_a_time_and_reports_it_once": "it has no such limit",
    "test_metrics_endpoint.py::test_an_address_of_another_host_is_an_error": "Wine reports another error",
    "test_process_pool.py::test_a_caller_that_is_cancelled_ends_the_work": _ALIVE,
    "test_process_pool.py::test_a_process_has_no_secrets_and_imports_nothing_from_here": "the importlib of Wine fails",
    "test_process_pool.py::test_processes_that_were_killed_while_idle_cost_no_work": _ALIVE,
    "test_output.py::test_a_value_is_shown_as_people_read_it": _PATHS,
    "wiring/test_alert_targets.py::test_a_file_open_to_others_is_refused_with_the_command_to_run": _MODES,
    "wiring/test_database.py::test_statements_of_an_upgrade_may_take_their_time": "Wine has no ODBC driver",
    "wiring/test_process.py::test_a_process_ends_after_a_signal_whatever_hangs_in_it": _SIGNAL,
    "wiring/test_process.py::test_a_process_ends_whatever_the_reader_of_its_log_does": _SIGNAL,
    "test_connections.py::TestSilence::test_headers_that_do_not_come_end_the_connection": "aiohttp logs an error there",
}


def skip_posix_tests(items: list[pytest.Item]) -> None:
    """Skip those among the collected tests."""
    for item in items:
        for part, reason in REASONS.items():
            if part in item.nodeid:
                item.add_marker(pytest.mark.skip(reason=reason))
