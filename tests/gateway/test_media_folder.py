"""The folder that a download goes to: files kept and replaced, links, odd names, no room."""

import os
import subprocess
from pathlib import Path

import pytest

from noggin_mp.domain import errors
from noggin_mp.gateway import files, http
from tests.support import fault_server, gateway
from tests.support.downloads import JPEG, download, names

Server = fault_server.FaultServer
reply = fault_server.reply


def test_download_keeps_the_file_when_it_is_there_already(
    client: http.Client, server: Server, tmp_path: Path
) -> None:
    server.answers(reply(JPEG))
    first = download(client, tmp_path).file
    assert first is not None
    inode = first.path.stat().st_ino
    second = download(client, tmp_path, token=78).file
    assert second is not None
    assert second.path.stat().st_ino == inode
    assert names(tmp_path) == [first.path.name]


def test_download_replaces_the_file_when_its_content_changed(
    client: http.Client, server: Server, tmp_path: Path
) -> None:
    server.answers(reply(gateway.jpeg(5000)), reply(JPEG))
    download(client, tmp_path)
    second = download(client, tmp_path).file
    assert second is not None
    assert second.path.read_bytes() == JPEG
    assert names(tmp_path) == [second.path.name]


@pytest.mark.parametrize("kind", ["missing", "file", "link"])
def test_download_blames_the_path_when_the_folder_cannot_be_used(
    client: http.Client, server: Server, tmp_path: Path, kind: str
) -> None:
    server.answers(reply(JPEG))
    folder = tmp_path / "folder"
    if kind == "file":
        folder.write_text("in the way")
    elif kind == "link":
        folder.symlink_to(tmp_path)
    with pytest.raises(errors.PathUnusable, match="install -d -o") as caught:
        download(client, folder)
    assert str(folder) in str(caught.value)


def test_download_never_writes_through_a_link_when_one_is_planted(
    client: http.Client, server: Server, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / ".p.jpg.77.tmp").symlink_to(victim)
    (folder / "p.jpg").symlink_to(victim)
    server.answers(reply(JPEG))
    done = download(client, folder, stem="p")
    assert done.file is not None
    assert not done.file.path.is_symlink()
    assert victim.read_text() == "precious"
    assert names(folder) == ["p.jpg"]


@pytest.mark.parametrize("stem", ["../escape", "a/b", "a\0b", "x" * 300])
def test_download_refuses_when_the_name_is_no_file_name(
    client: http.Client, server: Server, tmp_path: Path, stem: str
) -> None:
    server.answers(reply(JPEG))
    with pytest.raises(ValueError, match="file name"):
        download(client, tmp_path, stem=stem)
    assert names(tmp_path) == []


def test_download_shortens_only_the_temporary_name_when_the_name_is_long(
    client: http.Client, server: Server, tmp_path: Path
) -> None:
    server.answers(reply(JPEG))
    done = download(client, tmp_path, stem="é" * 125)
    assert done.file is not None
    assert done.file.path.name == "é" * 125 + ".jpg"


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a tiny tmpfs")
def test_download_raises_disk_full_and_leaves_nothing_when_space_runs_out(
    client: http.Client, server: Server, tmp_path: Path
) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        server.answers(reply(JPEG))
        with pytest.raises(errors.DiskFull, match="df -h"):
            download(client, tmp_path)
        assert names(tmp_path) == []
        with pytest.raises(errors.DiskFull):
            files.publish_text(tmp_path, "a.txt", "x" * 300_000)
        assert names(tmp_path) == []
        server.answers(reply(gateway.jpeg(50_000)))
        assert download(client, tmp_path).attempt.ok  # the connection and the folder are fine
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
