#!/bin/sh
# Start, stop and watch noggin_mp, under systemd or supervisord, whichever runs it here.
set -eu

UNIT=${NOGGIN_UNIT:-noggin-processor.service}
PROGRAM=${NOGGIN_PROGRAM:-noggin-mp}

usage() {
    echo "usage: $0 start|stop|restart|status|enable|disable|logs|follow|reload" >&2
    exit 2
}

with_systemd() {
    case $1 in
        start | stop | restart | enable | disable | reload) exec systemctl "$1" "$UNIT" ;;
        status) exec systemctl --no-pager status "$UNIT" ;;
        logs) exec journalctl --no-pager -n "${LINES_SHOWN:-200}" -u "$UNIT" ;;
        follow) exec journalctl -f -u "$UNIT" ;;
        *) usage ;;
    esac
}

with_supervisord() {
    case $1 in
        start | stop | restart | status) exec supervisorctl "$1" "$PROGRAM" ;;
        reload) exec supervisorctl signal HUP "$PROGRAM" ;;
        logs) exec supervisorctl tail -20000 "$PROGRAM" ;;
        follow) exec supervisorctl tail -f "$PROGRAM" ;;
        enable | disable)
            echo "$0: under supervisord set autostart in its configuration, then: supervisorctl update" >&2
            exit 2
            ;;
        *) usage ;;
    esac
}

[ $# -eq 1 ] || usage
if [ -d /run/systemd/system ] && systemctl cat "$UNIT" >/dev/null 2>&1; then
    with_systemd "$1"
elif command -v supervisorctl >/dev/null 2>&1; then
    with_supervisord "$1"
else
    case $1 in
        start | stop | restart | status | enable | disable | logs | follow | reload)
            echo "$0: neither systemd with $UNIT nor supervisorctl is here; install one of the files beside this script" >&2
            exit 3
            ;;
        *) usage ;;
    esac
fi
