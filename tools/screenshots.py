"""Takes the pictures of docs/screenshots: pages of the web console of a demo. `make screenshots` runs it."""

import asyncio
import shutil
import struct
import tempfile
import zlib
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Final

import click
from playwright.async_api import Page, async_playwright

from console.demo.demo import DemoProgress, DemoResult, Place, demonstrate
from console.invocation import Invocation
from console.logs import discard
from console.settings import Settings
from console.users.commands import make_link
from db.engine import run_writing
from simulator.calls import Operation
from simulator.control_client import SimulatorControl
from simulator.faults import Fault, FaultKind

FOLDER: Final = Path(__file__).parents[1] / "docs" / "screenshots"
MAX_BYTES: Final = 150_000
_SIZE: Final = (1280, 720)
_MESSAGES: Final = 200
_MAILBOXES: Final = 4
_FAILING: Final = 6
_WAIT_MILLISECONDS: Final = 30_000
_ARGUMENTS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
# Fewer colours compress better; those of flat areas stay what they are but for a shade.
_REDUCE: Final = """async (png) => {
  const image = new Image();
  image.src = "data:image/png;base64," + png;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, image.width, image.height);
  const step = 255 / 31;
  pixels.data.forEach((each, place) => { pixels.data[place] = Math.round(Math.round(each / step) * step); });
  context.putImageData(pixels, 0, 0);
  const reduced = await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer();
  return btoa(Array.from(new Uint8Array(reduced), (each) => String.fromCharCode(each)).join(""));
}"""
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


class PictureTooLarge(Exception):
    """A picture has more bytes than the repository takes."""


def packed(png: bytes) -> bytes:
    """The same picture in fewer bytes: a browser compresses for speed."""
    head, data, place = [], b"", len(_SIGNATURE)
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        kind = png[place + 4 : place + 8]
        body = png[place + 8 : place + 8 + length]
        if kind == b"IDAT":
            data += body
        elif kind == b"IHDR":
            head.append((kind, body))
        place += 12 + length
    chunks = [*head, (b"IDAT", zlib.compress(zlib.decompress(data), 9)), (b"IEND", b"")]
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


class Album:
    """Takes pictures of a page into a folder. `darkroom`: a blank page, which reduces their colours."""

    def __init__(self, page: Page, darkroom: Page, folder: Path) -> None:
        self._page = page
        self._darkroom = darkroom
        self._folder = folder

    async def take(self, name: str) -> None:
        """Take a picture of what the window shows.

        Raises:
            PictureTooLarge
        """
        shown = b64encode(await self._page.screenshot(animations="disabled")).decode("ascii")
        picture = packed(b64decode(await self._darkroom.evaluate(_REDUCE, shown)))
        path = self._folder / f"{name}.png"
        if len(picture) > MAX_BYTES:
            raise PictureTooLarge(f"{path} would have {len(picture)} bytes; {MAX_BYTES} is the most.")
        path.write_bytes(picture)
        click.echo(f"{path}: {len(picture)} bytes")


async def _photograph(page: Page, album: Album, import_folder: Path) -> None:
    for name, path in (("overview", "/"), ("mailboxes", "/mailboxes")):
        await page.goto(path)
        await album.take(name)
    await page.goto("/messages")
    await album.take("e-mail-log")
    await page.goto("/messages?attachment=pdf")
    await page.locator("table.log a").first.click()
    await page.get_by_role("link", name="Show the body").click()
    await page.frame_locator("iframe").locator("body").wait_for()
    await page.evaluate("scrollTo(0, 0)")
    await album.take("e-mail")
    await page.goto("/rules/add")
    await page.get_by_label("Name", exact=False).first.fill("Reports")
    await page.locator("#folder").fill(str(import_folder))
    await page.locator("#attachment_names").fill("*.pdf")
    await page.get_by_role("button", name="Try on recent mail").click()
    table = page.get_by_role("table", name="Mail that matches")
    await table.wait_for()
    await page.locator("#trial-title").evaluate("each => each.scrollIntoView({block: 'center'})")
    await album.take("rule-trial")


async def _photograph_failures(page: Page, album: Album, settings: Settings) -> None:
    """Let mail arrive that cannot be read, and take a picture of it."""
    fault = Fault(FaultKind.REFUSED, operation=Operation.GET_MESSAGE, status=400, error_code="ErrorInvalidRequest")
    assert settings.ca_bundle is not None  # noqa: S101  # the demo sets it
    async with SimulatorControl(settings.graph_url, Path(settings.ca_bundle)) as simulator:
        await simulator.add_fault(fault)
        await simulator.start_traffic(_FAILING, per_second=20.0, seed=7)
        await page.goto("/failures")
        refused = page.get_by_role("link", name="RequestRejected").first
        async with asyncio.timeout(_WAIT_MILLISECONDS / 1000):
            while not await refused.count():
                await page.wait_for_timeout(500)
                await page.reload()
        await page.get_by_role("link", name="All of them").last.click()
        await page.get_by_role("table").first.wait_for()
        await album.take("failures")
        await simulator.remove_faults()


async def _visit(settings: Settings, place: Place, folder: Path) -> None:
    invocation = Invocation(settings)
    with invocation.gateway() as engine:
        link = run_writing(engine, lambda connection: make_link(connection, invocation))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(_ARGUMENTS))
        try:
            context = await browser.new_context(
                base_url=link.partition("/sign-in/")[0],
                locale="en",
                color_scheme="light",
                viewport={"width": _SIZE[0], "height": _SIZE[1]},
            )
            context.set_default_timeout(_WAIT_MILLISECONDS)
            page = await context.new_page()
            await page.goto(link)
            await page.get_by_role("button", name="Sign in").click()
            await page.get_by_role("heading", name="Overview").wait_for()
            album = Album(page, await context.new_page(), folder)
            await _photograph(page, album, place.import_folder)
            await _photograph_failures(page, album, settings)
        finally:
            await browser.close()


async def take_all(directory: Path, folder: Path) -> None:
    """Run a demo in `directory`, and take the pictures of its web console into `folder`."""
    place = Place(directory)
    place.prepare()

    async def visit(result: DemoResult, settings: Settings) -> None:
        if result.faults:
            raise click.ClickException(str(result.faults[0]))
        await _visit(settings, place, folder)

    def show(progress: DemoProgress) -> None:
        del progress

    await demonstrate(place, messages=_MESSAGES, mailboxes=_MAILBOXES, on_progress=show, keep=visit)


@click.command()
def main() -> None:
    """Take the pictures of docs/screenshots."""
    discard()
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mail-importer-") as directory:
        asyncio.run(take_all(Path(directory) / "demo", FOLDER))


if __name__ == "__main__":
    main()
