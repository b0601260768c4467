"""Arguments of the commands that texts say to type.

One text is read in many places: a processor on Linux stores it, and an administrator of Windows types it. So an
argument is written in a form that POSIX shells, PowerShell and cmd.exe read alike, where there is one:

* POSIX: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/V3_chap02.html#tag_18_02_03
* PowerShell: https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_quoting_rules
* programs of Windows: https://learn.microsoft.com/cpp/c-language/parsing-c-command-line-arguments
"""

import re
import shlex
from collections.abc import Iterable
from typing import Final

_PLAIN: Final = re.compile(r"(?!@)[A-Za-z0-9_./:+=@-]+")
"""A text that every shell takes as it is. PowerShell reads an @ at the beginning."""

_WITHIN_QUOTES: Final = re.compile(r'[^"$`!\u201c-\u201e\x00-\x1f\x7f]*[^"$`!\u201c-\u201e\x00-\x1f\x7f\\]')
"""A text that stays as it is between double quotes. A backslash at its end would take the closing one with it.

To PowerShell the double quotation marks of typography are quotes as well.
"""


def quoted(argument: str) -> str:
    """Return an argument as it is typed at a shell.

    Between double quotes if it has blanks or other signs that a shell reads otherwise; a quotation mark or a sign that
    POSIX shells and PowerShell would replace there takes the form of POSIX shells, which PowerShell mostly reads alike
    and cmd.exe does not. Two backslashes in a row stay two: they begin paths of Windows, whose shells keep them.
    """
    if _PLAIN.fullmatch(argument):
        return argument
    if not argument or _WITHIN_QUOTES.fullmatch(argument):
        return f'"{argument}"'
    return shlex.quote(argument)


def joined(arguments: Iterable[str]) -> str:
    """Return several arguments as they are typed at a shell."""
    return " ".join(map(quoted, arguments))
