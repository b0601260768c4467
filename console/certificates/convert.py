"""`mail-importer certificates convert`: conversion between forms of certificate files."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click

from console.files import is_there
from console.invocation import Invocation, example, pass_invocation
from console.output import Report, failure, prints_data, wrong_usage
from console.translation.help import Command
from console.translation.language import translated
from graph.certificates.conversion import LOCKED, Converted, converted, gathered
from graph.certificates.files import PKCS12_SUFFIXES, PUBLIC_SUFFIXES, SUFFIXES, CertificateFile, read_file
from graph.certificates.private_files import write_file
from phrases import Phrase

_IN_DER: Final = PUBLIC_SUFFIXES | {".key"}
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    cls=Command,
    epilog=example(
        "mail-importer certificates convert signing.pfx certificates/signing.pem",
        "mail-importer certificates convert signing.pem signing.cer --der",
        "mail-importer certificates convert a.cer a.pfx --key a.key --chain ca.crt",
    ),
)
@click.argument("source", metavar="IN", type=_FILE)
@click.argument("target", metavar="OUT", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--key", "key_file", metavar="FILE", type=_FILE, help="Where the private key is, if not in IN.")
@click.option("--chain", "chain_files", metavar="FILE", type=_FILE, multiple=True, help="Issuers, one file or several.")
@click.option("--der/--pem", help="The form of a .cer, .crt or .key file; PEM unless given.")
@click.option("--encrypt/--no-encrypt", default=None, help="Encrypt the private key. A .pfx is encrypted by default.")
@click.option("--password-file", metavar="FILE", type=_FILE, help="Its first line opens what is encrypted.")
@click.option("--new-password-file", metavar="FILE", type=_FILE, help="Its first line encrypts OUT.")
@click.option("--legacy", is_flag=True, help="A .pfx that Windows Server 2016 and older read (3DES).")
@click.option("--force", is_flag=True, help="Replace OUT if it is there.")
@prints_data
@pass_invocation
def convert(
    invocation: Invocation,
    source: Path,
    target: Path,
    key_file: Path | None,
    chain_files: tuple[Path, ...],
    der: bool,
    encrypt: bool | None,
    password_file: Path | None,
    new_password_file: Path | None,
    legacy: bool,
    force: bool,
) -> Report:
    """Write the certificate of IN to OUT, in the form of the file names.

    .pfx and .p12: certificate, private key and issuers. .pem: all that IN has. .cer and .crt: the certificate alone, to
    upload. .key: the private key alone.

    No password is ever given on the command line. IN is decrypted with the first line of --password-file, else with the
    setting certificate_password, else the command prompts for it. OUT is encrypted with that of --new-password-file,
    else with the same setting, by which the store opens its files, else the command prompts for it. A file with a
    private key can be read by you alone (mode 0600).
    """
    encrypted = _checked(target, der=der, encrypt=encrypt, new_password=new_password_file, legacy=legacy)
    if not force and is_there(target):
        raise failure(Phrase("{path} exists already; --force replaces it.", path=target))
    setting = invocation.settings.certificate_password
    stored = setting.get_secret_value() if setting is not None else None
    password = stored if password_file is None else _first_line(password_file)
    ask = password_file is None and sys.stdin.isatty()
    sources = [source, *([] if key_file is None else [key_file]), *chain_files]
    contents = gathered([_opened(path, password, ask=ask) for path in sources])
    new = None
    if encrypted and contents.key is not None:
        new = _first_line(new_password_file) if new_password_file is not None else stored or _asked_new(target)
    made = converted(contents, target, password=new, der=der, legacy=legacy)
    try:
        write_file(target, made.data, private=made.has_key, replace=force)
    except FileExistsError as exc:
        raise failure(Phrase("{path} exists already; --force replaces it.", path=target)) from exc
    except OSError as exc:
        raise failure(Phrase("{path} cannot be written: {reason}.", path=target, reason=exc.strerror)) from exc
    sentences = [_what_is_in(target, made, contents.thumbprint, encrypted=new is not None)]
    if contents.key is not None and not made.has_key:
        sentences.append(Phrase("The private key is not in it: keep {path}.", path=key_file or source))
    if len(contents.chain) > made.chain:
        sentences.append(
            Phrase.counted(
                "{n} other certificate is not in it.",
                "{n} other certificates are not in it.",
                n=len(contents.chain) - made.chain,
            )
        )
    facts = {
        "file": target,
        "action": "written",
        "thumbprint": contents.thumbprint if made.has_certificate else None,
        "private_key": made.has_key,
        "encrypted": new is not None,
        "other_certificates": made.chain,
    }
    return Report(facts, sentences)


def _checked(target: Path, *, der: bool, encrypt: bool | None, new_password: Path | None, legacy: bool) -> bool:
    """True if OUT is to be encrypted. Conflicting options are wrong usage."""
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise wrong_usage(Phrase("The name of OUT must end in one of {suffixes}.", suffixes=_listed(SUFFIXES)))
    if der and suffix not in _IN_DER:
        raise wrong_usage(Phrase("--der is for {suffixes}.", suffixes=_listed(_IN_DER)))
    if legacy and suffix not in PKCS12_SUFFIXES:
        raise wrong_usage(Phrase("--legacy is for {suffixes}.", suffixes=_listed(PKCS12_SUFFIXES)))
    if suffix in PUBLIC_SUFFIXES and (encrypt or new_password is not None):
        raise wrong_usage(Phrase("A {suffix} file has no private key; there is nothing to encrypt.", suffix=suffix))
    if new_password is not None:
        if encrypt is False:
            raise wrong_usage(Phrase("--no-encrypt and --new-password-file exclude each other."))
        return True
    return suffix in PKCS12_SUFFIXES if encrypt is None else encrypt


def _listed(suffixes: Iterable[str]) -> str:
    return ", ".join(sorted(suffixes))


def _opened(path: Path, password: str | None, *, ask: bool) -> CertificateFile:
    """Read the file; prompt at the terminal for a password that is missing or does not fit."""
    file = read_file(path, password.encode() if password else None)
    if ask and file.problem is not None and file.problem.fault in LOCKED:
        asked: str = click.prompt(translated(Phrase("Password of {path}", path=path)), hide_input=True, err=True)
        return read_file(path, asked.encode())
    return file


def _asked_new(target: Path) -> str:
    if not sys.stdin.isatty():
        raise wrong_usage(
            Phrase(
                "{path} is to be encrypted: give --new-password-file or --no-encrypt, or set certificate_password.",
                path=target,
            )
        )
    asked: str = click.prompt(
        translated(Phrase("New password of {path}", path=target)), hide_input=True, confirmation_prompt=True, err=True
    )
    return asked


def _first_line(path: Path) -> str:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise failure(Phrase("The password file {path} cannot be read.", path=path)) from exc
    line = text.split("\n", 1)[0].removesuffix("\r")
    if not line:
        raise failure(Phrase("The first line of the password file {path} is empty.", path=path))
    return line


def _what_is_in(target: Path, made: Converted, thumbprint: str | None, *, encrypted: bool) -> Phrase:
    parts = []
    if made.has_certificate:
        parts.append(Phrase("certificate {thumbprint}", thumbprint=thumbprint))
    if made.has_key:
        parts.append(Phrase("private key (encrypted)") if encrypted else Phrase("private key (not encrypted)"))
    if made.chain:
        parts.append(Phrase.counted("{n} other certificate", "{n} other certificates", n=made.chain))
    return Phrase("{path} is written: {parts}.", path=target, parts=Phrase.joined(*parts, by=", "))
