"""Object stores (s3://) through obstore: a store for Zarr, and files by ranges for GDAL. Extra `s3`; no boto3.

Keys, region and endpoint come from the usual AWS_* variables; without keys requests are not signed (public buckets).
"""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from swath.errors import FormatError, need

__all__ = ["SCHEMES", "RangeFile", "check", "exists", "is_object", "open_range", "store_of"]

SCHEMES = ("s3://", "s3a://", "gs://", "az://")
_BLOCK = 2**18
_BLOCKS = 64  # 16 MiB for each open file
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
         "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_USE_INSTANCE_PROFILE")  # fmt: skip


def is_object(path: str) -> bool:
    """Whether a path lies in an object store."""
    return path.startswith(SCHEMES)


def store_of(url: str) -> Any:
    """The obstore store whose root is `url` (s3://, gs://, az://, http://, https://). Raises ExtraError, FormatError."""
    return _store(url.rstrip("/"), _settings(), os.getpid())


def _settings() -> tuple[tuple[str, str], ...]:
    """The AWS_* variables: a store made under other ones is not used again."""
    return tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith("AWS_")))


@lru_cache(maxsize=32)
def _store(url: str, settings: tuple[tuple[str, str], ...], process: int) -> Any:
    stores = need("obstore.store", extra="s3", why="reading object stores")
    known = dict(settings)
    options: dict[str, Any] = {"client_options": {"timeout": "30s", "connect_timeout": "10s"}}
    endpoint = known.get("AWS_ENDPOINT_URL_S3") or known.get("AWS_ENDPOINT_URL") or known.get("AWS_ENDPOINT") or ""
    if url.startswith("http://") or endpoint.startswith("http://"):
        options["client_options"]["allow_http"] = True
    if url.startswith(("s3://", "s3a://")):
        unsigned = known.get("AWS_NO_SIGN_REQUEST", "").lower() in ("yes", "true", "1")
        if unsigned or not any(key in known for key in _KEYS):
            options["skip_signature"] = True
        if endpoint:
            options["endpoint"] = endpoint
        options["region"] = known.get("AWS_REGION") or known.get("AWS_DEFAULT_REGION") or "us-east-1"
    try:
        return stores.from_url(url, **options)
    except Exception as error:  # obstore's own classes
        raise _refused(url, error) from error


def _refused(url: str, error: Exception) -> FormatError:
    text = " ".join(str(error).split())[:300]
    return FormatError(
        rule="an object store must answer",
        got=f"{url.split('?')[0]}: {text}",
        remedy="check bucket and key, and AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL",
    )


class RangeFile(io.RawIOBase):
    """One object as a file for reading, by ranges, in blocks of 256 KiB of which the last 64 are kept."""

    def __init__(self, url: str) -> None:
        import obstore

        parts = urlsplit(url)
        self.url, self._key = url, parts.path.lstrip("/")
        self._at = 0
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._store = store_of(f"{parts.scheme}://{parts.netloc}")
        try:
            self._size = int(obstore.head(self._store, self._key)["size"])
        except FileNotFoundError:
            raise
        except Exception as error:
            raise _refused(url, error) from error

    @property
    def size(self) -> int:
        """Bytes of the object."""
        return self._size

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The position."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move; as for any file."""
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """At most `size` bytes from here."""
        stop = self._size if size is None or size < 0 else min(self._at + size, self._size)
        if self._at >= stop:
            return b""
        first, last = self._at // _BLOCK, (stop - 1) // _BLOCK
        self._fetch([b for b in range(first, last + 1) if b not in self._kept])
        content = b"".join(self._kept[b] for b in range(first, last + 1))
        content = content[self._at - first * _BLOCK : stop - first * _BLOCK]
        self._at = stop
        for block in range(first, last + 1):
            self._kept.move_to_end(block)
        while len(self._kept) > _BLOCKS:
            self._kept.popitem(last=False)
        return content

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from here."""
        view = memoryview(buffer).cast("B")
        content = self.read(len(view))
        view[: len(content)] = content
        return len(content)

    def _fetch(self, blocks: list[int]) -> None:
        """Get blocks that are not kept, adjoining ones in one request; all requests at once."""
        import obstore

        if not blocks:
            return
        runs: list[list[int]] = []
        for block in blocks:
            if runs and block == runs[-1][-1] + 1:
                runs[-1].append(block)
            else:
                runs.append([block])
        starts = [run[0] * _BLOCK for run in runs]
        ends = [min((run[-1] + 1) * _BLOCK, self._size) for run in runs]
        try:
            parts = obstore.get_ranges(self._store, self._key, starts=starts, ends=ends)
        except Exception as error:
            raise _refused(self.url, error) from error
        for run, part in zip(runs, parts, strict=True):
            content = bytes(part)
            for i, block in enumerate(run):
                self._kept[block] = content[i * _BLOCK : (i + 1) * _BLOCK]


def check(path: str) -> None:
    """Raise FormatError, in the store's words, when the object is not there or may not be read."""
    try:
        RangeFile(path).close()
    except FileNotFoundError as error:
        raise FormatError(
            rule="the object must exist", got=path, remedy="check the spelling of bucket and key"
        ) from error


def exists(url: str) -> bool:
    """Whether there is an object under this URL."""
    try:
        RangeFile(url).close()
    except FileNotFoundError:
        return False
    return True


def open_range(path: str, mode: str = "rb", **_: Any) -> RangeFile:
    """Open an object for GDAL: what rasterio asks of an `opener`. Raises FileNotFoundError as files do."""
    if mode not in ("r", "rb") or not is_object(path):  # GDAL also looks for files beside it, and tries to write
        raise FileNotFoundError(path)
    return RangeFile(path)
