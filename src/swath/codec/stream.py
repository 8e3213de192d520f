"""Bytes of one chunk: numbers of varying length, sealed by a checksum, read back with every size checked first."""

from __future__ import annotations

import zlib

from swath.errors import FormatError

__all__ = ["Damaged", "Reader", "Writer", "open_seal", "seal"]


class Damaged(FormatError):  # noqa: N818 - the field's word
    """Bytes that no encoder of this package wrote, or that changed since."""


def damaged(got: str) -> Damaged:
    """The one refusal of this room: what was found wrong in the bytes."""
    return Damaged(
        rule="a coded chunk must be whole and unchanged",
        got=got,
        remedy="copy or download the file again, or pack anew",
    )


class Writer:
    """Collects whole numbers (7 bits a byte, little end first) and blocks of bytes."""

    def __init__(self) -> None:
        self.parts = bytearray()

    def number(self, value: int) -> None:
        """Append a whole number >= 0."""
        while value > 127:
            self.parts.append(value & 127 | 128)
            value >>= 7
        self.parts.append(value)

    def signed(self, value: int) -> None:
        """Append a whole number of either sign."""
        self.number(value << 1 if value >= 0 else (-value << 1) - 1)

    def block(self, data: bytes) -> None:
        """Append bytes with their count before them."""
        self.number(len(data))
        self.parts += data


class Reader:
    """Reads what Writer wrote; whatever does not fit is Damaged."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def number(self, limit: int = 1 << 62) -> int:
        """The next whole number, refused above `limit`."""
        value = shift = 0
        while True:
            if self.at >= len(self.data) or shift > 63:
                raise damaged("a number that never ends")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        if value > limit:
            raise damaged(f"a number of {value} where at most {limit} can stand")
        return value

    def signed(self) -> int:
        """The next whole number of either sign."""
        value = self.number(1 << 63)
        return -((value + 1) >> 1) if value & 1 else value >> 1

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if count > len(self.data) - self.at:
            raise damaged(f"{len(self.data) - self.at} bytes where {count} should follow")
        part = self.data[self.at : self.at + count]
        self.at += count
        return part

    def block(self) -> bytes:
        """The next block."""
        return self.take(self.number(len(self.data)))

    def end(self) -> None:
        """Refuse bytes that nothing has read."""
        if self.at != len(self.data):
            raise damaged(f"{len(self.data) - self.at} bytes too many")


MAGIC = b"SwC\x01"


def seal(body: bytes) -> bytes:
    """Mark, body and the CRC-32 of both."""
    whole = MAGIC + body
    return whole + zlib.crc32(whole).to_bytes(4, "little")


def open_seal(data: bytes) -> bytes:
    """The body of a sealed chunk. Raises Damaged when mark or checksum do not fit."""
    if len(data) < len(MAGIC) + 4 or data[: len(MAGIC) - 1] != MAGIC[:-1]:
        raise damaged(f"{len(data)} bytes without the mark of a chunk")
    if zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise damaged("a checksum that does not fit the bytes")
    if data[len(MAGIC) - 1] != MAGIC[-1]:
        raise damaged(f"form {data[len(MAGIC) - 1]}, this swath reads form {MAGIC[-1]}")
    return data[len(MAGIC) : -4]
