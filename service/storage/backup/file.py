"""The file of a backup: records between a header and an end mark.

It holds values, not a server's own dumps: so what one kind or version of server had
stored can be restored to another. Little-endian, lengths in bytes:

    header  8s   b"\\x89GMM\\r\\n\\x1a\\n": shows what text modes do to files
            u32  version of this format, 1
            u32  schema version of the store; 0: never migrated
            u64  when it was made, milliseconds since 1970
            u32  CRC-32 of the above
    record  u8   kind (`Kind`)
            u8   1: the key begins here, what was read of it before is void;
                 0: more of it, or one member of many
            u32  length of the key
            u32  length of the items
            u64  when the key expires, milliseconds since 1970; 0: never
            u32  CRC-32 of the above: lengths are believed only after it
            ...  the key, the items (each a u32 length and its bytes)
            u32  CRC-32 of key and items
    end     a record of kind END: number of records, number of keys that begin (u64
            each), BLAKE2b-256 of all bytes before the end mark

The sums of records tell where a file is damaged; that of the whole, and the end mark,
that none of them is missing, twice there or in another's place.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO

from service.errors import ServiceError

FORMAT_VERSION = 1

_MAGIC = b"\x89GMM\r\n\x1a\n"
_HEADER = struct.Struct("<8sIIQ")
_RECORD = struct.Struct("<BBIIQ")
_END = struct.Struct("<QQ32s")
_LENGTH = struct.Struct("<I")
_CHECKSUM = struct.Struct("<I")


class BackupFileError(ServiceError):
    """The file is no backup, or not the whole of one."""

    status, code, title = 422, "damaged-backup", "Damaged backup"


class Kind(IntEnum):
    """What a record's items are."""

    END = 0
    STRING = 1
    """The next bytes of the value."""
    HASH = 2
    """Fields and values in turn."""
    SET = 3
    ZSET = 4
    """Scores and members in turn."""
    LIST = 5
    STREAM = 6
    """Entries: the id, the number of words after it, fields and values in turn."""


@dataclass(frozen=True, slots=True)
class Header:
    schema_version: int
    made_at_ms: int


@dataclass(frozen=True, slots=True)
class Record:
    """A key, or a piece of it that fits in memory."""

    kind: Kind
    key: bytes
    items: Sequence[bytes]
    expires_at_ms: int = 0
    begins: bool = True


@dataclass(frozen=True, slots=True)
class Totals:
    """How much is in a file so far."""

    n_records: int = 0
    n_keys: int = 0
    n_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file being written, to return to."""

    totals: Totals
    digest: hashlib.blake2b


class BackupWriter:
    """Writes a header, then what it is given; only `finish` makes it a backup."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        self._file = file
        self._digest = hashlib.blake2b(digest_size=32)
        self.totals = Totals()
        values = (_MAGIC, FORMAT_VERSION, header.schema_version, header.made_at_ms)
        self._put(_with_checksum(_HEADER.pack(*values)))

    def write(self, record: Record) -> None:
        totals = self.totals
        self._put(_encode(record))
        self.totals = Totals(
            totals.n_records + 1, totals.n_keys + record.begins, self.totals.n_bytes
        )

    def mark(self) -> Mark:
        return Mark(self.totals, self._digest.copy())

    def roll_back(self, mark: Mark) -> None:
        """Forget what was written after a mark."""
        self._file.seek(mark.totals.n_bytes)
        self._file.truncate()
        self.totals, self._digest = mark.totals, mark.digest.copy()

    def finish(self) -> None:
        totals = self.totals
        end = _END.pack(totals.n_records, totals.n_keys, self._digest.digest())
        self._put(_encode(Record(Kind.END, b"", [end], begins=False)))

    def _put(self, value: bytes) -> None:
        self._file.write(value)
        self._digest.update(value)
        totals = self.totals
        self.totals = Totals(
            totals.n_records, totals.n_keys, totals.n_bytes + len(value)
        )


class BackupReader:
    """Reads a file from its beginning; no record is given that is not sound.

    Only who has read to the end knows that the file is whole.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.blake2b(digest_size=32)
        self.totals = Totals()
        self._file.seek(0)
        self.header = self._header()

    def __iter__(self) -> Iterator[Record]:
        while True:
            digest = self._digest.digest()
            record = self._record()
            if record.kind is Kind.END:
                self._require_end(record, digest)
                return
            totals = self.totals
            self.totals = Totals(
                totals.n_records + 1, totals.n_keys + record.begins, totals.n_bytes
            )
            yield record

    def _header(self) -> Header:
        value = self._file.read(_HEADER.size)
        if not value.startswith(_MAGIC):
            raise BackupFileError("This is not a backup made by `gmm backup`.")
        self._file.seek(0)
        value = self._checked(_HEADER.size)
        _, version, schema_version, made_at_ms = _HEADER.unpack(value)
        if version != FORMAT_VERSION:
            raise BackupFileError(
                f"The backup has format version {version}, this program reads "
                f"{FORMAT_VERSION}: use the gmm-service that made it."
            )
        return Header(schema_version, made_at_ms)

    def _record(self) -> Record:
        offset = self.totals.n_bytes
        kind, flags, key_length, length, expires_at_ms = _RECORD.unpack(
            self._checked(_RECORD.size)
        )
        body = self._checked(key_length + length)
        try:
            items = list(_items(body, key_length))
            return Record(
                Kind(kind), body[:key_length], items, expires_at_ms, bool(flags)
            )
        except (ValueError, struct.error) as error:
            raise _damaged(offset) from error

    def _checked(self, length: int) -> bytes:
        """The next bytes, if the checksum after them is right."""
        offset = self.totals.n_bytes
        value = self._take(length)
        (checksum,) = _CHECKSUM.unpack(self._take(_CHECKSUM.size))
        if zlib.crc32(value) != checksum:
            raise _damaged(offset)
        return value

    def _take(self, length: int) -> bytes:
        value = self._file.read(length)
        totals = self.totals
        if len(value) != length:
            raise BackupFileError(
                f"The backup is cut off after {totals.n_bytes + len(value)} bytes."
            )
        self._digest.update(value)
        self.totals = Totals(totals.n_records, totals.n_keys, totals.n_bytes + length)
        return value

    def _require_end(self, record: Record, digest: bytes) -> None:
        totals = self.totals
        found = (totals.n_records, totals.n_keys, digest)
        if list(record.items) != [_END.pack(*found)]:
            raise BackupFileError(
                "The backup is damaged: its records are not those that its end counts."
            )
        if self._file.read(1):
            raise BackupFileError(
                f"The backup is damaged: it goes on after its end at byte "
                f"{totals.n_bytes}."
            )


def _encode(record: Record) -> bytes:
    items = [part for item in record.items for part in (_LENGTH.pack(len(item)), item)]
    length = sum(map(len, items))
    head = _RECORD.pack(
        record.kind, record.begins, len(record.key), length, record.expires_at_ms
    )
    return _with_checksum(head) + _with_checksum(b"".join([record.key, *items]))


def _items(body: bytes, offset: int) -> Iterator[bytes]:
    while offset < len(body):
        (length,) = _LENGTH.unpack_from(body, offset)
        offset += _LENGTH.size + length
        if offset > len(body):
            raise ValueError("an item is longer than its record")
        yield body[offset - length : offset]


def _with_checksum(value: bytes) -> bytes:
    return value + _CHECKSUM.pack(zlib.crc32(value))


def _damaged(offset: int) -> BackupFileError:
    return BackupFileError(f"The backup is damaged at byte {offset}.")
