"""Folders that cannot be led astray, texts that are whole, sweeping that takes only our own."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from noggin_mp.domain import errors
from noggin_mp.gateway import files, partial, trouble


def test_free_bytes_is_a_number_when_the_folder_exists(tmp_path: Path) -> None:
    assert files.free_bytes(tmp_path) > 0


def test_require_space_names_both_sizes_when_there_is_too_little(tmp_path: Path) -> None:
    assert files.require_space(tmp_path, 1) > 0
    with pytest.raises(errors.DiskFull, match=r"under the floor of 1073741824\.00 GiB"):
        files.require_space(tmp_path, 2**60)


def test_require_space_blames_the_path_when_it_is_gone(tmp_path: Path) -> None:
    with pytest.raises(errors.PathUnusable, match="install -d"):
        files.require_space(tmp_path / "gone", 1)


def test_ensure_folder_makes_it_when_missing_and_is_content_when_there(tmp_path: Path) -> None:
    expected = tmp_path / "2025" / "10" / "2025-10-23 LCD - 000001"
    for _ in range(2):
        assert expected == files.ensure_folder(tmp_path, "2025/10/2025-10-23 LCD - 000001")
        assert expected.is_dir()
    assert expected.stat().st_mode & 0o027 == 0


def test_ensure_folder_refuses_when_a_link_leads_out(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / "2025").symlink_to(outside)
    with pytest.raises(errors.PathUnusable, match="2025"):
        files.ensure_folder(root, "2025/10")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("relative", ["../x", "a/../../x", "/etc", "a/\0"])
def test_ensure_folder_refuses_when_the_path_leaves_the_root(tmp_path: Path, relative: str) -> None:
    with pytest.raises(ValueError, match="file name"):
        files.ensure_folder(tmp_path, relative)


def test_ensure_folder_does_not_make_the_root_when_a_mount_is_gone(tmp_path: Path) -> None:
    with pytest.raises(errors.PathUnusable):
        files.ensure_folder(tmp_path / "mount", "2025")
    assert not (tmp_path / "mount").exists()


def test_ensure_folder_blames_the_file_when_one_stands_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "2025").write_text("a file")
    with pytest.raises(errors.PathUnusable, match="remove what stands in its way"):
        files.ensure_folder(tmp_path, "2025/10")


def test_ensure_writable_leaves_nothing_when_the_folder_is_fine(tmp_path: Path) -> None:
    files.ensure_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_ensure_writable_blames_the_file_when_it_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(errors.PathUnusable):
        files.ensure_writable(tmp_path / "a")
    with pytest.raises(errors.PathUnusable):
        files.ensure_writable(tmp_path / "a" / "b")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_ensure_writable_gives_the_command_when_permission_is_missing(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(errors.PathUnusable, match=r"chmod u\+rwx"):
            files.ensure_writable(tmp_path)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("expected", "number", "remedy"),
    [
        (errors.DiskFull, errno.ENOSPC, "df -h '/srv/my photos'"),
        (errors.DiskFull, errno.EDQUOT, "df -h"),
        (errors.PathUnusable, errno.EACCES, "run: sudo install -d -o"),
        (errors.PathUnusable, errno.EROFS, "findmnt -T"),
        (errors.PathUnusable, errno.ENOENT, "run: sudo install -d -o"),
        (errors.PathUnusable, errno.ENOTDIR, "remove what stands in its way"),
        (errors.PathUnusable, errno.EIO, "dmesg"),
        (errors.PathUnusable, errno.EMFILE, "ulimit -n"),
        (errors.PathUnusable, errno.ENFILE, "LimitNOFILE="),
    ],
)
def test_local_names_the_remedy_when_the_error_is(
    expected: type[errors.LocalTrouble], number: int, remedy: str
) -> None:
    error = OSError(number, os.strerror(number))
    found = trouble.local(error, Path("/srv/my photos"), doing="write to")
    assert type(found) is expected
    assert remedy in found.remedy
    assert found.exit_code == 8


def test_local_names_the_owner_as_remedy_when_the_folder_is_there(tmp_path: Path) -> None:
    error = PermissionError(errno.EACCES, "denied")
    found = trouble.local(error, tmp_path, doing="write to")
    assert found.remedy == f"run: chmod u+rwx {tmp_path}"  # it is ours already
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, 65534)
        found = trouble.local(error, tmp_path, doing="write to")
        assert found.remedy == f"run: sudo chown -R {trouble._user()} {tmp_path}"


def test_local_names_where_a_link_leads_when_nothing_is_there(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path / "gone")
    error = PermissionError(errno.EACCES, "denied")
    found = trouble.local(error, tmp_path / "out", doing="write to")
    assert found.remedy == f"run: sudo install -d -o {trouble._user()} -m 750 {tmp_path / 'gone'}"


def test_publish_text_replaces_the_text_when_it_is_written_again(tmp_path: Path) -> None:
    for text in ("first\n", "zweite Fassung: äöü €\n"):
        path = files.publish_text(tmp_path, "LCD - 000001_inspection_data.txt", text)
        assert path.read_text(encoding="utf-8") == text
    assert [path] == list(tmp_path.iterdir())


def test_verify_existing_believes_only_the_same_bytes_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"content")
    right = hashlib.sha256(b"content").hexdigest()
    assert files.verify_existing(path, size_bytes=7, sha256=right)
    assert files.verify_existing(path, size_bytes=7, sha256=right.upper())
    assert not files.verify_existing(path, size_bytes=8, sha256=right)
    assert not files.verify_existing(path, size_bytes=7, sha256="0" * 64)
    assert not files.verify_existing(tmp_path / "b", size_bytes=7, sha256=right)
    (tmp_path / "link").symlink_to(path)
    assert not files.verify_existing(tmp_path / "link", size_bytes=7, sha256=right)
    os.mkfifo(tmp_path / "fifo")
    assert not files.verify_existing(tmp_path / "fifo", size_bytes=7, sha256=right)
    assert not files.verify_existing(tmp_path, size_bytes=7, sha256=right)


def test_sweep_takes_only_our_partial_files_when_others_lie_about(tmp_path: Path) -> None:
    deep = tmp_path / "2025" / "10"
    deep.mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    for path in (outside / ".x.jpg.1.tmp", deep / "a.tmp", deep / ".hidden", deep / ".y.tmp"):
        path.write_text("not to be swept")
    root = tmp_path / "2025"
    (root / "link").symlink_to(outside)
    (deep / ".link.jpg.3.tmp").symlink_to(outside / ".x.jpg.1.tmp")
    (deep / ".dir.jpg.3.tmp").mkdir()
    for token in ("1", "2", "abc-def"):
        (deep / f".p.jpg.{token}.tmp").write_text("partial")
    assert files.sweep(root, keep={2}) == 2
    kept = {".hidden", ".y.tmp", "a.tmp", ".p.jpg.2.tmp", ".link.jpg.3.tmp", ".dir.jpg.3.tmp"}
    assert {entry.name for entry in deep.iterdir()} == kept
    assert (outside / ".x.jpg.1.tmp").exists()


def test_sweep_spares_the_young_when_an_age_is_given(tmp_path: Path) -> None:
    for name, age in ((".a.1.tmp", 1000), (".b.1.tmp", 3000)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (age, age))
    assert files.sweep(tmp_path, older_than=2000) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == [".b.1.tmp"]


def test_sweep_spares_tokens_issued_since_whatever_their_files_say(tmp_path: Path) -> None:
    for name in (".a.7.tmp", ".b.8.tmp", ".c.9.tmp", ".d.abc.tmp"):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (1000, 1000))
    assert files.sweep(tmp_path, keep={7}, older_than=2000, issued=8) == 2
    assert {entry.name for entry in tmp_path.iterdir()} == {".a.7.tmp", ".c.9.tmp"}


def test_sweep_finds_nothing_when_the_root_is_missing(tmp_path: Path) -> None:
    assert files.sweep(tmp_path / "gone") == 0


def test_temp_names_fit_the_pattern_and_differ_when_names_are_long() -> None:
    found = {partial.temp_name("é" * 120 + tail, 2**63) for tail in ("a.jpg", "b.jpg")}
    assert len(found) == 2
    for name in found | {partial.temp_name("a", "t-1")}:
        assert partial.TEMP_NAME.fullmatch(name)
        assert len(os.fsencode(name)) <= 255


@pytest.mark.parametrize("token", ["", "a/b", "a.b", "x" * 65])
def test_temp_name_refuses_when_the_token_is_not_plain(token: str) -> None:
    with pytest.raises(ValueError, match="part of a file name"):
        partial.temp_name("a", token)
