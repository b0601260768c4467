"""Files come out of a .zip as they went in; archives that would take memory, disk or time are recognized."""

import io
import itertools
import random
import stat
import struct
import sys
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from delivery.archives import ArchiveLimits, members_of, pieces_of
from delivery.errors import BadArchive, ContentMissing
from hostfaults import host_fault_of

LIMITS = ArchiveLimits()
METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
RANDOM = random.Random(7).randbytes(300_000)
DATA = RANDOM + b"repeated " * 20_000


def _zip(
    *files: tuple[str, bytes],
    method: int = zipfile.ZIP_DEFLATED,
    change: Callable[[zipfile.ZipInfo], None] | None = None,
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            if change is not None:
                change(info)
            archive.writestr(info, data)
    return buffer.getvalue()


def _members(archive: bytes, limits: ArchiveLimits = LIMITS) -> list[tuple[int, str, int, str | None]]:
    return [(each.number, each.name, each.size, each.problem) for each in members_of(io.BytesIO(archive), limits)]


def _problems(archive: bytes, limits: ArchiveLimits = LIMITS) -> list[str | None]:
    return [each.problem for each in members_of(io.BytesIO(archive), limits)]


def _read(archive: bytes, number: int = 0, limits: ArchiveLimits = LIMITS) -> bytes:
    return b"".join(pieces_of(io.BytesIO(archive), number, limits))


def _reason(archive: bytes, number: int = 0, limits: ArchiveLimits = LIMITS) -> str:
    with pytest.raises(BadArchive) as caught:
        _read(archive, number, limits)
    assert host_fault_of(caught.value) is None
    return caught.value.reason


def _patched(archive: bytes, signature: bytes, offset: int, value: bytes, *, last: bool = False) -> bytes:
    """The archive with other bytes in its first (or last) header with this signature."""
    place = (archive.rfind if last else archive.find)(signature) + offset
    return archive[:place] + value + archive[place + len(value) :]


def _central(archive: bytes, offset: int, value: bytes) -> bytes:
    return _patched(archive, b"PK\x01\x02", offset, value)


def _both(archive: bytes, offset: int, value: bytes) -> bytes:
    """With other bytes in the local header (offset there) and the directory, whose fields are two bytes further."""
    return _central(_patched(archive, b"PK\x03\x04", offset, value), offset + 2, value)


_OF_WINDOWS = pytest.param("C:\\a", marks=pytest.mark.skipif(sys.platform == "win32", reason="zipfile writes C:/a"))


class TestContents:
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("data", [b"", b"x", DATA, bytes(1_000_000)], ids=["empty", "byte", "mixed", "zeros"])
    def test_a_file_comes_out_as_it_went_in(self, method: int, data: bytes) -> None:
        archive = _zip(("a.csv", data), ("b.csv", b"other"), method=method)
        assert _members(archive) == [(0, "a.csv", len(data), None), (1, "b.csv", 5, None)]
        assert _read(archive) == data
        assert _read(archive, 1) == b"other"

    @pytest.mark.parametrize("method", METHODS)
    def test_pieces_are_bounded(self, method: int) -> None:
        archive = _zip(("a", bytes(1_000_000)), method=method)
        sizes = [len(piece) for piece in pieces_of(io.BytesIO(archive), 0, LIMITS)]
        assert max(sizes) <= 64 * 1024
        assert min(sizes) > 0

    def test_folders_are_left_out_and_keep_their_positions(self) -> None:
        archive = _zip(("a/", b""), ("a/b.csv", b"x"), ("c\\", b""), ("d.zip", _zip(("e", b"y"))))
        assert [each[:2] for each in _members(archive)] == [(1, "a/b.csv"), (3, "d.zip")]

    def test_an_empty_archive_has_no_files(self) -> None:
        assert _members(_zip()) == []
        assert _reason(_zip()) == "Damaged"

    def test_archives_written_to_a_pipe_are_read(self) -> None:
        class Pipe(io.RawIOBase):
            def __init__(self) -> None:
                self.data = b""

            def writable(self) -> bool:
                return True

            def write(self, data: object) -> int:
                added = bytes(memoryview(data))  # type: ignore[arg-type]  # the base class declares object
                self.data += added
                return len(added)

        pipe = Pipe()
        with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a", DATA)
            archive.writestr("b", DATA)
        assert (_read(pipe.data), _read(pipe.data, 1)) == (DATA, DATA)

    def test_archives_of_zip64_are_read(self) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for number in range(2):
                with archive.open(str(number), "w", force_zip64=True) as file:
                    file.write(DATA)
        end = zipfile._EndRecData(buffer)  # type: ignore[attr-defined]  # internal: the stubs lack it
        data = buffer.getvalue()
        length, offset, place = end[5], end[6], end[9]
        large = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2, 2, length, offset)
        locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, place, 1)
        last = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFF_FFFF, 0xFFFF_FFFF, 0)
        archive64 = data[:place] + large + locator + last
        with zipfile.ZipFile(io.BytesIO(archive64)) as check:
            assert check.testzip() is None
        assert (_read(archive64), _read(archive64, 1)) == (DATA, DATA)

    def test_numbers_of_an_entry_in_zip64_are_read(self) -> None:
        archive = _zip(("a", b"content"), method=zipfile.ZIP_STORED)
        start = archive.find(b"PK\x01\x02")
        entry = bytearray(archive[start : start + 47])
        entry[20:28] = b"\xff" * 8
        entry[30:32] = struct.pack("<H", 20)
        extra = struct.pack("<HHQQ", 1, 16, 7, 7)
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(entry) + len(extra), start, 0)
        assert _read(archive[:start] + bytes(entry) + extra + end) == b"content"
        short = struct.pack("<HHQ", 1, 8, 7) + bytes(8)
        assert _problems(archive[:start] + bytes(entry) + short + end) == ["Damaged"]

    @pytest.mark.parametrize("before", [b"", b"MZ program" * 100])
    @pytest.mark.parametrize("comment", [b"", b"made by x", b"x" * 65535])
    def test_self_extracting_archives_and_comments_are_read(self, before: bytes, comment: bytes) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("a", b"x")
            archive.comment = comment
        assert _read(before + buffer.getvalue()) == b"x"

    def test_two_files_may_be_read_in_turns(self) -> None:
        file = io.BytesIO(_zip(("a", RANDOM), ("b", RANDOM[::-1])))
        first, second = pieces_of(file, 0, LIMITS), pieces_of(file, 1, LIMITS)
        pairs = list(zip(first, second, strict=True))
        assert b"".join(one for one, _ in pairs) == RANDOM
        assert b"".join(other for _, other in pairs) == RANDOM[::-1]


