"""The part of a document between two lines that a tool of this folder writes."""


class MarkersMissing(Exception):
    """The document has no place for the part."""


def with_part(document: str, begin: str, end: str, part: str) -> str:
    """The document with this part between the lines `begin` and `end`.

    Raises:
        MarkersMissing
    """
    before, found_begin, rest = document.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise MarkersMissing(f"The lines {begin} and {end} are missing.")
    return f"{before}{begin}\n\n{part}\n{end}{after}"
