"""The file of a backup: what is not whole and sound is not read."""

import io

import pytest

from service.storage.backup.file import (
    BackupFileError,
    BackupReader,
    BackupWriter,
    Header,
    Kind,
    Record,
)

HEADER = Header(schema_version=3, made_at_ms=1_700_000_000_000)
RECORDS = [
    Record(Kind.STRING, b"gmm:a", [b"x" * 1000], begins=True),
    Record(Kind.STRING, b"gmm:a", [b""], begins=False),
    Record(Kind.HASH, b"gmm:\x00\xff", [b"field", b"\r\n\x1a"], 2**63, begins=True),
    Record(Kind.ZSET, b"gmm:list", [b"0", b"m"], begins=False),
]


@pytest.fixture
def backup():
    file = io.BytesIO()
    writer = BackupWriter(file, HEADER)
    for record in RECORDS:
        writer.write(record)
    writer.finish()
    return file.getvalue()


def read(value):
    reader = BackupReader(io.BytesIO(value))
    return reader.header, list(reader)


def test_what_was_written_is_read(backup):
    assert read(backup) == (HEADER, RECORDS)


def test_every_flipped_bit_is_noticed(backup):
    for offset in range(len(backup)):
        damaged = bytearray(backup)
        damaged[offset] ^= 1 << offset % 8
        with pytest.raises(BackupFileError):
            read(bytes(damaged))


def test_damage_is_said_to_be_where_it_is(backup):
    damaged = bytearray(backup)
    damaged[500] ^= 1
    with pytest.raises(BackupFileError, match=r"damaged at byte \d+\.$") as raised:
        read(bytes(damaged))
    assert abs(int(raised.value.detail.split()[-1][:-1]) - 500) < 500


def test_a_file_cut_off_anywhere_is_noticed(backup):
    for length in range(len(backup)):
        with pytest.raises(BackupFileError):
            read(backup[:length])


def test_a_cut_is_said_to_be_one(backup):
    with pytest.raises(BackupFileError, match=r"cut off after 700 bytes"):
        read(backup[:700])


def test_a_file_that_goes_on_is_refused(backup):
    with pytest.raises(BackupFileError, match="goes on after its end"):
        read(backup + b"\0")


@pytest.mark.parametrize(
    "other", [b"", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n" + b"x" * 99]
)
def test_any_other_file_is_not_a_backup(other):
    with pytest.raises(BackupFileError, match="not a backup made by"):
        read(other)


def test_a_whole_record_too_few_is_noticed():
    def without(records):
        file = io.BytesIO()
        writer = BackupWriter(file, HEADER)
        for record in records:
            writer.write(record)
        size = writer.totals.n_bytes
        writer.finish()
        return file.getvalue(), size

    whole, size = without(RECORDS)
    shorter, shorter_size = without(RECORDS[:-1])
    with pytest.raises(BackupFileError, match="not those that its end counts"):
        read(shorter[:shorter_size] + whole[size:])


def test_another_version_of_the_format_is_named(backup, monkeypatch):
    monkeypatch.setattr("service.storage.backup.file.FORMAT_VERSION", 2)
    with pytest.raises(BackupFileError, match="format version 1, this program reads 2"):
        read(backup)


def test_what_is_rolled_back_was_never_written(backup):
    file = io.BytesIO()
    writer = BackupWriter(file, HEADER)
    writer.write(RECORDS[0])
    mark = writer.mark()
    for _ in range(2):
        writer.write(Record(Kind.SET, b"gmm:gone", [b"m"] * 100))
        writer.roll_back(mark)
    for record in RECORDS[1:]:
        writer.write(record)
    writer.finish()
    assert file.getvalue() == backup
