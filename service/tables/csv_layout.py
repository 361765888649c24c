"""How a CSV file is laid out: its delimiter and its header row.

What RFC 4180 leaves open is decided here, and refused where it is ambiguous:

- the delimiter is the one of comma, semicolon and tab that splits the first lines
  into equally many cells;
- the first line is a header when none of its cells is a number, unless the
  Content-Type says header=present or header=absent. A header of numbers only, as
  pandas writes for unnamed columns, has to be announced;
- there are no comments, no line for Excel (sep=;), and an unnamed first column (row
  names of pandas and R) is refused rather than taken for a feature.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

from service.errors import InvalidTableError, MalformedBodyError, Place
from service.tables.csv_cells import is_missing, is_number
from service.tables.csv_encoding import count_lines, parameter
from service.tables.limits import TableLimits
from service.tables.mistakes import checked_names, shown

_DELIMITERS = (",", ";", "\t")
_NAMES = {",": "','", ";": "';'", "\t": "tab"}
_SAMPLE_BYTES = 1 << 20
_SAMPLE_LINES = 20
_BLANK_LINES = re.compile(rb"(?:[ ]*+(?:\r\n|\n|\r))*+")
_LINE = re.compile(rb"[^\r\n]*+(?:\r\n|\n|\r)?+")
_QUOTED = re.compile(r'"[^"]*+"?+')


@dataclass(frozen=True, slots=True)
class Layout:
    """How the lines of a CSV file are to be read."""

    delimiter: str
    names: tuple[str, ...] | None
    n_columns: int
    header_line: int
    """The line of the header, from 1; 0 without one."""
    start: int
    """The byte where the lines with numbers begin."""


def layout_of(body: bytes, content_type: str, limits: TableLimits) -> Layout:
    """Return the layout of a CSV file in UTF-8."""
    blank = _match_end(_BLANK_LINES, body, 0)
    end = _match_end(_LINE, body, blank)
    line = body[blank:end].decode().rstrip("\r\n")
    n_line = count_lines(body[:blank]) + 1
    if not line.strip():
        detail = "The file is empty; send at least one row of numbers."
        raise InvalidTableError(detail, [Place(detail)])
    if line.startswith("#"):
        raise MalformedBodyError(
            f"Line {n_line} begins with '#', but CSV has no comments; remove such "
            "lines (numpy.savetxt writes none with comments='')."
        )
    if re.fullmatch(r'"?sep=.?"?\s*', line, re.IGNORECASE):
        raise MalformedBodyError(
            f"Line {n_line} is {shown(line.strip())}, which only Excel understands; "
            "remove that line. Commas, semicolons and tabs are recognized without it."
        )
    delimiter = _delimiter(body[blank : blank + _SAMPLE_BYTES])
    # Before the line is split: a line may have millions of cells.
    limits.check_columns(_QUOTED.sub("", line).count(delimiter) + 1)
    joined = joined_lines(body)
    cells = _split(line, delimiter, n_line, joined)
    if not _is_header(cells, parameter(content_type, "header"), n_line, joined):
        return Layout(delimiter, None, len(cells), 0, blank)
    return Layout(delimiter, checked_names(cells, limits), len(cells), n_line, end)


def joined_lines(body: bytes) -> str:
    """Return advice for a file that cannot be read and is a single line, else ""."""
    if count_lines(body.strip()) > 1:
        return ""
    return (
        " The file is a single line; if it should be more, send it with curl's "
        "--data-binary, because -d takes the line breaks out."
    )


def _match_end(pattern: re.Pattern[bytes], body: bytes, start: int) -> int:
    match = pattern.match(body, start)
    return match.end() if match else start


def _delimiter(sample: bytes) -> str:
    """Return the delimiter that splits each of the first lines equally."""
    text = sample.decode(errors="replace")
    lines = re.split("[\r\n]+", text, maxsplit=_SAMPLE_LINES)
    if len(lines) > 1:
        lines.pop()  # It is the rest, or it may have been cut off.
    plain = [_QUOTED.sub("", line) for line in lines if line.strip()]
    counts = {mark: [line.count(mark) for line in plain] for mark in _DELIMITERS}
    seen = [mark for mark in _DELIMITERS if counts[mark][0]]
    steady = [mark for mark in seen if len(set(counts[mark])) == 1]
    if len(steady) > 1:
        raise MalformedBodyError(
            f"The lines contain both {_NAMES[steady[0]]} and {_NAMES[steady[1]]}, so "
            "it is not clear which one separates the cells. Use one of them; write "
            "numbers with a decimal point and without thousands separators."
        )
    return (steady or seen or [","])[0]


def _split(line: str, delimiter: str, n_line: int, joined: str) -> list[str]:
    try:
        cells = next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise MalformedBodyError(
            f"Line {n_line} is not right CSV: {error}. Close every quote on its line "
            f'and write a quote inside quotes twice ("").{joined}'
        ) from error
    return [cell.strip() for cell in cells]


def _is_header(
    cells: list[str], declared: str | None, n_line: int, joined: str
) -> bool:
    if declared == "absent":
        return False
    if cells[0] == "" and len(cells) > 1 and any(cells):
        detail = (
            f"The first cell of line {n_line} is empty. If the first column has row "
            "names, as pandas and R write, leave it out (index=False, "
            "row.names=FALSE); if a value is missing, fill it in or leave the row out."
        )
        raise InvalidTableError(detail, [Place(detail, column=1)])
    if declared == "present":
        return True
    numbers = [cell for cell in cells if is_number(cell)]
    words = [cell for cell in cells if not is_number(cell) and not is_missing(cell)]
    if numbers and words:
        detail = (
            f"Line {n_line} has numbers as well as text ({shown(words[0])}). If it is "
            "a header, send Content-Type: text/csv; header=present. If not, send "
            f"columns of numbers only.{joined}"
        )
        raise InvalidTableError(
            detail, [Place(detail, row=1, column=cells.index(words[0]) + 1)]
        )
    return bool(words)
