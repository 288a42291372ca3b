#!/usr/bin/env bash
# The long runs that `make test` has short forms of. Each adds a line with its date, commit and figures to docs/soak.md.
# What and how long is said by the environment:
#   RUNS="kills s3 kafka simulation fuzz"   which of them
#   KILLS=30      kill -9 of one replay that is throttled to last 3 s a kill
#   UNTIL="2014-01-05 00:00:00"   where the replays end, in event time: by default after the whole year
#   CHECKS=2000   random histories of the table simulation
#   FUZZ=60       seconds of each fuzz target
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${RUNS:-kills s3 kafka simulation fuzz}
kills=${KILLS:-30} until=${UNTIL:-2014-01-05 00:00:00} checks=${CHECKS:-2000} fuzz=${FUZZ:-60}
case " $runs " in *" s3 "*) scripts/tools.sh versitygw ;; esac
case " $runs " in *" kafka "*) scripts/peers.sh kafka ;; esac
mkdir -p .cache
log=.cache/soak.log
failed=0
# run WHAT COMMAND...: the line in docs/soak.md has the command's seconds and what its log said of figures.
run() {
  local what=$1 t=$SECONDS verdict=passed figures; shift
  echo "== $what"
  "$@" > "$log" 2>&1 || { verdict="**failed**"; failed=1; grep -v 'level=INFO' "$log" | tail -40 >&2; }
  figures=$(grep -hoE '([0-9]+ of [0-9]+ starts|the tables hold|[0-9]+ rows went|OK, passed|[0-9]+ targets).*' "$log" | tr '\n' ';' | sed 's/;$//; s/|/\\|/g' || true)
  echo "| $(date -u +%F) | $(git rev-parse --short HEAD) | $what | $verdict, $((SECONDS - t)) s | $figures |" | tee -a docs/soak.md
}
one() { go test -tags duckdb_arrow -count 1 -timeout 60m -v "$@"; }
replay() { WEIR_TEST_KILLS=$kills WEIR_TEST_UNTIL=$until one ./cmd/weir -run "^$1\$"; }
export WEIR_REQUIRE_PEERS=1
for r in $runs; do
  case $r in
    kills) run "$kills kills, until $until" replay TestQuickstartSurvivesKills ;;
    s3) run "replay on S3, until $until" replay TestReplayOnS3 ;;
    kafka) run "replay through Kafka, until $until" replay TestReplayThroughKafka ;;
    simulation) run "$checks table histories" one ./table -run '^TestSimulation$' -rapid.checks="$checks" ;;
    fuzz) run "fuzz, $fuzz s a target" scripts/fuzz.sh "$fuzz" ;;
    *) echo "error: soak.sh: no run $r: want kills, s3, kafka, simulation or fuzz" >&2; exit 2 ;;
  esac
done
exit $failed
