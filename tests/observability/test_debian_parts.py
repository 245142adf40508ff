"""Programs that tests need are found or fetched; a machine without either is told the remedy."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import parts

APT = """#!/bin/sh
echo "$@" >> "$LOG"
for word in "$@"; do case "$word" in tool|libtool) touch "$word.deb" ;; esac; done
"""
DPKG = """#!/bin/sh
# dpkg-deb -x FILE FOLDER
case "$2" in
  */tool.deb) mkdir -p "$3/usr/sbin" && printf '#!/bin/sh\\necho "$LD_LIBRARY_PATH" "$@"\\n' \
      > "$3/usr/sbin/tool" && chmod +x "$3/usr/sbin/tool" ;;
  */libtool.deb) mkdir -p "$3/usr/lib/any-linux-gnu" ;;
esac
"""
TOOL = parts.Part(package="tool", programs=("tool",), libraries=("libtool",))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A parts folder, and a machine whose apt-get and dpkg-deb are ours."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("apt-get", APT), ("dpkg-deb", DPKG)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.setattr(parts, "FOLDER", tmp_path / "parts")
    monkeypatch.setattr(parts, "PARTS", (TOOL,))
    return tmp_path / "parts"


def test_part_is_fetched_with_its_libraries_when_it_is_missing(folder: Path) -> None:
    parts.fetch(TOOL, folder)

    found = parts.find("tool")
    assert found == str(folder / "bin" / "tool")
    said = subprocess.run([found, "a", "b c"], capture_output=True, text=True, check=True).stdout
    assert said == f"{folder}/usr/lib/any-linux-gnu a b c\n"
    assert "download tool libtool" in (folder.parent / "log").read_text()
    assert list(folder.glob("*.deb")) == []


def test_what_is_installed_comes_first(folder: Path) -> None:
    parts.fetch(TOOL, folder)
    installed = folder.parent / "programs" / "tool"
    installed.write_text("#!/bin/sh\n")
    installed.chmod(0o755)

    assert parts.find("tool") == str(installed)


def test_missing_part_is_told_with_its_remedy(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder.parent / "programs" / "apt-get").write_text(
        "#!/bin/sh\necho no network >&2\nexit 100\n"
    )

    assert parts.main() == 1

    told = capsys.readouterr().err
    assert "no network" in told
    assert "tool not found; their tests will be skipped. Remedy: apt-get install tool" in told
    mark = parts.needs("tool")
    assert mark.args == (True,)
    assert "make parts, or apt-get install tool" in mark.kwargs["reason"]


def test_nothing_is_asked_of_the_network_when_all_is_there(folder: Path) -> None:
    parts.fetch(TOOL, folder)
    (folder.parent / "log").unlink()

    assert parts.main() == 0
    assert not (folder.parent / "log").exists()


def test_real_program_runs_when_it_was_fetched() -> None:
    for program in ("amtool", "promtool"):
        found = parts.find(program)
        if found is not None:
            done = subprocess.run([found, "--version"], capture_output=True, check=False)
            assert done.returncode == 0, (program, sys.prefix)
