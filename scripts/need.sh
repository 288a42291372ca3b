#!/usr/bin/env bash
# Checks the tools that `make run` (need.sh run) or `make test` (need.sh test) needs, installs what is
# missing with apt where it may (Debian, root, WEIR_NO_INSTALL unset), else names the command in one
# sentence. Exits 1 when something is missing; `need.sh test` prints a line "missing NAME" for each.
set -u
what=${1:-run}

may_install() { [ "${WEIR_NO_INSTALL:-}" != 1 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }
updated=
install() { # install PACKAGES...
  may_install || return 1
  echo "installing $* with apt-get" >&2
  if [ -z "$updated" ]; then apt-get update -qq >&2 || return 1; updated=1; fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1
}
missing=0
need() { # need NAME CHECK PACKAGES...: CHECK is a shell test that succeeds when the tool is usable
  local name=$1 check=$2; shift 2
  eval "$check" >/dev/null 2>&1 && return
  if [ $# -gt 0 ] && install "$@" && eval "$check" >/dev/null 2>&1; then return; fi
  if [ $# -gt 0 ]; then echo "error: $name is missing: install it with: apt-get install $*" >&2
  else echo "error: $name is missing: install it from its project's download page" >&2; fi
  echo "missing $name"; missing=1
}
at_least() { printf '%s\n%s\n' "$1" "$2" | sort -V -C; } # at_least WANTED FOUND

# Node.js with npm builds the console. Distributions that are still in use have one that is too old
# for Vite, and installing that would help nobody: so apt is asked only if what it has is new enough.
node_wanted=20.19
node_usable() { local v; v=$(node --version) && at_least "$node_wanted" "${v#v}" && npm --version; }
apt_has() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p'; }
need_node() {
  node_usable >/dev/null 2>&1 && return
  if may_install; then install ca-certificates || true; fi # brings the lists up to date
  local offered; offered=$(apt_has nodejs)
  if at_least "$node_wanted" "${offered:-0}" && { install nodejs; node_usable >/dev/null 2>&1 || install npm; } && node_usable >/dev/null 2>&1; then return; fi
  if at_least "$node_wanted" "${offered:-0}"; then echo "error: Node.js $node_wanted or newer with npm is missing: install it with: apt-get install nodejs npm" >&2
  else echo "error: Node.js $node_wanted or newer with npm is missing (found ${offered:-none} in apt): install it from https://nodejs.org/en/download" >&2; fi
  echo "missing Node.js $node_wanted or newer"; missing=1
}

need "Go 1.26 or newer" 'v=$(go env GOVERSION); at_least 1.26 "${v#go}"'
need "a C++ compiler (g++)" 'command -v g++ && command -v cc' g++
need_node
if [ "$what" = test ]; then
  need "JDK 17 (javac)" 'javac -version' openjdk-17-jdk-headless
  need "Maven (mvn)" 'command -v mvn' maven
  need "Python 3.10 or newer with venv" 'python3 -c "import sys, venv, ensurepip; assert sys.version_info >= (3, 10)"' python3 python3-venv
  need "PostgreSQL server (postgres)" 'command -v postgres || ls /usr/lib/postgresql/*/bin/postgres' postgresql
  need "Chromium" 'command -v chromium' chromium
fi
exit $missing
