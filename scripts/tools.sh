#!/usr/bin/env bash
# Builds the tools and test servers pinned in tools/<name>/go.mod, once each, into
# .cache/bin. A stamp holds the checksum of go.mod and go.sum, so a second call does nothing.
# Usage: scripts/tools.sh NAME...     (a name is a folder of tools/)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
bin=$root/.cache/bin
mkdir -p "$bin"

[ $# -gt 0 ] || { echo "usage: scripts/tools.sh NAME... (one of: $(ls "$root/tools" | tr '\n' ' '))" >&2; exit 2; }

for name in "$@"; do
  dir=$root/tools/$name
  [ -f "$dir/go.mod" ] || { echo "error: tools.sh: no such tool $name: see tools/" >&2; exit 2; }
  sum=$(cat "$dir/go.mod" "$dir/go.sum" | cksum)
  stamp=$bin/.$name.stamp
  if [ -x "$bin/$name" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ]; then continue; fi
  # The package is the module's tool directive: one source for the pin and the path.
  pkg=$(cd "$dir" && go mod edit -json | sed -n '/"Tool"/,/]/s/.*"Path": "\(.*\)".*/\1/p' | head -1)
  [ -n "$pkg" ] || { echo "error: tools.sh: $dir/go.mod has no tool directive" >&2; exit 1; }
  echo "building $name ($pkg)" >&2
  # Built beside its place and moved there, so that a test never runs half a binary.
  (cd "$dir" && GOFLAGS=-buildvcs=false GOWORK=off CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "$bin/.$name.tmp" "$pkg")
  mv "$bin/.$name.tmp" "$bin/$name"
  echo "$sum" > "$stamp"
done
