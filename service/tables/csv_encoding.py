"""The encoding of a CSV file, unless it is another kind of file.

UTF-8, unless the Content-Type has another charset or the file a mark of UTF-16.
"""

from __future__ import annotations

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from email.message import Message

from service.errors import MalformedBodyError, UnsupportedMediaTypeError
from service.tables.mistakes import shown

_CHARSETS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "iso-8859-1": "latin-1",
    "latin1": "latin-1",
    "latin-1": "latin-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "cp1252",
}

_MAGICS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "a gzip file (send Content-Encoding: gzip)",
    b"\x93NUMPY": "an npy file",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"\xff\xff\xff\xff": "an Arrow stream",
    b'{"': "JSON",
    b"{\n": "JSON",
    b"[[": "JSON",
    b"[\n": "JSON",
    b"<!": "HTML",
    b"<html": "HTML",
    b"<?xml": "XML",
}


def utf8(body: bytes, content_type: str) -> bytes:
    """Return the file in UTF-8, without a byte order mark."""
    _refuse_other_formats(body)
    charset = parameter(content_type, "charset")
    if charset is not None and charset not in _CHARSETS:
        raise UnsupportedMediaTypeError(
            f"The charset {shown(charset)} is not known; send UTF-8, or say "
            f"charset= one of {', '.join(sorted(_CHARSETS))}."
        )
    encoding = _CHARSETS[charset or "utf-8"]
    if charset is None and body.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        encoding = "utf-16"
    if encoding == "utf-8" and body.isascii():
        return body
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        raise MalformedBodyError(_not_in(encoding, body, error.start)) from error
    if encoding == "utf-8":
        return body.removeprefix(BOM_UTF8)
    return text.removeprefix("\ufeff").encode()


def parameter(content_type: str, name: str) -> str | None:
    """Return a parameter of a Content-Type in small letters, None without it."""
    message = Message()
    # Line breaks would make it more than one header.
    message["Content-Type"] = " ".join(content_type.split())
    value = message.get_param(name)
    return value.strip().lower() if isinstance(value, str) else None


def count_lines(lines: bytes) -> int:
    """Return the number of lines, which end in CR, LF or both."""
    return len(lines.splitlines())


def _refuse_other_formats(body: bytes) -> None:
    for magic, name in _MAGICS.items():
        if body.startswith(magic):
            raise MalformedBodyError(
                f"The body is not CSV but looks like {name}; "
                "send the right Content-Type, or CSV."
            )


def _not_in(encoding: str, body: bytes, position: int) -> str:
    line = count_lines(body[: position + 1])
    return (
        f"Line {line} is not {encoding}: it has the byte 0x{body[position]:02x}. Save "
        "the file as UTF-8, or say which encoding it has, for example "
        "Content-Type: text/csv; charset=windows-1252."
    )