class TestNames:
    def test_names_in_utf_8_are_read_with_their_flag(self) -> None:
        assert _members(_zip(("größe/日本.csv", b"")))[0][1] == "größe/日本.csv"

    @pytest.mark.parametrize(
        ("stored", "name"),
        [
            ("größe.csv".encode(), "größe.csv"),
            ("größe.csv".encode("cp437"), "größe.csv"),
            (b"a\xff.csv", "a\xa0.csv"),
        ],
    )
    def test_names_without_the_flag_are_utf_8_or_of_dos(self, stored: bytes, name: str) -> None:
        archive = _zip(("x" * len(stored), b"content")).replace(b"x" * len(stored), stored)
        assert _members(archive)[0][1] == name
        assert _read(archive) == b"content"

    def test_the_flag_of_utf_8_may_lie(self) -> None:
        archive = _zip(("é", b"content")).replace("é".encode(), b"\xff\xfe")
        with pytest.raises(UnicodeDecodeError):
            zipfile.ZipFile(io.BytesIO(archive))
        assert _members(archive) == [(0, "\xa0■", 7, None)]
        assert _read(archive) == b"content"

    @pytest.mark.parametrize("valid", [True, False])
    def test_the_name_in_an_extra_field_counts_while_its_checksum_holds(self, valid: bool) -> None:
        def add(info: zipfile.ZipInfo) -> None:
            text = "größe".encode()
            info.extra = struct.pack("<HHBL", 0x7075, 5 + len(text), 1, zlib.crc32(b"gr__e" if valid else b"x")) + text

        assert _members(_zip(("gr__e", b"x"), change=add))[0][1] == ("größe" if valid else "gr__e")

    def test_a_name_ends_at_a_null(self) -> None:
        archive = (
            _zip(("a.csv_.exe", b"x"), ("__", b"y")).replace(b"a.csv_.exe", b"a.csv\0.exe").replace(b"__", b"\0\0")
        )
        assert [each[1::2] for each in _members(archive)] == [("a.csv", None), ("", "Damaged")]

    @pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", _OF_WINDOWS, "a" * 60_000])
    def test_names_are_passed_on_as_they_are(self, name: str) -> None:
        assert _members(_zip((name, b"x")))[0][1] == name


