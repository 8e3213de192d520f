"""How much a Parquet file of labels unpacks to, told before anything is taken: repeated values pack a million to one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from swath.errors import FormatError

__all__ = ["check_parquet"]

MOST_ROWS = 5_000_000
MOST_BYTES = 2**29
_BATCH = 16_384


def check_parquet(file: Path) -> None:
    """Refuse a table of more rows or bytes than labels have. Raises FormatError, and pyarrow's own errors for damage."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    with parquet.ParquetFile(file) as opened:
        rows, schema = opened.metadata.num_rows, opened.schema_arrow
    texts = [f.name for f in schema if pa.types.is_binary(f.type) or pa.types.is_string(f.type)]
    if rows > MOST_ROWS:
        raise _refused(file, f"{rows:,} rows")
    size = 0
    with parquet.ParquetFile(file, read_dictionary=texts) as opened:
        for batch in opened.iter_batches(_BATCH):
            size += sum(_bytes(column) for column in batch.columns)
            if size > MOST_BYTES:
                raise _refused(file, f"more than {MOST_BYTES >> 20} MB")


def _bytes(column: Any) -> int:
    """What a column takes with its repeated values written out."""
    import pyarrow as pa
    import pyarrow.compute as compute

    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = compute.binary_length(column.dictionary).cast("int64").take(column.indices)
    return int(compute.sum(lengths).as_py() or 0)


def _refused(file: Path, what: str) -> FormatError:
    return FormatError(
        rule=f"a table of labels has at most {MOST_ROWS:,} rows and {MOST_BYTES >> 20} MB",
        got=f"{file.name}, {what}",
        remedy="keep the rows that label something, or convert it to GPKG",
    )
