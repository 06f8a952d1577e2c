"""Tables of text cells from CSV and Parquet files."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dltools.cfgutils import DataError
from dltools.data.files import missing

Cells = list[str]


class Table:
    """A CSV file with a header in UTF-8, or a Parquet file; cells are text, empty where there is no value.

    Args:
        path: the file; .parquet and .pq are Parquet, everything else is CSV.
        delimiter: what stands between the cells of a CSV file.

    Raises:
        DataError: there is no such file, or it has no header that can be read.
    """

    def __init__(self, path: Path, delimiter: str = ",") -> None:
        self.path = path
        self.delimiter = delimiter
        self.is_parquet = path.suffix.lower() in (".parquet", ".pq")
        if not path.is_file():
            raise missing(path, f"the table {path.name}")
        self.header = self._parquet_header() if self.is_parquet else self._csv_header()

    def place(self, line: int) -> str:
        """Return where a line is, for errors: file and line, or row of a Parquet file, counted from 1."""
        return f"{self.path}, row {line}" if self.is_parquet else f"{self.path}:{line}"

    def rows(self, columns: list[str]) -> Iterator[tuple[int, Cells]]:
        """Yield line and cells of each row.

        Args:
            columns: those wanted, in the order wanted; all must be in the header.

        Raises:
            DataError: the file is damaged, or a row has not as many cells as the header.
        """
        if self.is_parquet:
            yield from self._parquet_rows(columns)
            return
        places = [self.header.index(column) for column in columns]
        lines = self._csv()
        next(lines, None)
        for line, cells in lines:
            if len(cells) != len(self.header):
                raise DataError(
                    f"{self.place(line)}: {len(cells)} cells, but the header has {len(self.header)}. A cell with "
                    f"{self.delimiter!r} in it must stand in double quotes."
                )
            yield line, [cells[place].strip() for place in places]

    def _csv_header(self) -> list[str]:
        return [name.strip() for name in next(self._csv(), (1, []))[1]]

    def _csv(self) -> Iterator[tuple[int, Cells]]:
        """Yield line and cells of each row that is not empty, the header among them."""
        line = 0
        try:
            with self.path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.reader(file, delimiter=self.delimiter, strict=True)
                for cells in reader:
                    line = reader.line_num
                    if cells:
                        yield line, cells
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{self.place(line + 1)}: {error}. Expected a CSV file in UTF-8.") from error

    def _parquet_header(self) -> list[str]:
        file = self._parquet()
        try:
            return list(file.schema_arrow.names)
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path} cannot be read: {error}. Expected a whole Parquet file.") from error

    def _parquet(self) -> Any:
        try:
            from pyarrow.parquet import ParquetFile
        except ImportError as error:
            raise DataError(f"{self.path} is read with pyarrow: pip install 'dltools[parquet]'.") from error
        try:
            return ParquetFile(self.path)
        except Exception as error:  # whatever the reader stumbles over in a damaged file
            raise DataError(f"{self.path} cannot be read: {error}. Expected a whole Parquet file.") from error

    def _parquet_rows(self, columns: list[str]) -> Iterator[tuple[int, Cells]]:
        line = 0
        try:
            for batch in self._parquet().iter_batches(columns=columns):
                held = batch.to_pydict()
                for values in zip(*(held[column] for column in columns), strict=True):
                    line += 1
                    yield line, [_text(value) for value in values]
        except Exception as error:  # whatever the reader stumbles over in a damaged file
            raise DataError(f"{self.place(line + 1)}: {error}. Expected a whole Parquet file.") from error


def _text(value: Any) -> str:
    """Return a cell as a CSV file would hold it; pandas makes floats of whole numbers where one is missing."""
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
