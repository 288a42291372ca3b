#!/usr/bin/env bash
# Brings the engines that weir's tables are checked against into .cache/peers, at the
# versions pinned below: Java Paimon from Maven Central, pypaimon from PyPI, Kafka from
# Maven Central. Stamp files hold what was built from what, so a second call does
# nothing. Needs JDK 17 and mvn (java, kafka), python3 with venv (pypaimon).
# Usage: scripts/peers.sh java|pypaimon|kafka...
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
peers=$root/.cache/peers

paimon_version=1.4.2
hadoop_version=3.3.6
pypaimon_version=2.1.0
kafka_version=4.1.0
slf4j_version=1.7.36 # without a binding the broker says nothing, not even that it is up
attempts=4 # of a download: registries drop connections now and then

die() { echo "error: peers.sh: $*" >&2; exit 1; }
need() { command -v "$1" >/dev/null || die "$1 is missing: install $2"; }

retry() {
  local n=1
  until "$@"; do
    [ $n -lt $attempts ] || return 1
    echo "peers.sh: try $n of $attempts failed: $*" >&2
    sleep $((n * 3)); n=$((n + 1))
  done
}

# current NAME SUM: whether NAME was last built from what SUM says.
current() { [ "$(cat "$peers/.$1.stamp" 2>/dev/null)" = "$2" ]; }
stamp() { echo "$2" > "$peers/.$1.stamp"; }

# jars DIR ARTIFACT...: copies artifacts (group:name:version) and what they need to DIR,
# which appears only when it is complete.
jars() {
  local dir=$1 tmp pom; shift
  tmp=$(mktemp -d "$peers/.jars.XXXXXX"); pom=$tmp/pom.xml
  {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>weir</groupId><artifactId>peers</artifactId><version>1</version><packaging>pom</packaging><dependencies>'
    for a in "$@"; do
      IFS=: read -r group name version <<<"$a"
      echo "<dependency><groupId>$group</groupId><artifactId>$name</artifactId><version>$version</version></dependency>"
    done
    echo '</dependencies></project>'
  } > "$pom"
  retry mvn -q -B -Dstyle.color=never -f "$pom" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$tmp/lib" || die "Maven could not fetch $*"
  rm -rf "$dir"; mv "$tmp/lib" "$dir"; rm -rf "$tmp"
}

java_peer() {
  need javac "a JDK, version 17 or newer"; need mvn "maven"
  local want="paimon $paimon_version hadoop $hadoop_version"
  if ! current java-jars "$want"; then
    jars "$peers/java-lib" "org.apache.paimon:paimon-bundle:$paimon_version" \
      "org.apache.hadoop:hadoop-client-api:$hadoop_version" "org.apache.hadoop:hadoop-client-runtime:$hadoop_version"
    stamp java-jars "$want"
  fi
  want="$want $(cat "$root"/interop/java/*.java | cksum)"
  if ! current java-classes "$want"; then
    rm -rf "$peers/java-classes.tmp"
    javac -Xlint:all,-classfile,-processing,-try -Werror -encoding UTF-8 -cp "$peers/java-lib/*" -d "$peers/java-classes.tmp" "$root"/interop/java/*.java
    rm -rf "$peers/java-classes"; mv "$peers/java-classes.tmp" "$peers/java-classes"
    stamp java-classes "$want"
  fi
}

pypaimon_peer() {
  need python3 "python3 with venv"
  local want="pypaimon $pypaimon_version $(python3 --version)"
  current pypaimon "$want" && return
  rm -rf "$peers/venv"
  python3 -m venv "$peers/venv" || die "python3 cannot make a venv: install python3-venv"
  retry "$peers/venv/bin/pip" install -q "pypaimon==$pypaimon_version" || die "pip could not fetch pypaimon $pypaimon_version"
  stamp pypaimon "$want"
}

kafka_peer() {
  need java "a Java runtime, version 17 or newer"; need mvn "maven"
  local want="kafka $kafka_version slf4j $slf4j_version"
  current kafka "$want" && return
  jars "$peers/kafka-lib" "org.apache.kafka:kafka_2.13:$kafka_version" "org.slf4j:slf4j-simple:$slf4j_version"
  stamp kafka "$want"
}

[ $# -gt 0 ] || { echo "usage: scripts/peers.sh java|pypaimon|kafka..." >&2; exit 2; }
mkdir -p "$peers"
exec 9>"$peers/.lock"; flock 9 # two builds at once would undo each other's work
for peer in "$@"; do
  case $peer in
    java) java_peer ;;
    pypaimon) pypaimon_peer ;;
    kafka) kafka_peer ;;
    *) echo "error: peers.sh: no peer $peer: want java, pypaimon or kafka" >&2; exit 2 ;;
  esac
done
