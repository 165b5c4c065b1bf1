"""A Parquet file: a column of paths or texts, or of image bytes as Hugging Face writes them, and a column of labels."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from graft.data.readers._table import Table, TableReader
from graft.errors import DataError, must


@dataclass(frozen=True, kw_only=True)
class Parquet(TableReader):
    """Reads one Parquet file, only the columns that are used; bytes in the table stay in memory with their examples."""

    takes: ClassVar[str] = "a Parquet file (.parquet)"
    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq")

    def load(self, source: Path) -> Table:
        """Return the table; the names of Hugging Face class numbers come from the file's own metadata."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(source) as file:
                names, metadata = tuple(file.schema_arrow.names), file.schema_arrow.metadata or {}
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(source, error) from error

        def cells(name: str) -> Sequence[Any]:
            try:
                with pq.ParquetFile(source) as file:
                    return list(file.read(columns=[name]).column(name).to_pylist())
            except (pa.ArrowException, OSError) as error:
                raise _unreadable(source, error) from error

        return Table(names, cells, texts=_class_names(metadata.get(b"huggingface", b"{}")))


def _unreadable(source: Path, error: Exception) -> DataError:
    got = str(error).partition("\n")[0].rstrip(".")
    return DataError(must(f"{source.name!r}", "a Parquet file", got, "Write the file again"))


def _class_names(metadata: bytes) -> dict[str, list[str]]:
    """Return the class names of every ``ClassLabel`` column, from the ``datasets`` library's schema metadata."""
    try:
        features = json.loads(metadata)["info"]["features"]
        return {name: [str(one) for one in spec["names"]] for name, spec in features.items() if "names" in spec}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
