"""IPTC-IIM records, which Photoshop's image resources carry (Adobe Photoshop File Formats Specification)."""

#: Start of each resource, and the kind of the one that holds the records.
RESOURCE, RECORDS = b"8BIM", b"\x04\x04"


def find_records(resources: bytes) -> bytes | None:
    """The records among image resources, each of which has a kind, a name, a length and content; None without any."""
    place = 0
    while resources[place : place + 4] == RESOURCE:
        name_end = place + 7 + resources[place + 6]
        name_end += name_end % 2 != place % 2  # padded to an even length
        start = name_end + 4
        length = int.from_bytes(resources[name_end:start], "big")
        if resources[place + 4 : place + 6] == RECORDS:
            return resources[start : start + length]
        place = start + length + length % 2
    return None


def wrap_records(records: bytes) -> bytes:
    """Records as an image resource without a name."""
    return RESOURCE + RECORDS + b"\0\0" + len(records).to_bytes(4, "big") + records + bytes(len(records) % 2)