class TestProblems:
    @pytest.mark.parametrize("content", [b"", b"x", b"PK\x03\x04", b"PK\x05\x06", RANDOM, b"PK\x05\x06" + bytes(17)])
    def test_what_is_no_archive_is_named_so(self, content: bytes) -> None:
        with pytest.raises(BadArchive, match="Ask the sender") as caught:
            _members(content)
        assert caught.value.reason == "BadArchive"
        assert isinstance(caught.value, ContentMissing)
        assert _reason(content) == "BadArchive"

    def test_an_archive_cut_off_anywhere_is_no_archive(self) -> None:
        archive = _zip(("a", b"x" * 1000), ("b", b"y"))
        for length in range(len(archive)):
            with pytest.raises(BadArchive):
                _members(archive[:length])

    def test_a_part_of_several_is_no_archive(self) -> None:
        assert _reason(_patched(_zip(("a", b"x")), b"PK\x05\x06", 4, b"\1\0")) == "BadArchive"

    @pytest.mark.parametrize(("offset", "value"), [(12, b"\xff\xff\xff\0"), (16, b"\xff\xff\0\0"), (12, b"\1\0\0\0")])
    def test_a_directory_elsewhere_is_no_archive(self, offset: int, value: bytes) -> None:
        assert _reason(_patched(_zip(("a", b"x")), b"PK\x05\x06", offset, value)) == "BadArchive"

    @pytest.mark.parametrize("flags", [b"\x01\x00", b"\x41\x00", b"\x01\x20"])
    def test_encrypted_files_are_named(self, flags: bytes) -> None:
        archive = _both(_zip(("a", b"x"), ("b", b"y")), 6, flags)
        assert _problems(archive) == ["Encrypted", None]
        assert _reason(archive) == "Encrypted"
        assert _read(archive, 1) == b"y"

    @pytest.mark.parametrize(("method", "problem"), [(9, "Unsupported"), (93, "Unsupported"), (99, "Encrypted")])
    def test_methods_that_are_not_known_are_named(self, method: int, problem: str) -> None:
        assert _problems(_both(_zip(("a", b"x"), ("b", b"y")), 8, struct.pack("<H", method))) == [problem, None]

    def test_a_link_is_no_file(self) -> None:
        def link(info: zipfile.ZipInfo) -> None:
            info.create_system = 3  # Unix
            info.external_attr = (stat.S_IFLNK | 0o777) << 16

        assert _problems(_zip(("a", b"/etc/passwd"), change=link)) == ["Unsupported"]

    def test_one_file_of_a_later_version_does_not_spoil_the_others(self) -> None:
        archive = _central(_zip(("a", b"x"), ("b", b"y")), 6, b"\xff")
        with pytest.raises(NotImplementedError):  # of zipfile, for the whole archive: a reason for a reader of our own
            zipfile.ZipFile(io.BytesIO(archive))
        assert _read(archive, 1) == b"y"

    @pytest.mark.parametrize(
        ("offset", "value"),
        [(0, b"XX"), (8, b"\0\0"), (26, b"\2\0"), (30, b"z")],
        ids=["signature", "method", "length of the name", "name"],
    )
    def test_a_local_header_of_another_file_is_damage(self, offset: int, value: bytes) -> None:
        archive = _patched(_zip(("a", b"x" * 100), ("b", b"y")), b"PK\x03\x04", offset, value)
        assert _problems(archive) == ["Damaged", None]
        assert _reason(archive) == "Damaged"

    @pytest.mark.parametrize("method", METHODS)
    def test_any_byte_that_is_another_is_noticed(self, method: int) -> None:
        data = RANDOM[:200] + b"z" * 200
        archive = _zip(("a", data), method=method)
        begin, end = 31, archive.find(b"PK\x01\x02")
        for place in range(begin, end):
            changed = bytearray(archive)
            changed[place] ^= 0x55
            try:
                assert _read(bytes(changed)) == data, place  # in bits that mean nothing
            except BadArchive as exc:
                assert exc.reason in {"Damaged", "Unsupported"}, place  # noqa: PT017  # it may also be read

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("difference", [-1, 1, 100_000])
    def test_a_size_that_is_not_the_announced_one_is_damage(self, method: int, difference: int) -> None:
        archive = _zip(("a", DATA), method=method)
        changed = _central(archive, 24, struct.pack("<L", len(DATA) + difference))
        received = bytearray()
        with pytest.raises(BadArchive) as caught:
            received.extend(itertools.chain.from_iterable(pieces_of(io.BytesIO(changed), 0, LIMITS)))
        assert caught.value.reason == "Damaged"
        assert len(received) <= len(DATA) + difference

    @pytest.mark.parametrize("method", METHODS)
    def test_a_checksum_that_does_not_fit_is_damage(self, method: int) -> None:
        assert _reason(_central(_zip(("a", DATA), method=method), 16, b"\0\0\0\0")) == "Damaged"

    @pytest.mark.parametrize("number", [-1, 1, 2])
    def test_a_position_without_a_file_is_damage(self, number: int) -> None:
        assert _reason(_zip(("a", b"x"), ("b/", b"")), number) == "Damaged"

    def test_faults_of_the_disk_are_not_the_archives(self) -> None:
        class Failing(io.BytesIO):
            def read(self, _: int | None = -1) -> bytes:
                raise OSError(5, "Input/output error")

        with pytest.raises(OSError, match="Input"):
            members_of(Failing(_zip(("a", b"x"))), LIMITS)

    def test_random_damage_raises_nothing_else(self) -> None:
        chance = random.Random(11)
        archive = _zip(*((f"{number}.csv", RANDOM[:300]) for number in range(4)))
        for _ in range(1000):
            changed = bytearray(archive)
            for _ in range(chance.choice([1, 3, 10])):
                place = chance.choice([chance.randrange(len(changed)), -1 - chance.randrange(220)])
                changed[place] = chance.randrange(256)
            try:
                members = members_of(io.BytesIO(changed), LIMITS)
            except BadArchive:
                continue
            for member in members:
                try:
                    assert len(_read(bytes(changed), member.number)) == member.size
                except BadArchive as exc:
                    assert member.problem in {None, exc.reason}  # noqa: PT017  # it may also be read


