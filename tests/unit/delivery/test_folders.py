"""Files are whole, overwrite nothing and leave nothing behind; what fails names the folder, its cause and a remedy."""

import ctypes
import errno
import os
import resource
import shutil
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

import pytest

from db.queries.deliveries import FILE_REASONS
from delivery import linux
from delivery.errors import FolderRefused, FolderUnavailable, NameRefused, NameTaken, TemporaryGone
from delivery.folder_faults import MAYBE_OF_FILE, fault_of, refusal_of
from delivery.folders import ImportFolder, check_folder, open_folder, temporary_name
from delivery.posix import below_root
from hostfaults import HostFault, host_fault_of
from phrases import Phrase
from tests.unit.delivery.processes import in_child, mount_tmpfs, remount_read_only, unmount, with_own_mounts

TEMPORARY = ".mail-importer-7-a.part"
NOBODY = 65534
AT_FDCWD = -100
RENAME_EXCHANGE = 2


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "imports"
    place.mkdir()
    return place


@pytest.fixture
def folder(place: Path) -> Iterator[ImportFolder]:
    with open_folder(str(place), [str(place)]) as opened:
        yield opened


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that each user can reach."""
    if os.geteuid() != 0:
        pytest.skip("needs root to act as another user")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def _reason(error: pytest.ExceptionInfo[FolderUnavailable] | pytest.ExceptionInfo[NameRefused]) -> str:
    return error.value.reason


def _failing(number: int) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return fail


def _without_flags(monkeypatch: pytest.MonkeyPatch, number: int = errno.EINVAL) -> None:
    """Have renames fail as on NFS, which knows no flags of them."""

    def rename(*_: object) -> int:
        ctypes.set_errno(number)
        return -1

    monkeypatch.setattr(linux, "_rename", rename)


class TestWrite:
    def test_a_file_has_all_pieces_and_their_checksum(self, folder: ImportFolder, place: Path) -> None:
        pieces = [b"a" * 70_000, b"", b"bc"]
        written = folder.write(TEMPORARY, pieces)
        whole = b"".join(pieces)
        assert (place / TEMPORARY).read_bytes() == whole
        assert (written.size, written.sha256) == (len(whole), sha256(whole).hexdigest())

    def test_short_writes_are_continued(
        self, folder: ImportFolder, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = os.write
        monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:3]))
        folder.write(TEMPORARY, [b"0123456789"])
        assert (place / TEMPORARY).read_bytes() == b"0123456789"

    def test_the_umask_decides_who_may_read(self, folder: ImportFolder, place: Path) -> None:
        def work() -> None:
            os.umask(0o027)
            folder.write(TEMPORARY, [b"x"])

        in_child(work)
        assert (place / TEMPORARY).stat().st_mode & 0o777 == 0o640

    def test_an_existing_file_is_neither_overwritten_nor_removed(self, folder: ImportFolder, place: Path) -> None:
        (place / TEMPORARY).write_bytes(b"before")
        with pytest.raises(NameTaken):
            folder.write(TEMPORARY, [b"x"])
        assert (place / TEMPORARY).read_bytes() == b"before"

    def test_a_link_of_the_temporary_name_is_not_followed(
        self, folder: ImportFolder, place: Path, tmp_path: Path
    ) -> None:
        (place / TEMPORARY).symlink_to(tmp_path / "outside")
        with pytest.raises(NameTaken):
            folder.write(TEMPORARY, [b"x"])
        assert not (tmp_path / "outside").exists()

    @pytest.mark.parametrize(
        "error", [OSError(errno.ENOSPC, "of the source"), ValueError(), KeyboardInterrupt()], ids=repr
    )
    def test_a_source_that_fails_leaves_no_file_and_is_not_taken_for_the_folder(
        self, folder: ImportFolder, place: Path, error: BaseException
    ) -> None:
        def pieces() -> Iterator[bytes]:
            yield b"x"
            raise error

        with pytest.raises(type(error)) as caught:
            folder.write(TEMPORARY, pieces())
        assert caught.value is error
        assert not list(place.iterdir())

    @pytest.mark.parametrize("call", ["write", "fsync", "close"])
    def test_an_error_of_any_step_leaves_no_file(
        self, folder: ImportFolder, place: Path, monkeypatch: pytest.MonkeyPatch, call: str
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(os, call, _failing(errno.EDQUOT))
            with pytest.raises(FolderUnavailable) as caught:
                folder.write(TEMPORARY, [b"x"])
        assert _reason(caught) == "FolderFull"
        assert not list(place.iterdir())

    def test_a_name_that_is_not_certain_to_last_leaves_no_file(
        self, folder: ImportFolder, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(folder._directory, "flush", _failing(errno.EIO))
        with pytest.raises(FolderUnavailable):
            folder.write(TEMPORARY, [b"x"])
        assert not list(place.iterdir())

    def test_file_systems_without_a_flush_of_folders_are_served(
        self, folder: ImportFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fsync = os.fsync

        def only_files(handle: int) -> None:
            if os.path.isdir(f"/proc/self/fd/{handle}"):  # noqa: PTH112  # a handle
                _failing(errno.EINVAL)()
            fsync(handle)

        monkeypatch.setattr(os, "fsync", only_files)
        folder.write(TEMPORARY, [b"x"])
        folder.publish(TEMPORARY, "a.csv")

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\0", "../a", "\ud800"])
    def test_only_single_names_are_accepted(self, folder: ImportFolder, tmp_path: Path, name: str) -> None:
        for call in (
            lambda: folder.write(name, [b"x"]),
            lambda: folder.publish(TEMPORARY, name),
            lambda: folder.publish(name, "a"),
            lambda: folder.remove(name),
            lambda: folder.exists(name),
        ):
            with pytest.raises(NameRefused):
                call()
        assert [each.name for each in tmp_path.iterdir()] == ["imports"]


class TestPublish:
    def test_the_file_has_its_name_and_no_other(self, folder: ImportFolder, place: Path) -> None:
        folder.write(TEMPORARY, [b"x"])
        folder.publish(TEMPORARY, "größe.csv")
        assert [each.name for each in place.iterdir()] == ["größe.csv"]

    @pytest.mark.parametrize("flags", [True, False], ids=["renameat2", "link"])
    @pytest.mark.parametrize("kind", ["file", "folder", "link"])
    def test_nothing_is_overwritten(
        self, folder: ImportFolder, place: Path, monkeypatch: pytest.MonkeyPatch, flags: bool, kind: str
    ) -> None:
        if not flags:
            _without_flags(monkeypatch)
        target = place / "a.csv"
        if kind == "file":
            target.write_bytes(b"foreign")
        elif kind == "folder":
            target.mkdir()
        else:
            target.symlink_to("b")
        before = target.lstat()
        folder.write(TEMPORARY, [b"x"])
        with pytest.raises(NameTaken):
            folder.publish(TEMPORARY, "a.csv")
        assert target.lstat() == before
        assert (place / TEMPORARY).read_bytes() == b"x"

    @pytest.mark.parametrize("flags", [True, False], ids=["renameat2", "link"])
    def test_a_second_time_finds_no_temporary_file(
        self, folder: ImportFolder, place: Path, monkeypatch: pytest.MonkeyPatch, flags: bool
    ) -> None:
        if not flags:
            _without_flags(monkeypatch)
        folder.write(TEMPORARY, [b"x"])
        folder.publish(TEMPORARY, "a.csv")
        for name in ("a.csv", "b.csv"):
            with pytest.raises(TemporaryGone):
                folder.publish(TEMPORARY, name)
        assert [each.name for each in place.iterdir()] == ["a.csv"]

    @pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
    def test_where_renames_have_no_flags_it_is_linked(
        self, folder: ImportFolder, place: Path, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        _without_flags(monkeypatch, number)
        folder.write(TEMPORARY, [b"x"])
        folder.publish(TEMPORARY, "a.csv")
        assert [(each.name, each.stat().st_nlink) for each in place.iterdir()] == [("a.csv", 1)]

    @pytest.mark.parametrize("moved", [True, False])
    def test_a_file_that_was_linked_before_a_crash_is_not_published_again(
        self, folder: ImportFolder, place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, moved: bool
    ) -> None:
        _without_flags(monkeypatch)
        folder.write(TEMPORARY, [b"x"])
        os.link(place / TEMPORARY, place / "a.csv")
        if moved:
            (place / "a.csv").rename(tmp_path / "taken.csv")
        folder.publish(TEMPORARY, "a.csv")
        assert [each.name for each in place.iterdir()] == ([] if moved else ["a.csv"])

    @pytest.mark.parametrize("linked", [True, False])
    def test_a_file_that_was_marked_is_published_unless_it_was_linked_copied_and_deleted(
        self, folder: ImportFolder, place: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
    ) -> None:
        _without_flags(monkeypatch)
        folder.write(TEMPORARY, [b"x"])
        with monkeypatch.context() as patch:  # the response of the file server is lost
            patch.setattr(os, "link", _failing(errno.EIO))
            with pytest.raises(FolderUnavailable):
                folder.publish(TEMPORARY, "a.csv")
        if linked:
            os.link(place / TEMPORARY, place / "a.csv")
            (place / "a.csv").unlink()
        folder.publish(TEMPORARY, "a.csv")
        assert [each.name for each in place.iterdir()] == ([] if linked else ["a.csv"])

    def test_a_temporary_file_is_removed_with_its_marker(
        self, folder: ImportFolder, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _without_flags(monkeypatch)
        folder.write(TEMPORARY, [b"x"])
        monkeypatch.setattr(os, "link", _failing(errno.EIO))
        with pytest.raises(FolderUnavailable):
            folder.publish(TEMPORARY, "a.csv")
        folder.remove(TEMPORARY)
        assert not list(place.iterdir())

    def test_a_clock_of_changes_that_stands_still_delays_nothing_for_good(
        self, folder: ImportFolder, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _without_flags(monkeypatch)
        monkeypatch.setattr("delivery.posix._MAX_MARKERS", 1)
        for number in range(20):  # created within one tick, or not
            folder.write(TEMPORARY, [b"x"])
            folder.publish(TEMPORARY, str(number))
        assert {each.name for each in place.iterdir()} == set(map(str, range(20)))

    def test_a_share_that_lets_no_time_be_set_takes_files(
        self, folder: ImportFolder, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _without_flags(monkeypatch)
        monkeypatch.setattr(os, "utime", _failing(errno.ENOSYS))
        for number in range(20):  # created within one tick, or not
            folder.write(TEMPORARY, [b"x"])
            folder.publish(TEMPORARY, str(number))
        assert {each.name for each in place.iterdir()} == set(map(str, range(20)))

    def test_a_file_that_another_host_linked_is_not_published_again(self, folder: ImportFolder, place: Path) -> None:
        folder.write(TEMPORARY, [b"x"])
        os.link(place / TEMPORARY, place / "a.csv")
        folder.publish(TEMPORARY, "a.csv")
        assert [each.name for each in place.iterdir()] == ["a.csv"]

    def test_file_systems_that_number_no_files_lose_none(
        self, folder: ImportFolder, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os.path, "samestat", lambda *_: True)
        folder.write(TEMPORARY, [b"x"])
        (place / "a.csv").touch()
        with pytest.raises(NameTaken):
            folder.publish(TEMPORARY, "a.csv")
        assert (place / TEMPORARY).exists()

    def test_a_link_whose_response_was_lost_counts(
        self, folder: ImportFolder, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        link = os.link

        def lost(*names: str, **places: int) -> NoReturn:
            link(*names, **places)  # type: ignore[arg-type]  # numbers, passed on as they come
            raise FileExistsError(errno.EEXIST, "as NFS says when it repeats the call")

        _without_flags(monkeypatch)
        monkeypatch.setattr(os, "link", lost)
        folder.write(TEMPORARY, [b"x"])
        folder.publish(TEMPORARY, "a.csv")
        assert [each.name for each in place.iterdir()] == ["a.csv"]

    def test_a_file_system_with_neither_is_refused_and_keeps_nothing_but_the_file(
        self, folder: ImportFolder, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _without_flags(monkeypatch)
        monkeypatch.setattr(os, "link", _failing(errno.EPERM))
        folder.write(TEMPORARY, [b"x"])
        with pytest.raises(FolderUnavailable, match="SMB share or NFS") as caught:
            folder.publish(TEMPORARY, "a.csv")
        assert _reason(caught) == "NoAtomicRename"
        assert [each.name for each in place.iterdir()] == [TEMPORARY]
        with pytest.raises(FolderUnavailable):
            check_folder(str(place), [str(place)])
        assert [each.name for each in place.iterdir()] == [TEMPORARY]

    def test_a_name_that_fat_refuses_is_told_from_renames_that_it_does_not_know(
        self, folder: ImportFolder, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rename = linux._rename

        def like_fat(old_folder: int, old: bytes, new_folder: int, new: bytes, flags: int) -> int:
            if b":" in new:
                ctypes.set_errno(errno.EINVAL)
                return -1
            return rename(old_folder, old, new_folder, new, flags)

        monkeypatch.setattr(linux, "_rename", like_fat)
        monkeypatch.setattr(os, "link", _failing(errno.EPERM))
        folder.write(TEMPORARY, [b"x"])
        with pytest.raises(NameRefused):
            folder.publish(TEMPORARY, "a:b.csv")
        assert [each.name for each in place.iterdir()] == [TEMPORARY]

    def test_a_name_that_smb_refuses_is_told_from_a_missing_file(
        self, folder: ImportFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _without_flags(monkeypatch, errno.ENOENT)
        folder.write(TEMPORARY, [b"x"])
        with pytest.raises(NameRefused):
            folder.publish(TEMPORARY, "a.csv")

    @pytest.mark.parametrize("number", [errno.EILSEQ, errno.EISDIR])
    def test_a_name_that_the_file_system_cannot_store_is_refused(
        self, folder: ImportFolder, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        folder.write(TEMPORARY, [b"x"])
        _without_flags(monkeypatch, number)
        with pytest.raises(NameRefused) as caught:
            folder.publish(TEMPORARY, "a.csv")
        assert _reason(caught) == "NameRefused"

    def test_a_name_that_is_too_long_is_shortened_until_it_fits(self, folder: ImportFolder, place: Path) -> None:
        folder.write(TEMPORARY, [b"x"])
        name = "é" * 300 + ".csv"
        with pytest.raises(NameRefused) as caught:
            folder.publish(TEMPORARY, name)
        assert _reason(caught) == "NameTooLong"
        folder.publish(TEMPORARY, folder.shortened(name))
        assert [each.name for each in place.iterdir()] == ["é" * 125 + ".csv"]

    def test_shorter_names_come_to_an_end(self, folder: ImportFolder) -> None:
        name = "x" * 300 + ".csv"
        for length in (255, 143, 100, 60):
            name = folder.shortened(name)
            assert len(name) == length
        with pytest.raises(NameRefused):
            folder.shortened(name)

    def test_a_folder_that_was_removed_is_missing_and_its_files_are_not_taken_for_published(
        self, folder: ImportFolder, place: Path
    ) -> None:
        folder.write(TEMPORARY, [b"x"])
        shutil.rmtree(place)
        for call in (
            lambda: folder.exists(TEMPORARY),
            lambda: folder.publish(TEMPORARY, "a.csv"),
            lambda: folder.write(TEMPORARY, [b"x"]),
        ):
            with pytest.raises(FolderUnavailable) as caught:
                call()
            assert _reason(caught) == "FolderMissing"
        place.mkdir()
        with pytest.raises(FolderUnavailable):
            folder.exists(TEMPORARY)

    def test_file_systems_that_count_no_links_of_folders_are_served(
        self, folder: ImportFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fstat = os.fstat

        def without_links(handle: int) -> os.stat_result:
            status = list(fstat(handle))
            status[3] = 0
            return os.stat_result(status)

        monkeypatch.setattr(os, "fstat", without_links)
        assert not folder.exists("a.csv")


class TestNames:
    def test_a_free_name_is_kept(self, folder: ImportFolder) -> None:
        assert folder.free_name("a.csv") == "a.csv"

    @pytest.mark.parametrize(("name", "free"), [("a.csv", "a (2).csv"), ("a", "a (2)"), (".env", ".env (2)")])
    def test_a_taken_name_gets_a_number(self, folder: ImportFolder, place: Path, name: str, free: str) -> None:
        (place / name).touch()
        assert folder.free_name(name) == free

    def test_a_link_that_leads_nowhere_takes_its_name(self, folder: ImportFolder, place: Path) -> None:
        (place / "a.csv").symlink_to("nowhere")
        assert folder.free_name("a.csv") == "a (2).csv"

    def test_a_number_is_found_in_few_steps(self, folder: ImportFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        taken = {"a.csv"} | {f"a ({number}).csv" for number in range(2, 5000)}
        asked: list[str] = []

        def exists(name: str) -> bool:
            asked.append(name)
            return name in taken

        monkeypatch.setattr(folder._directory, "exists", exists)
        assert folder.free_name("a.csv") == "a (5000).csv"
        assert len(asked) < 30

    def test_a_name_at_the_limit_has_room_for_its_number(self, folder: ImportFolder, place: Path) -> None:
        name = "ü" * 125 + ".csv"
        (place / name).touch()
        free = folder.free_name(name)
        assert free == "ü" * 123 + " (2).csv"
        (place / free).touch()

    def test_the_limit_of_the_file_system_counts(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "fpathconf", lambda *_: 143)
        with open_folder(str(place), [str(place)]) as folder:
            assert folder.free_name("x" * 200 + ".csv") == "x" * 139 + ".csv"

    def test_letter_case_is_the_file_systems(self, folder: ImportFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        """Simulated: an SMB share holds A.CSV."""
        monkeypatch.setattr(folder._directory, "exists", lambda name: name.upper() == "A.CSV")
        assert folder.free_name("a.csv") == "a (2).csv"

    def test_letter_case_on_a_file_system_that_ignores_it(self, place: Path) -> None:
        def work() -> None:
            with_own_mounts()
            mount_tmpfs(place, "size=1m,casefold")
            (place / "inner").mkdir()
            subprocess.run(["chattr", "+F", str(place / "inner")], check=True)
            (place / "inner" / "A.CSV").touch()
            with open_folder(str(place / "inner"), [str(place)]) as folder:
                folder.write(TEMPORARY, [b"x"])
                with pytest.raises(NameTaken):
                    folder.publish(TEMPORARY, "a.csv")
                folder.publish(TEMPORARY, folder.free_name("a.csv"))
            assert {each.name for each in (place / "inner").iterdir()} == {"A.CSV", "a (2).csv"}

        in_child(work)

    def test_removing_what_is_not_there_does_nothing(self, folder: ImportFolder, place: Path) -> None:
        (place / "a").touch()
        folder.remove("a")
        folder.remove("a")
        assert not list(place.iterdir())

    def test_temporary_names_are_hidden_and_fit_everywhere(self) -> None:
        assert temporary_name(7, "ab") == ".mail-importer-7-ab.part"
        assert len(temporary_name(2**63, 32 * "f")) <= 100


class TestRoots:
    @pytest.mark.parametrize(
        ("path", "roots", "names"),
        [
            ("/a/b/c", ["/a"], ("b", "c")),
            ("/a//b/./c/", ["/a/"], ("b", "c")),
            ("/a", ["/a"], ()),
            ("/a/b/c", ["/a", "/a/b"], ("c",)),
            ("/a/b", ["/"], ("a", "b")),
            ("//a/b", ["/a"], ("b",)),
        ],
    )
    def test_paths_are_compared_by_components(self, path: str, roots: list[str], names: tuple[str, ...]) -> None:
        assert below_root(path, roots)[1] == names

    @pytest.mark.parametrize(
        ("path", "roots", "reason"),
        [
            ("/ab", ["/a"], "OutsideRoots"),
            ("/", ["/a"], "OutsideRoots"),
            ("/a", [], "OutsideRoots"),
            ("/A/b", ["/a"], "OutsideRoots"),
            ("/a", ["a", ""], "OutsideRoots"),
            ("/a/../b", ["/a"], "PathInvalid"),
            ("a/b", ["a"], "PathInvalid"),
            ("", ["/"], "PathInvalid"),
            ("/a/\0", ["/a"], "PathInvalid"),
            ("/a/\ud800", ["/a"], "PathInvalid"),
        ],
    )
    def test_other_paths_are_refused(self, path: str, roots: list[str], reason: str) -> None:
        with pytest.raises(FolderRefused) as caught:
            open_folder(path, roots)
        assert _reason(caught) == reason

    def test_a_root_may_be_reached_through_links(self, place: Path, tmp_path: Path) -> None:
        (place / "inner").mkdir()
        (tmp_path / "link").symlink_to(place)
        check_folder(str(tmp_path / "link" / "inner"), [str(tmp_path / "link")])
        check_folder(str(tmp_path / "link"), [str(tmp_path / "link")])

    @pytest.mark.parametrize("below", [(), ("inner",)])
    def test_links_below_a_root_are_refused(self, place: Path, tmp_path: Path, below: tuple[str, ...]) -> None:
        (tmp_path / "outside" / "inner").mkdir(parents=True)
        (place / "link").symlink_to(tmp_path / "outside")
        with pytest.raises(FolderRefused, match="link") as caught:
            check_folder(str(place.joinpath("link", *below)), [str(place)])
        assert _reason(caught) == "LinkInPath"
        assert host_fault_of(caught.value) is None

    def test_a_missing_folder_is_not_created(self, place: Path) -> None:
        with pytest.raises(FolderUnavailable, match="mount the share") as caught:
            check_folder(str(place / "missing" / "inner"), [str(place)])
        assert _reason(caught) == "FolderMissing"
        assert not list(place.iterdir())

    @pytest.mark.parametrize("below", [(), ("inner",)])
    def test_a_file_is_no_folder(self, place: Path, below: tuple[str, ...]) -> None:
        (place / "file").touch()
        with pytest.raises(FolderUnavailable) as caught:
            open_folder(str(place.joinpath("file", *below)), [str(place)])
        assert _reason(caught) == "FolderMissing"

    def test_no_handle_stays_open(self, place: Path, tmp_path: Path) -> None:
        (place / "a" / "b").mkdir(parents=True)
        (place / "link").symlink_to(tmp_path)
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # iterdir would hold a handle of its own
        check_folder(str(place / "a" / "b"), [str(place)])
        for bad in ("link", "missing", "a/b/c"):
            with pytest.raises(FolderUnavailable):
                check_folder(str(place / bad), [str(place)])
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208  # iterdir would hold a handle of its own

    def test_a_link_that_is_swapped_in_while_folders_are_opened_leads_nowhere(
        self, place: Path, tmp_path: Path
    ) -> None:
        inner, spare, outside = place / "inner", place / "spare", tmp_path / "outside"
        inner.mkdir()
        outside.mkdir()
        spare.symlink_to(outside)
        stop = threading.Event()

        def swap() -> None:
            while not stop.is_set():
                assert linux._rename(AT_FDCWD, bytes(inner), AT_FDCWD, bytes(spare), RENAME_EXCHANGE) == 0

        swapping = threading.Thread(target=swap)
        swapping.start()
        outcomes = Counter[str]()
        try:
            for number in range(1000):
                try:
                    with open_folder(str(inner), [str(place)]) as folder:
                        folder.write(temporary := temporary_name(number, "t"), [b"x"])
                        folder.publish(temporary, f"{number}.csv")
                        outcomes["saved"] += 1
                except FolderUnavailable as exc:
                    outcomes[exc.reason] += 1
        finally:
            stop.set()
            swapping.join()
        # FolderMissing: a link that was refused is a folder again by the time that it is looked at.
        assert set(outcomes) <= {"saved", "LinkInPath", "FolderMissing"}
        assert not list(outside.iterdir())
        real = spare if inner.is_symlink() else inner
        assert len(list(real.iterdir())) == outcomes["saved"]


class TestIdentity:
    def test_it_is_the_same_for_the_same_folder(self, folder: ImportFolder, place: Path) -> None:
        folder.write(TEMPORARY, [b"x"])
        place.chmod(0o700)
        moved = place.rename(place.with_name("moved"))
        with open_folder(str(moved), [str(moved)]) as again:
            assert again.identity == folder.identity
            assert len(again.identity) <= 100

    def test_it_differs_for_one_in_its_place_though_ext4_uses_its_inode_again(
        self, folder: ImportFolder, place: Path
    ) -> None:
        place.rmdir()
        place.mkdir()
        with open_folder(str(place), [str(place)]) as again:
            assert not again.is_same(folder.identity)

    def test_a_host_that_does_not_know_the_time_of_creation_knows_the_folder(
        self, folder: ImportFolder, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(linux, "birth_time", lambda _: None)
        with open_folder(str(place), [str(place)]) as other:
            assert other.identity == f"{place.stat().st_ino:x}"
            assert other.is_same(folder.identity)
            assert folder.is_same(other.identity)
            assert not folder.is_same(f"{place.stat().st_ino + 1:x}")

    def test_systems_without_statx_are_served(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(linux, "_library", object())
        with open_folder(str(place), [str(place)]) as other:
            assert "-" not in other.identity

    def test_it_outlasts_a_remount_and_differs_while_nothing_is_mounted(self, place: Path, tmp_path: Path) -> None:
        image = tmp_path / "disk"
        with image.open("wb") as file:
            file.truncate(2 * 1024 * 1024)
        if shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH')}:/usr/sbin:/sbin") is None:
            pytest.skip("needs mkfs.ext4")

        def mount() -> None:
            if subprocess.run(["mount", "-o", "loop", image, place], check=False, capture_output=True).returncode:
                pytest.skip("needs root and a loop device")

        def identity() -> str:
            with open_folder(str(place), [str(place)]) as folder:
                return folder.identity

        def work() -> None:
            with_own_mounts()
            subprocess.run(["/usr/sbin/mkfs.ext4", "-q", image], check=True, capture_output=True)
            unmounted = identity()
            found = []
            for _ in range(2):
                mount()
                check_folder(str(place), [str(place)])
                found.append(identity())
                subprocess.run(["umount", place], check=True)
            assert found[0] == found[1] != unmounted

        in_child(work)


class TestFaults:
    @pytest.mark.parametrize("extra", [0, 1])
    def test_a_full_file_system_is_named_and_keeps_no_part_of_a_file(self, place: Path, extra: int) -> None:
        def work() -> None:
            with_own_mounts()
            mount_tmpfs(place, "size=64k")
            room = 64 * 1024  # in whole pages, all of which files may take
            with open_folder(str(place), [str(place)]) as folder:
                folder.write("fits", [b"x" * room])
                folder.remove("fits")
                with pytest.raises(FolderUnavailable, match=f"{place} has no room .No space left") as caught:
                    folder.write(TEMPORARY, [b"x" * room, b"y" * (1 + extra * 100_000)])
                assert _reason(caught) == "FolderFull"
                assert not list(place.iterdir())
                # The full disk is the folder's, not this host's: other work goes on.
                assert host_fault_of(caught.value) is None

        in_child(work)

    def test_a_file_system_without_room_for_names_is_full(self, place: Path) -> None:
        def work() -> None:
            with_own_mounts()
            mount_tmpfs(place, "size=64k,nr_inodes=2")
            (place / "one").touch()
            with pytest.raises(FolderUnavailable) as caught:
                check_folder(str(place), [str(place)])
            assert _reason(caught) == "FolderFull"

        in_child(work)

    def test_a_limit_of_the_size_of_files_leaves_no_part(self, place: Path) -> None:
        def work() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
            with open_folder(str(place), [str(place)]) as folder, pytest.raises(FolderUnavailable) as caught:
                folder.write(TEMPORARY, [b"x" * 10_001])
            assert _reason(caught) == "FolderFull"
            assert not list(place.iterdir())

        in_child(work)

    def test_a_read_only_mount_is_named(self, place: Path) -> None:
        def work() -> None:
            with_own_mounts()
            mount_tmpfs(place, "size=64k")
            with open_folder(str(place), [str(place)]) as folder:
                folder.write(TEMPORARY, [b"x"])
            remount_read_only(place)
            with open_folder(str(place), [str(place)]) as folder:
                for call in (
                    lambda: folder.publish(TEMPORARY, "a.csv"),
                    lambda: folder.remove(TEMPORARY),
                    lambda: folder.write("other", [b"x"]),
                ):
                    with pytest.raises(FolderUnavailable, match="read-only") as caught:
                        call()
                    assert _reason(caught) == "FolderReadOnly"

        in_child(work)

    def test_a_share_that_is_unmounted_meanwhile_takes_the_file_or_fails(self, place: Path) -> None:
        def work() -> None:
            with_own_mounts()
            mount_tmpfs(place, "size=64k")
            with open_folder(str(place), [str(place)]) as folder:
                unmount(place)
                folder.write(TEMPORARY, [b"x"])
                assert not list(place.iterdir())
                with open_folder(str(place), [str(place)]) as empty:
                    assert not empty.is_same(folder.identity)

        in_child(work)

    @pytest.mark.parametrize("mode", [0o000, 0o555, 0o711, 0o733])
    def test_missing_rights_are_named(self, public: Path, mode: int) -> None:
        place = public / "imports"
        place.mkdir()
        place.chmod(mode)

        def work() -> None:
            os.seteuid(NOBODY)
            with pytest.raises(FolderUnavailable, match="let the account") as caught:
                check_folder(str(place), [str(place.parent)])
            assert _reason(caught) == "AccessDenied"

        in_child(work)
        assert not list(place.iterdir())

    def test_a_folder_on_the_way_need_not_be_listed(self, public: Path) -> None:
        place = public / "imports"
        (place / "inner").mkdir(parents=True)
        (place / "inner").chmod(0o777)
        place.chmod(0o711)

        def work() -> None:
            os.seteuid(NOBODY)
            check_folder(str(place / "inner"), [str(place)])

        in_child(work)

    def test_without_file_handles_the_host_is_at_fault(self, place: Path) -> None:
        def work() -> None:
            with open_folder(str(place), [str(place)]) as folder:
                free = os.dup(0)
                os.close(free)
                resource.setrlimit(resource.RLIMIT_NOFILE, (free, free))
                for call in (
                    lambda: folder.write(TEMPORARY, [b"x"]),
                    lambda: open_folder(str(place), [str(place)]),
                ):
                    with pytest.raises(HostFault, match="LimitNOFILE"):
                        call()

        in_child(work)

    @pytest.mark.parametrize(
        ("number", "reason"),
        [
            (errno.ENOENT, "FolderMissing"),
            (errno.ENOTDIR, "FolderMissing"),
            (errno.ENOSPC, "FolderFull"),
            (errno.EDQUOT, "FolderFull"),
            (errno.EROFS, "FolderReadOnly"),
            (errno.EACCES, "AccessDenied"),
            (errno.EPERM, "AccessDenied"),
            (errno.EBUSY, "FolderBusy"),
            (errno.EIO, "FolderUnreachable"),
            (errno.ESTALE, "FolderUnreachable"),
            (errno.EHOSTDOWN, "FolderUnreachable"),
            (errno.ETIMEDOUT, "FolderUnreachable"),
            (errno.ENOTCONN, "FolderUnreachable"),
            (errno.EDOM, "FolderFailed"),
        ],
    )
    def test_each_cause_has_its_word_and_names_the_folder(self, number: int, reason: str) -> None:
        fault = fault_of("/imports/a", OSError(number, os.strerror(number)))
        assert isinstance(fault, FolderUnavailable)
        assert fault.reason == reason
        assert "/imports/a" in str(fault)
        assert os.strerror(number) in str(fault)

    @pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS])
    def test_what_the_host_lacks_is_no_fault_of_the_folder(self, number: int) -> None:
        assert isinstance(fault_of("/imports/a", OSError(number, "")), HostFault)

    @pytest.mark.parametrize(
        ("code", "number", "reason"),
        [
            (53, errno.ENOENT, "FolderUnreachable"),
            (67, errno.ENOENT, "FolderUnreachable"),
            (3, errno.ENOENT, "FolderMissing"),
            (32, errno.EACCES, "FolderBusy"),
            (19, errno.EACCES, "FolderReadOnly"),
            (5, errno.EACCES, "AccessDenied"),
            (112, errno.ENOSPC, "FolderFull"),
            (1295, errno.EINVAL, "FolderFull"),
            (225, errno.EINVAL, "AccessDenied"),
        ],
    )
    def test_codes_of_windows_count_where_python_takes_them_for_something_else(
        self, code: int, number: int, reason: str
    ) -> None:
        class OfWindows(OSError):
            winerror = code

        fault = fault_of("D:\\a", OfWindows(number, "text of Windows"))
        assert isinstance(fault, FolderUnavailable)
        assert fault.reason == reason


class TestProbe:
    @pytest.mark.parametrize("call", ["write", "publish"])
    def test_another_process_that_does_the_same_just_now_is_no_trouble(
        self, folder: ImportFolder, place: Path, monkeypatch: pytest.MonkeyPatch, call: str
    ) -> None:
        plain = getattr(ImportFolder, call)

        def meanwhile(*given: Any) -> Any:  # noqa: ANN401  # as the method
            monkeypatch.setattr(ImportFolder, call, plain)
            folder.probe()
            return plain(*given)

        monkeypatch.setattr(ImportFolder, call, meanwhile)
        folder.probe()
        assert not list(place.iterdir())

    @pytest.mark.parametrize("call", ["write", "link", "unlink", "fsync"])
    def test_a_folder_that_takes_no_file_is_found_at_any_call(
        self, folder: ImportFolder, monkeypatch: pytest.MonkeyPatch, call: str
    ) -> None:
        _without_flags(monkeypatch, errno.EINVAL)
        monkeypatch.setattr(os, call, _failing(errno.EACCES))
        with pytest.raises(FolderUnavailable) as caught:
            folder.probe()
        assert _reason(caught) == "AccessDenied"


@pytest.mark.parametrize("reason", sorted(MAYBE_OF_FILE))
def test_a_refusal_of_one_file_is_not_taken_for_one_of_its_folder(reason: str) -> None:
    refusal = refusal_of("/imports/a", FolderUnavailable(reason, Phrase("The folder."), "Some cause"))
    assert refusal.reason in FILE_REASONS
    assert "/imports/a" in str(refusal)
    assert "Some cause" in str(refusal)


def test_a_check_leaves_nothing_behind(place: Path) -> None:
    check_folder(str(place), [str(place)])
    assert not list(place.iterdir())
