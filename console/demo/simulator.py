"""`simulator`: the stand-in of Microsoft Graph and of the sign-in service, alone."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

import click

from console import logs
from console.invocation import example
from console.output import failure
from console.translation.help import Command
from console.translation.language import translated
from console.wiring.process import run_until_signalled
from phrases import Phrase
from simulator.process import Ready, serve


@click.command(cls=Command, epilog=example("mail-importer simulator --directory ./simulator"))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1; 0 takes any free one.")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where its certificate authority and uploads are (default: a new temporary folder).",
)
@click.option("--mailboxes", type=click.IntRange(1, 10_000), help="Number of mailboxes to create.")
@click.option("--json", "as_json", is_flag=True, help="Print what is ready as one line of JSON.")
def simulator(port: int, directory: Path | None, mailboxes: int | None, as_json: bool) -> None:
    """Simulate Microsoft Graph on this machine, to try the product without a tenant.

    Runs until stopped. Prints the settings and accounts to use.
    """
    logs.configure(sys.stderr)
    # Absolute: the paths it prints are for another terminal.
    chosen = directory.absolute() if directory else Path(tempfile.mkdtemp(prefix="mail-importer-simulator-"))
    chosen.mkdir(parents=True, exist_ok=True)

    def tell(ready: Ready) -> None:
        click.echo(_as_json(ready) if as_json else _for_people(ready))

    async def run(stop: asyncio.Event) -> None:
        serving = asyncio.create_task(serve(directory=chosen, port=port, mailboxes=mailboxes, on_ready=tell))
        stopping = asyncio.create_task(stop.wait())
        done, pending = await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()

    try:
        run_until_signalled(run)
    except OSError as exc:
        raise failure(Phrase("The simulator cannot start: {why}.", why=exc.strerror or exc)) from exc


def _as_json(ready: Ready) -> str:
    return json.dumps(
        {
            "url": ready.url,
            "ca_file": str(ready.ca_file),
            "uploads": str(ready.uploads),
            "tenant_id": ready.tenant_id,
            "client_id": ready.client_id,
            "mailboxes": [
                {"address": each.address, "display_name": each.display_name, "user_id": each.user_id}
                for each in ready.mailboxes
            ],
        }
    )


def _for_people(ready: Ready) -> str:
    first = ready.mailboxes[0]
    upload = translated(Phrase("what an administrator uploads in the portal"))
    lines = [
        translated(Phrase("Microsoft Graph and its sign-in service are simulated at {url}", url=ready.url)),
        translated(Phrase("Stop it with Ctrl+C. In another terminal:")),
        "",
        f"  export MAIL_IMPORTER_GRAPH_URL={ready.url} MAIL_IMPORTER_AUTHORITY_URL={ready.url}",
        f"  export MAIL_IMPORTER_CA_BUNDLE={ready.ca_file}",
        "  export MAIL_IMPORTER_NOTIFICATION_URL=http://127.0.0.1:8080",
        "  mail-importer db upgrade",
        "  mail-importer certificates new --subject simulator",
        f"  cp certificates/simulator-*.cer {ready.uploads}/    # {upload}",
        f"  mail-importer accounts add --name laboratory --tenant-id {ready.tenant_id} \\",
        f"    --client-id {ready.client_id} --user-id {first.user_id} \\",
        "    --no-secure-certificate-access --thumbprint THE_THUMBPRINT_PRINTED_ABOVE",
        "  mail-importer run all",
        "",
        translated(Phrase("To let mail arrive:")),
        f"  curl --cacert {ready.ca_file} -X POST {ready.url}/simulator/traffic -d '{{\"messages\": 20}}'",
        "",
        translated(Phrase("Mailboxes:")),
        *(
            translated(Phrase("  {address:32} user id {user_id}", address=each.address, user_id=each.user_id))
            for each in ready.mailboxes
        ),
    ]
    return "\n".join(lines)
