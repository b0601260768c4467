"""The API against its document: requests that it allows, and others that it does not, made by schemathesis."""

import asyncio
import json
import sys
from pathlib import Path

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from console.messages.log import cursor_of as cursor_in_log
from console.web import limits
from console.web.api.cursors import cursor_of
from console.web.rights import Role
from db.queries.message_log import Position
from tests.doubles.rule_files import add_account, add_rule
from tests.integration.web.api_site import add_dead_letters, fill, program
from tests.integration.web.console_site import ConsoleSite
from tests.integration.web.mail_rows import DAY

_EXAMPLES = 5
_SECONDS = 120
_NAME = "0"
"""The name that schemathesis tries first."""


async def test_the_document_is_valid_and_for_anyone(site: ConsoleSite) -> None:
    answer = await site.visitor().get("/api/v1/openapi.json")
    document = json.loads(answer.raw)
    assert (answer.status, document["openapi"]) == (200, "3.1.0")
    OPENAPI_31_VALIDATOR.validate(document)
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)
    for operations in document["paths"].values():
        for each in operations.values():
            assert {"operationId", "summary", "description"} <= set(each)
            assert {"401", "403", "422", "429", "503"} < set(each["responses"])


@pytest.mark.slow
async def test_the_api_does_what_its_document_says(
    site: ConsoleSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_OF_ADDRESS", 10_000)  # of invalid tokens, which are tried as well
    fill(site)
    site.write(lambda connection: (add_account(connection, _NAME), add_rule(connection, _NAME, nPosition=4)))
    await add_dead_letters(site, 3)
    caller = program(site, Role.ADMINISTRATOR, Role.READER, groups=("directors",))
    configure(tmp_path)
    tests = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        f"{site.url}/api/v1/openapi.json",
        "--header",
        f"Authorization: Bearer {caller.token}",
        f"--max-examples={_EXAMPLES}",
        "--phases=coverage,fuzzing",
        "--seed=18",
        "--continue-on-failure",
        "--no-color",
        "--generation-database=none",
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(_SECONDS):
        output, _ = await tests.communicate()
    assert tests.returncode == 0, output.decode()


def configure(folder: Path) -> None:
    """Give schemathesis cursors of each list: no document says what is in them."""
    cursors = {
        "listAccounts": cursor_of("account-1"),
        "listMessages": cursor_in_log(Position(DAY, 0, 1)),
        "listDeadLetters": cursor_of("1"),
        "listRules": cursor_of("1 1"),
    }
    lines = [
        f'[[operations]]\ninclude-operation-id = "{name}"\nparameters = {{ "query.cursor" = "{cursor}" }}\n'
        for name, cursor in cursors.items()
    ]
    # A rule has more conditions than a schema can say: a folder, regular expressions.
    lines.append('[[operations]]\ninclude-operation-id = "putRule"\nchecks.positive_data_acceptance.enabled = false\n')
    (folder / "schemathesis.toml").write_text("\n".join(lines))
