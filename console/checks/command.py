"""`mail-importer accounts test`: the administrator's "test settings"."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import click

from console.checks import report, view
from console.checks.account import Candidate, brief_test, for_candidate
from console.checks.runner import Result, Step, count, run_checks
from console.invocation import Invocation, account_names, as_stored, example, pass_invocation
from console.loop import run_async
from console.output import as_json, failure, tell
from console.translation.help import Command
from db.engine import run_reading
from db.queries import accounts
from db.queries.accounts import AccountSettings
from phrases import Phrase


@click.command(
    "test",
    cls=Command,
    epilog=example(
        "mail-importer accounts test laboratory",
        "mail-importer accounts test laboratory --deny director@example.com",
        "mail-importer accounts test laboratory --report support.json",
    ),
)
@click.argument("name", callback=as_stored, shell_complete=account_names)
@click.option(
    "--deny",
    "denied",
    metavar="USER",
    multiple=True,
    callback=lambda _context, _parameter, users: tuple(dict.fromkeys(each.strip() for each in users if each.strip())),
    help="Prove that this user's mailbox is refused to the application (object id or address; may be repeated).",
)
@click.option("--allow-shared", is_flag=True, help="A shared mailbox passes: it is meant to be one.")
@click.option(
    "--report",
    "report_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all that support needs into this file: JSON without secrets and without mail.",
)
@click.option("--json", "in_json", is_flag=True, help="Print the steps as one object of JSON, for monitoring.")
@pass_invocation
def test(
    invocation: Invocation,
    name: str,
    denied: tuple[str, ...],
    allow_shared: bool,
    report_file: Path | None,
    in_json: bool,
) -> None:
    """Test the settings of an account, step by step.

    From the certificate over proxy, sign-in, permissions and mailbox to the notification address and the database;
    each step reports what it found, and after a failure the reason and the remedy. Takes about a minute at most,
    changes nothing, and may run beside the roles. Exit status 1 if a step failed.
    """
    with invocation.gateway() as engine:
        account = run_reading(engine, lambda connection: accounts.usable(connection, name))
    candidate = Candidate(account.account_id, account.settings)
    steps = _run(
        invocation, candidate, denied=denied, allow_shared=allow_shared, report_file=report_file, in_json=in_json
    )
    bad = count(steps, Result.FAILED)
    if bad:
        raise failure(Phrase.counted("{n} check failed.", "{n} checks failed.", n=bad))


def require_passed(invocation: Invocation, settings: AccountSettings, *, allow_shared: bool) -> None:
    """Test an account that is not in the database yet. `allow_shared`: a shared mailbox passes.

    Raises:
        click.ClickException: a check failed.
    """
    steps = _run(invocation, Candidate(None, settings), allow_shared=allow_shared)
    bad = count(steps, Result.FAILED)
    if bad:
        raise failure(
            Phrase.counted("{n} check failed. Nothing was saved.", "{n} checks failed. Nothing was saved.", n=bad)
        )


def _run(
    invocation: Invocation,
    candidate: Candidate,
    *,
    denied: Sequence[str] = (),
    allow_shared: bool,
    report_file: Path | None = None,
    in_json: bool = False,
) -> list[Step]:
    settings = invocation.settings
    started = invocation.clock()

    async def work() -> list[Step]:
        async with brief_test(
            settings, candidate, denied=denied, allow_shared=allow_shared, clock=invocation.clock
        ) as opened:
            steps = await run_checks(
                opened.checks,
                on_begin=(lambda _check: nullcontext()) if in_json else view.begun,
                on_end=(lambda _step: None) if in_json else view.ended,
            )
            if report_file is not None:
                report.write(report.bundle(settings, candidate, opened, steps, started=started), report_file)
            return steps

    steps = [for_candidate(each, candidate) for each in run_async(work())]
    if in_json:
        click.echo(json.dumps(report.outcome(candidate, steps, started=started), indent=2, default=as_json))
    else:
        view.failures(steps)
        tell(view.summary(steps))
    if report_file is not None:
        tell(Phrase("{file} holds all that support needs, and no secrets.", file=report_file))
    return steps
