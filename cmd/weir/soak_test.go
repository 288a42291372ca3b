package main

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// The tests of kills, S3 and Kafka run for a minute by default. `make soak` sets these for its long runs.
const (
	// envKills is how often TestQuickstartSurvivesKills kills.
	envKills = "WEIR_TEST_KILLS"
	// envUntil is where the replays of these tests end, in event time.
	envUntil = "WEIR_TEST_UNTIL"

	killsDefault = 10
)

// yearEnd is after the last event of the replay.
const yearEnd = "2014-01-05 00:00:00"

// yearStart is about when the replay's first event is.
var yearStart = time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC)

func soakKills(t *testing.T) int {
	t.Helper()
	text := os.Getenv(envKills)
	if text == "" {
		return killsDefault
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s: it must be a number above 0", envKills, text)
	}
	return n
}

func soakUntil(t *testing.T, usual string) string {
	t.Helper()
	until := os.Getenv(envUntil)
	if until == "" {
		return usual
	}
	eventTime(t, until) // complains if it is none
	return until
}

func eventTime(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.DateTime, text)
	if err != nil || !at.After(yearStart) {
		t.Fatalf("%q: it must be a time like 2013-02-01 00:00:00, after %s", text, yearStart.Format(time.DateTime))
	}
	return at
}
