"""The service files of `init`: the site's own places, account and times in them."""

from pathlib import Path

import pytest

from noggin_mp.cli import init_files

SITE = init_files.Site(
    folder=Path("/srv/noggin"), program=("/opt/n/bin/noggin-mp",), user="alice", group="staff"
)


@pytest.mark.parametrize("name", [*init_files.SYSTEMD, "noggin-mp.conf", "supervisord.conf"])
def test_service_file_names_no_place_of_the_shipped_ones(name: str) -> None:
    text = init_files.service_file(name, SITE)
    lines = [line for line in text.splitlines() if not line.startswith(("#", ";"))]
    rest = "\n".join(lines).replace(str(SITE.folder), "")

    for place in ("/opt/noggin-mp", "/etc/", "/var/lib", "/run/", "=noggin\n"):
        assert place not in rest, name


def test_service_file_tells_user_from_group() -> None:
    unit = init_files.service_file("noggin-processor.service", SITE)
    folders = init_files.service_file("noggin-mp.tmpfiles", SITE)

    assert "\nUser=alice\nGroup=staff\n" in unit
    assert "ReadWritePaths=/srv/noggin/var\n" in unit
    assert " 0750 root   staff -" in folders
    assert " 0750 alice staff -" in folders
    assert "su alice staff\n" in init_files.service_file("noggin-mp.logrotate", SITE)


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/home/al/n", {"ProtectHome=read-only", "PrivateTmp=yes"}),
        ("/var/tmp/n", {"ProtectHome=yes", "PrivateTmp=no"}),  # noqa: S108 - nothing is made
        ("/srv/n", {"ProtectHome=yes", "PrivateTmp=yes"}),
    ],
)
def test_service_file_does_not_hide_the_installation(folder: str, expected: set[str]) -> None:
    site = init_files.Site(
        folder=Path(folder), program=("/opt/n/bin/noggin-mp",), user="al", group="al"
    )

    assert expected <= set(init_files.service_file("noggin-monitor.service", site).splitlines())
