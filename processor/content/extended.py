"""Extended properties of a message: data that Exchange keeps and Graph has no field for. No I/O.

https://learn.microsoft.com/en-us/graph/api/resources/singlevaluelegacyextendedproperty
"""

import re
from typing import Any, Final

# Exchange may return a property without the leading zero of the request.
SIZE: Final = re.compile("integer 0x0*e08", re.IGNORECASE)
"""PidTagMessageSize."""
ATTACHED: Final = re.compile("boolean 0x0*e1b", re.IGNORECASE)
"""PidTagHasAttachments."""
SENDER_ADDRESS: Final = re.compile("string 0x0*5d01", re.IGNORECASE)
"""PidTagSenderSmtpAddress: of `sender`."""
AUTHOR_ADDRESS: Final = re.compile("string 0x0*5d02", re.IGNORECASE)
"""PidTagSentRepresentingSmtpAddress: of `from`."""


def extended(message: dict[str, Any], name: re.Pattern[str]) -> object:
    """The value of an extended property; None when Graph does not state it."""
    found = message.get("singleValueExtendedProperties")
    for item in found if isinstance(found, list) else ():
        if isinstance(item, dict) and name.fullmatch(str(item.get("id"))):
            return item.get("value")
    return None
