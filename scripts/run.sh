#!/bin/sh
# `run.sh FILE ARGUMENTS…`: runs a script of this clone under its own Node, setting the clone up first where needed.
case $0 in */*) root=${0%/*}/.. ;; *) root=.. ;; esac
. "$root/scripts/ready.sh"
exec "$node" "$@"
