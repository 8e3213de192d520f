"""Arrays to bytes and back: without loss, or within a largest error that is never broken."""

from swath.codec.chunk import decode, encode
from swath.codec.stream import Damaged

__all__ = ["Damaged", "decode", "encode"]
