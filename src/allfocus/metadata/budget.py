"""One budget for everything that a file says of itself beside its pixels, so that no few bytes become gigabytes."""

import zlib

#: Bytes of metadata that a file is believed to need, all kinds together.
LIMIT = 64 * 2**20

#: What each piece costs beside its bytes: a tag, a text, a segment or a chunk.
PIECE = 256


class Budget:
    """What is left of a file's budget for metadata.

    Args:
        room: bytes that it may take, once unpacked, its pieces counted with `PIECE` each.
    """

    def __init__(self, room: int = LIMIT) -> None:
        self.room = room

    def take(self, size: int, pieces: int = 1) -> None:
        """Pay for so many bytes in so many pieces; raises `ValueError` where that is more than is left."""
        self.room -= size + PIECE * pieces
        if self.room < 0:
            raise ValueError(f"a file may say {LIMIT >> 20} MiB of itself beside its pixels, and this is more")

    def inflate(self, data: bytes) -> bytes:
        """Unpack zlib's format, no further than to what is left of the budget."""
        unpacked = zlib.decompressobj().decompress(data, max(self.room, 0) + 1)
        self.take(len(unpacked))
        return unpacked
