#!/bin/sh
# Start, stop and watch noggin_mp, under systemd or supervisord, whichever runs it here.
#
#   NOGGIN_UNIT              unit of systemd (noggin-processor.service)
#   NOGGIN_PROGRAM           program or group of supervisord (noggin-mp)
#   NOGGIN_SUPERVISORD_CONF  configuration of supervisord, when it is not in its usual place
#   NOGGIN_LINES             how many lines `logs` shows (200)
set -eu

UNIT=${NOGGIN_UNIT:-noggin-processor.service}
PROGRAM=${NOGGIN_PROGRAM:-noggin-mp}
CONF=${NOGGIN_SUPERVISORD_CONF:-/etc/noggin-mp/supervisord.conf}
# Where it is when it was installed with noggin_mp, and is on nobody's PATH.
SUPERVISORCTL=$(command -v supervisorctl || echo /opt/noggin-mp/bin/supervisorctl)
LINES=${NOGGIN_LINES:-200}

usage() {
    echo "usage: $0 start|stop|restart|status|enable|disable|logs|follow|reload" >&2
    exit 2
}

tell() {
    echo "$0: $1" >&2
}

with_systemd() {
    case $1 in
        status) exec systemctl --no-pager --lines=20 status "$UNIT" ;;
        logs) exec journalctl --no-pager --lines="$LINES" --unit="$UNIT" ;;
        follow) exec journalctl --follow --lines=20 --unit="$UNIT" ;;
        *) exec systemctl "$1" "$UNIT" ;;
    esac
}

# supervisorctl with our configuration, where there is one.
ctl() {
    if [ -f "$CONF" ]; then
        "$SUPERVISORCTL" -c "$CONF" "$@"
    else
        "$SUPERVISORCTL" "$@"
    fi
}

# The processes of the program or group, one name a line.
processes() {
    ctl status "$PROGRAM:*" 2>/dev/null | sed -n '/: ERROR/d; s/^\([^ ]*:[^ ]*\) .*/\1/p; s/^\([A-Za-z0-9_-]*\) .*/\1/p'
}

with_supervisord() {
    case $1 in
        start | stop | restart) ctl "$1" "$PROGRAM:*" ;;
        # It ends with 3 when something does not run: that is an answer, not a failure of ours.
        status) ctl status "$PROGRAM:*" ;;
        reload) ctl signal HUP "$PROGRAM:*" ;;
        logs)
            for process in $(processes); do
                echo "==> $process <=="
                ctl tail "-$((LINES * 200))" "$process" | tail -n "$LINES"
            done
            ;;
        follow)
            first=$(processes | head -n 1)
            [ "$(processes | wc -l)" -le 1 ] ||
                tell "this follows $first; the others: supervisorctl tail -f NAME"
            ctl tail -f "${first:-$PROGRAM}"
            ;;
        enable | disable)
            value=true
            [ "$1" = enable ] || value=false
            tell "set autostart=$value in the program's section, then run: supervisorctl update"
            exit 2
            ;;
    esac
}

[ $# -eq 1 ] || usage
case $1 in
    start | stop | restart | status | enable | disable | logs | follow | reload) ;;
    *) usage ;;
esac

# True when supervisord answers and has the program, whether or not it runs.
supervised() {
    [ -x "$SUPERVISORCTL" ] && ctl pid >/dev/null 2>&1 && [ -n "$(processes)" ]
}

# A unit that does not run may be left over from before: supervisord may have the fleet.
if command -v systemctl >/dev/null 2>&1 && systemctl cat "$UNIT" >/dev/null 2>&1 &&
    { systemctl --quiet is-active "$UNIT" || ! supervised; }; then
    with_systemd "$1"
elif supervised; then
    with_supervisord "$1"
elif [ -x "$SUPERVISORCTL" ]; then
    tell "supervisorctl is here, but its supervisord does not answer, or has no program $PROGRAM:"
    tell "start supervisord, or name its configuration in NOGGIN_SUPERVISORD_CONF"
    exit 3
else
    tell "neither systemd with $UNIT nor supervisord runs noggin_mp here."
    tell "Make the files for one of them: noggin-mp init --systemd, or noggin-mp init --supervisord;"
    tell "without a service manager, noggin-mp run works in any terminal."
    exit 3
fi
