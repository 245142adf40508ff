"""What a person types after `init`, in order, ready for a shell."""

import os
import pwd
import shlex
import sys
from pathlib import Path

from noggin_mp.cli.init_files import Site


def after(site: Site, *, systemd: bool, supervisord: bool) -> list[str]:
    """The next steps. All that reads the database runs as the service's account: as it will."""
    root = os.geteuid() == 0
    sudo = "" if root else "sudo "
    config = shlex.quote(str(site.config))
    ours = f"{shlex.join(site.program)} -c {config}"
    user, group = shlex.quote(site.user), shlex.quote(site.group)  # "domain users"
    as_account = f"runuser -u {user} -- {ours}" if root else ours
    token = shlex.quote(str(site.token))
    # A shell's own `>`: in a terminal that was another account's, /dev/stdin cannot be opened.
    put = f"install -m 0640 -g {group} /dev/stdin {token}"
    put = put if root else f"(umask 077; cat > {token})"
    units, programs = (shlex.quote(str(site.folder / n)) for n in ("systemd", "supervisord"))
    steps = [f"edit {config}: database.dsn and api.namespace at least"]
    known = exists(site.user)  # then everything was made for him at once
    if systemd and not known:
        steps += [
            f"{sudo}systemd-sysusers {units}/noggin-mp.sysusers",
            f"{sudo}systemd-tmpfiles --create {units}/noggin-mp.tmpfiles",
        ]
    elif not known:
        data, config_folder = (shlex.quote(str(one)) for one in (site.data, site.config.parent))
        steps += [
            f"{sudo}useradd --system --home-dir {data} {user}",
            f"{sudo}chown -R {user}: {data} && {sudo}chgrp -R {user} {config_folder}",
        ]
    steps += [
        f"{put}    # paste the token, then Ctrl-D",
        f"{as_account} doctor",
        f"{as_account} db migrate",
    ]
    if systemd:
        steps += [
            f"{sudo}cp {units}/*.service {units}/*.timer /etc/systemd/system/",
            f"{sudo}systemctl daemon-reload",
            f"{sudo}systemctl enable --now noggin-processor noggin-backup.timer noggin-prune.timer",
        ]
    if supervisord:
        beside = Path(sys.executable).with_name("supervisord")
        daemon = str(beside) if beside.exists() else beside.name
        steps.append(
            f"{'or, instead: ' if systemd else ''}{shlex.quote(daemon)} -c"
            f" {programs}/supervisord.conf"
            "    # or put the program's .conf into /etc/supervisor/conf.d and supervisorctl update"
        )
    if not systemd and not supervisord:
        steps.append(f"{ours} run")
    return steps


def exists(user: str) -> bool:
    """Whether this machine knows the account."""
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
