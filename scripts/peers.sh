#!/usr/bin/env bash
# Brings the engines that weir's tables are checked against into .cache/peers, at the
# versions pinned below: Java Paimon from Maven Central, pypaimon, schemathesis and openlineage-python from PyPI,
# Kafka from Maven Central. Stamp files hold what was built from what, so a second call does
# nothing. Needs JDK 17 and mvn (java, kafka), python3 with venv (pypaimon, schemathesis, openlineage).
# Usage: scripts/peers.sh java|pypaimon|schemathesis|kafka|openlineage...
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
peers=$root/.cache/peers

paimon_version=1.4.2
hadoop_version=3.3.6
pypaimon_version=2.1.0
kafka_version=4.1.0
schemathesis_version=4.32.5
openlineage_version=1.54.0
jsonschema_version=4.26.0
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

# A client that tries a REST interface against its own contract.
schemathesis_peer() {
  need python3 "python3 with venv"
  local want="schemathesis $schemathesis_version $(python3 --version)"
  current schemathesis "$want" && return
  rm -rf "$peers/schemathesis"
  python3 -m venv "$peers/schemathesis" || die "python3 cannot make a venv: install python3-venv"
  retry "$peers/schemathesis/bin/pip" install -q "schemathesis==$schemathesis_version" || die "pip could not fetch schemathesis $schemathesis_version"
  stamp schemathesis "$want"
}

kafka_peer() {
  need java "a Java runtime, version 17 or newer"; need mvn "maven"
  local want="kafka $kafka_version slf4j $slf4j_version"
  current kafka "$want" && return
  jars "$peers/kafka-lib" "org.apache.kafka:kafka_2.13:$kafka_version" "org.slf4j:slf4j-simple:$slf4j_version"
  stamp kafka "$want"
}

openlineage_peer() {
  need python3 "python3 with venv"
  local want="openlineage $openlineage_version jsonschema $jsonschema_version $(python3 --version)"
  if ! current openlineage "$want"; then
    rm -rf "$peers/openlineage"
    python3 -m venv "$peers/openlineage" || die "python3 cannot make a venv: install python3-venv"
    retry "$peers/openlineage/bin/pip" install -q "openlineage-python==$openlineage_version" "jsonschema[format]==$jsonschema_version" ||
      die "pip could not fetch openlineage-python $openlineage_version and jsonschema $jsonschema_version"
    stamp openlineage "$want"
  fi
  openlineage_spec || echo "peers.sh: the schemas of OpenLineage could not be fetched: events are checked by the client's classes only" >&2
}

# openlineage_spec: the official JSON schemas, which no package of the client holds. Sums pin them.
openlineage_spec() {
  local sum file to
  while read -r sum file; do
    to=$peers/openlineage-spec/$file
    echo "$sum  $to" | sha256sum -c --status 2>/dev/null && continue
    mkdir -p "$(dirname "$to")"
    curl -sSf -m 20 -o "$to.tmp" "https://openlineage.io/spec/$file" 2>/dev/null || return 1
    echo "$sum  $to.tmp" | sha256sum -c --status || die "$file of OpenLineage is not the one that is pinned"
    mv "$to.tmp" "$to"
  done <<'SUMS'
69f68bee00b9beac88a87059c0102410e7bb05f3f43c46d02a0409831eceb0d2 2-0-2/OpenLineage.json
50236a779aa64baa0bad0055391838bd22fcb36ce667c41d60ada80915e899b6 facets/1-2-0/SchemaDatasetFacet.json
04d96b4985ca32470c7f9d73163da76678fb160bc8d80cbbc5abf312e9537466 facets/1-2-0/ColumnLineageDatasetFacet.json
91f57b67bc6d639bb6d600e26b827dac551e3520a233d1785d65870da263dc34 facets/1-0-1/DatasetVersionDatasetFacet.json
228a565040d359e72dff295373ea2b628684a395075c0bc55b93a2a08acfde34 facets/1-0-1/SymlinksDatasetFacet.json
674e44564cd48134f19ba202fbd48c09185d4d49e209bc5a5b11e63e9ac91a60 facets/1-1-0/SQLJobFacet.json
11c12cab95a411ca31066c80d2bb4aefd37bbcadbda5e4d343d2069853b907d5 facets/2-0-4/JobTypeJobFacet.json
7cc28d9996802685f484dcd5d4be48517f5a23a4c9ab00837e9936b769f68e10 facets/1-1-1/ProcessingEngineRunFacet.json
b11b4ee8b0f99f6846264f87cad48390255c7ef142ce623216660c7097be0ea6 facets/1-0-1/ErrorMessageRunFacet.json
SUMS
}

[ $# -gt 0 ] || { echo "usage: scripts/peers.sh java|pypaimon|schemathesis|kafka|openlineage..." >&2; exit 2; }
mkdir -p "$peers"
exec 9>"$peers/.lock"; flock 9 # two builds at once would undo each other's work
for peer in "$@"; do
  case $peer in
    java) java_peer ;;
    pypaimon) pypaimon_peer ;;
    schemathesis) schemathesis_peer ;;
    kafka) kafka_peer ;;
    openlineage) openlineage_peer ;;
    *) echo "error: peers.sh: no peer $peer: want java, pypaimon, schemathesis, kafka or openlineage" >&2; exit 2 ;;
  esac
done
