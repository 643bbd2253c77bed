#!/bin/sh
# Makes a fresh or changed clone ready to run: dependencies (with the Node this project runs on), then the build.
# Does nothing when there is nothing to do; several at once wait for each other. `setup.sh deps` leaves the build out.
set -u
root=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd -P) || exit 1
lock_copy=$root/node_modules/.installed-lock

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "flotilla: $*"
  exit 1
}

# The lock lives in dist/, since `npm ci` empties node_modules.
take_lock() {
  mkdir -p "$root/dist" 2>/dev/null
  (: >>"$root/dist/.setup-lock") 2>/dev/null && [ -w "$root" ] ||
    fail "cannot write to $root, which still has to be set up: run this once as the owner of that directory (or clone it to a place you may write to)."
  exec 9>>"$root/dist/.setup-lock"
  command -v flock >/dev/null || return 0
  flock -n 9 && return 0
  say 'Waiting for another set-up of this clone to finish…'
  flock 9
}

installed() { [ -x "$root/node_modules/.bin/esbuild" ] && cmp -s "$root/package-lock.json" "$lock_copy"; }

explain_npm_failure() {
  grep -v '^npm error *at ' "$1" | head -n 4 | sed 's/^/  /' >&2
  if grep -Eq 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET|network' "$1"; then
    fail "cannot reach the npm registry $(npm config get registry 2>/dev/null) to fetch the dependencies: check the network or proxy (npm config set proxy URL), then run this again."
  elif grep -Eq 'ENOSPC' "$1"; then
    fail "the disk is full: about 500 MB are needed in $root, then run this again."
  elif grep -Eq 'EACCES|EPERM|EROFS' "$1"; then
    fail "npm may not write where it has to (see above): run this as the owner of $root."
  fi
  fail "installing the dependencies failed (see above); run this again once it is mended."
}

install() {
  command -v npm >/dev/null || fail 'npm is needed once, to fetch the dependencies: install Node.js 20 or newer with npm, then run this again.'
  say 'Installing dependencies and Node 24 (once, about half a minute)…'
  npm_log=$(mktemp "${TMPDIR:-/tmp}/flotilla-npm.XXXXXX") || exit 1
  trap 'rm -f "$npm_log"' EXIT
  # A home that cannot be written to (a service account, a container) must not stand in the way of npm's cache.
  [ -w "${HOME:-/nonexistent}" ] || export npm_config_cache="$root/dist/npm-cache"
  rm -f "$lock_copy"
  (cd "$root" && npm ci --ignore-scripts --include=dev --include=optional --no-audit --no-fund --loglevel=error) \
    >"$npm_log" 2>&1 9>&- || explain_npm_failure "$npm_log"
  rm -f "$npm_log"
  trap - EXIT
  cp "$root/package-lock.json" "$lock_copy"
}

# The bundled Node, or the system's own where there is none for this kind of computer.
choose_node() {
  node=$root/node_modules/.bin/node
  [ -x "$node" ] && "$node" -e 0 2>/dev/null && return 0
  node=$(command -v node) && "$node" -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 24 ? 0 : 1)' && return 0
  fail "no Node 24 is bundled for $(uname -sm): install Node.js 24 or newer, then run this again."
}

take_lock
if installed; then touch "$lock_copy"; else install; fi
choose_node
[ "${1:-}" = deps ] || "$node" "$root/scripts/build.ts" 9>&- || fail 'the build failed (see above).'
