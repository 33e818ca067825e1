"""Sizes of memory as people write them."""

import re

from allfocus.errors import OptionError


def parse_size(text: str) -> int:
    """``2GB``, ``1.5G``, ``800MB`` or a number of bytes, in bytes.

    Raises:
        OptionError: anything else.
    """
    found = re.fullmatch(r"\s*(\d{1,18}(?:\.\d{1,18})?)\s*([kKmMgGtT]?)(i?)[bB]?\s*", text)
    if found is None:
        raise OptionError(f"size {text!r}: expected a size such as 2GB or 800MB")
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** " kmgt".index(unit.lower() or " "))
