"""Writes the bill of materials of a release: CycloneDX 1.6, JSON. `make sbom`, which needs the dev dependencies.

It has the packages that the product runs with, on every platform and with every extra, and the scripts for browsers
that are part of it; not the tools that build and test it, nor what an image adds (Python, Debian). The same commit
gives the same bytes. https://cyclonedx.org/docs/1.6/json/
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import NAMESPACE_URL, uuid5

import click
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from tools.licences import RuntimePackage, runtime_packages
from tools.lock_file import PRODUCT

STATIC: Final = Path(__file__).parents[1] / "console" / "web" / "static"
"""Folder of what browsers load from the web console."""

_BUNDLED: Final = re.compile(
    r"^(?P<title>.+) (?P<version>[\d.]+) \((?P<file>\S+)\), (?P<address>https://\S+)$", re.MULTILINE
)
_NPM_NAMES: Final[Mapping[str, str]] = {"htmx": "htmx.org", "htmx SSE extension": "htmx-ext-sse"}
_BUNDLED_LICENCE: Final = "0BSD"


def bill(version: str, made: datetime) -> str:
    """The bill of this version as JSON; `made`: the time that it names, aware.

    Raises:
        LicenceUnknown: of a package; from `tools.licences`.
        UnreadableLock: from `tools.lock_file`.
    """
    packages = runtime_packages()
    product = Component(
        name=PRODUCT,
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref=PRODUCT,
        licenses=[LicenseExpression("MIT")],
        purl=PackageURL("pypi", name=PRODUCT, version=version),
    )
    bundled = list(_bundled())
    components = [*map(_component, packages), *bundled]
    metadata = BomMetaData(component=product, timestamp=made)
    # A number that the contents decide: the same for the same release, another one for any other.
    number = uuid5(NAMESPACE_URL, "\n".join([version, *(str(each.purl) for each in components)]))
    made_of = Bom(metadata=metadata, components=components, serial_number=number)
    made_of.dependencies = _dependencies(product, {each.name: each for each in components}, packages, bundled)
    return JsonV1Dot6(made_of).output_as_string(indent=2) + "\n"


def _component(package: RuntimePackage) -> Component:
    locked = package.locked
    purl = PackageURL("pypi", name=locked.name, version=locked.version)
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(str(purl)),
        comment="SHA-256 of each file of this version that may be installed",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in locked.digests],
    )
    return Component(
        name=locked.name,
        version=locked.version,
        type=ComponentType.LIBRARY,
        bom_ref=str(purl),
        scope=ComponentScope.OPTIONAL if package.is_optional else ComponentScope.REQUIRED,
        licenses=[LicenseExpression(package.licence)],
        purl=purl,
        external_references=[files],
        properties=[Property(name="python:marker", value=locked.marker)] if locked.marker else [],
    )


def _bundled() -> Iterator[Component]:
    """The scripts of others that the web console serves, as its file of licences names them."""
    for match in _BUNDLED.finditer((STATIC / "LICENSES.txt").read_text("utf-8")):
        purl = PackageURL("npm", name=_NPM_NAMES[match["title"]], version=match["version"])
        digest = hashlib.sha256((STATIC / match["file"]).read_bytes()).hexdigest()
        yield Component(
            name=purl.name,
            version=match["version"],
            type=ComponentType.LIBRARY,
            bom_ref=str(purl),
            scope=ComponentScope.REQUIRED,
            description=f"{match['title']}, as {STATIC.relative_to(STATIC.parents[2])}/{match['file']}",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
            licenses=[LicenseExpression(_BUNDLED_LICENCE)],
            purl=purl,
            external_references=[ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(match["address"]))],
        )


def _dependencies(
    product: Component,
    components: Mapping[str, Component],
    packages: Iterable[RuntimePackage],
    bundled: Iterable[Component],
) -> list[Dependency]:
    """What needs what: of each component, and of the product itself."""
    of_product = {Dependency(each.bom_ref) for each in bundled}
    needs: dict[str, set[Dependency]] = {PRODUCT: of_product, **{name: set() for name in components}}
    for package in packages:
        for requirer in package.locked.requirers & needs.keys():
            needs[requirer].add(Dependency(components[package.locked.name].bom_ref))
    return [
        Dependency(product.bom_ref if name == PRODUCT else components[name].bom_ref, needed)
        for name, needed in needs.items()
    ]


@click.command()
@click.option("--version", required=True, help="Version of the release.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="File to write.")
@click.option("--epoch", type=int, envvar="SOURCE_DATE_EPOCH", help="Time that the bill names, in seconds of Unix.")
def main(version: str, output: Path, epoch: int | None) -> None:
    """Write the bill of materials, CycloneDX 1.6."""
    made = datetime.now(UTC) if epoch is None else datetime.fromtimestamp(epoch, UTC)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(bill(version, made), "utf-8")


if __name__ == "__main__":
    main()