class TestBounds:
    def test_beyond_the_number_of_files_none_is_read(self) -> None:
        limits = ArchiveLimits(files=3)
        exact = _zip(*((str(number), b"x") for number in range(3)), ("folder/", b""))
        assert _problems(exact, limits) == [None] * 3
        more = _zip(*((str(number), b"x") for number in range(5)))
        assert _members(more, limits) == [(number, str(number), 1, "TooMany") for number in range(3)]
        assert _reason(more, 0, limits) == "TooMany"

    def test_a_directory_of_any_length_takes_little_memory(self) -> None:
        entry = struct.pack("<4s4B4H3L5H2L", b"PK\x01\x02", 20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 60_000, 0, 0, 0, 0, 0, 0)
        directory = (entry + b"n" * 60_000) * 700
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 700, 700, len(directory), 0, 0)
        file = io.BytesIO(directory + end)
        tracemalloc.start()
        try:
            members = members_of(file, LIMITS)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert {each.problem for each in members} == {"TooMany"}
        assert peak < 10_000_000

    def test_a_file_that_is_too_large_leaves_the_others(self) -> None:
        archive = _zip(("a", b"x" * 11), ("b", b"x" * 10))
        limits = ArchiveLimits(file_bytes=10)
        assert _problems(archive, limits) == ["TooLarge", None]
        assert _reason(archive, 0, limits) == "TooLarge"

    def test_files_too_large_together_are_not_read(self) -> None:
        archive = _zip(("a", b"x" * 10), ("b", b"x" * 10))
        assert _problems(archive, ArchiveLimits(total_bytes=20)) == [None, None]
        assert _problems(archive, ArchiveLimits(total_bytes=19)) == ["TooLarge", "TooLarge"]
        # One that is too large on its own does not count.
        assert _problems(archive, ArchiveLimits(file_bytes=10, total_bytes=20)) == [None, None]

    def test_a_size_beyond_the_database_is_the_largest_it_has(self) -> None:
        archive = _zip(("a", b"content"))
        start = archive.find(b"PK\x01\x02")
        entry = bytearray(archive[start : start + 47])
        entry[24:28] = b"\xff" * 4
        entry[30:32] = struct.pack("<H", 12)
        extra = struct.pack("<HHQ", 1, 8, 2**64 - 1)
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(entry) + len(extra), start, 0)
        assert _members(archive[:start] + bytes(entry) + extra + end) == [(0, "a", 2**63 - 1, "TooLarge")]

    @pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_files_that_unpack_to_far_more_are_named(self, method: int) -> None:
        bomb = _zip(("a", bytes(2_000_000)), ("b", DATA), method=method)
        assert _problems(bomb) == ["TooCompressed", None]
        assert _reason(bomb) == "TooCompressed"
        assert _problems(_zip(("a", bytes(1_000_000)), method=method)) == [None]

    @pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_a_bomb_that_announces_little_takes_little(self, method: int) -> None:
        """`zipfile` makes all bytes of bzip2 and LZMA at once, however few are read."""
        bomb = _central(_zip(("a", bytes(20_000_000)), method=method), 24, struct.pack("<L", 1000))
        tracemalloc.start()
        try:
            assert _reason(bomb) == "Damaged"
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 12_000_000

    def test_lzma_with_a_huge_dictionary_takes_no_memory_for_it(self) -> None:
        archive = _zip(("a", DATA), method=zipfile.ZIP_LZMA)
        begin = 31 + 4
        huge = archive[: begin + 1] + b"\xff\xff\xff\xff" + archive[begin + 5 :]
        assert _read(huge) == DATA
        large = _both(huge, 22, struct.pack("<L", 100_000_000))
        assert _reason(large, 0, replace(LIMITS, ratio=10_000)) == "Unsupported"

    def test_overlapping_files_are_refused(self) -> None:
        """As in the bomb of D. Fifield: the data of each file hold the following ones, with their headers."""
        kernel = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = kernel.compress(bytes(1000)) + kernel.flush()
        local = struct.pack(
            "<4s5H3L2H", b"PK\x03\x04", 20, 0, 8, 0, 0, zlib.crc32(bytes(1000)), len(packed), 1000, 1, 0
        )
        last = local + b"b" + packed
        quoted = struct.pack("<BHH", 0, len(local) + 1, (len(local) + 1) ^ 0xFFFF) + local + b"b"
        content = local + b"b" + bytes(1000)
        whole = quoted + packed
        first = struct.pack(
            "<4s5H3L2H", b"PK\x03\x04", 20, 0, 8, 0, 0, zlib.crc32(content), len(whole), len(content), 1, 0
        )
        body = first + b"a" + quoted[:5] + last
        entries = b""
        for name, crc, length, size, offset in (
            (b"a", zlib.crc32(content), len(whole), len(content), 0),
            (b"b", zlib.crc32(bytes(1000)), len(packed), 1000, len(first) + 1 + 5),
        ):
            entries += (
                struct.pack(
                    "<4s4B4H3L5H2L",
                    *(b"PK\x01\x02", 20, 0, 20, 0, 0, 8, 0, 0, crc, length, size, 1, 0, 0, 0, 0, 0, offset),
                )
                + name
            )
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, len(entries), len(body), 0)
        archive = body + entries + end
        assert _problems(archive) == ["Overlapping", None]
        assert _reason(archive) == "Overlapping"
        assert _read(archive, 1) == bytes(1000)

    def test_two_entries_of_the_same_bytes_are_refused(self) -> None:
        archive = _zip(("a", b"x"))
        start, end = archive.find(b"PK\x01\x02"), archive.find(b"PK\x05\x06")
        twice = archive[:start] + archive[start:end] * 2
        record = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, 2 * (end - start), start, 0)
        assert _problems(twice + record) == ["Overlapping", "Overlapping"]

    def test_data_that_reach_into_the_directory_are_refused(self) -> None:
        archive = _zip(("a", b"x"), method=zipfile.ZIP_STORED)
        assert _problems(_central(archive, 20, struct.pack("<LL", 50, 50))) == ["Overlapping"]
        assert _problems(_central(archive, 42, struct.pack("<L", 2**31))) == ["Damaged"]

    def test_a_thousand_files_are_read_in_a_moment(self) -> None:
        archive = _zip(*((f"folder/{number}.csv", b"x") for number in range(1000)))
        assert [_read(archive, number) for number in range(0, 1000, 50)] == [b"x"] * 20
