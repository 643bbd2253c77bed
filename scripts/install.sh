#!/bin/sh
# Installs Flotilla on this machine, or brings it up to date, as root: `scripts/install.sh --help`.
case $0 in */*) root=${0%/*}/.. ;; *) root=.. ;; esac
. "$root/scripts/ready.sh"
exec "$node" "$root/scripts/install.ts" "$@"
