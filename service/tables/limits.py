"""How large a table may be; checked from headers, before memory is taken."""

from __future__ import annotations

from dataclasses import dataclass

from service.domain.wording import counted
from service.errors import TooLargeError


@dataclass(frozen=True, slots=True)
class TableLimits:
    """The largest table that is read."""

    max_rows: int = 5_000_000
    max_columns: int = 1_000
    max_numbers: int = 50_000_000
    """Rows times columns; each number takes eight bytes."""
    max_text_column_name: int = 200
    """Characters in the name of a column."""

    def check_shape(self, n_rows: int, n_columns: int) -> None:
        """Raise TooLargeError unless a table of this shape may be read."""
        self.check_columns(n_columns)
        if n_rows > self.max_rows:
            raise TooLargeError(
                f"The table has more than {counted(self.max_rows, 'row')}, the most "
                "that are read (max_rows). Send a random sample of the rows."
            )
        if n_rows * n_columns > self.max_numbers:
            raise TooLargeError(
                f"The table has more than {counted(self.max_numbers, 'number')} in "
                f"{counted(n_columns, 'column')}, the most that are read "
                "(max_numbers). Send a random sample of the rows, or fewer columns."
            )

    def check_columns(self, n_columns: int) -> None:
        """Raise TooLargeError when there are too many columns."""
        if n_columns > self.max_columns:
            raise TooLargeError(
                f"The table has more than {counted(self.max_columns, 'column')}, the "
                "most that are read (max_columns). Send fewer columns."
            )
