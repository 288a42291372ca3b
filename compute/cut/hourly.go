package cut

import (
	"time"

	"github.com/weir-lake/weir/table/schema"
)

// Options of a table that asks for a tag at every full hour, in Paimon's words; Java's writers obey them too. A tag
// is named after the hour that has passed, "2026-11-23 05" for what there was at six.
const (
	optCreation  = "tag.automatic-creation"
	optPeriod    = "tag.creation-period"
	optZone      = "sink.process-time-zone" // of the names
	optFormatter = "tag.period-formatter"
	optDuration  = "tag.creation-period-duration" // replaces the period
	optCountMax  = "tag.num-retained-max"
)

// Hour is the period of automatic cuts.
const Hour = time.Hour

const hourLayout = "2006-01-02 15"

// hourlyOptions is what weir gives the tables it creates: hourly tags for 30 days. The number of tags is not bounded
// instead, because Java's writers do not bear two automatic tags of one snapshot then, and a table that nobody writes
// has them.
var hourlyOptions = map[string]string{
	optCreation: "process-time", optPeriod: "hourly", optZone: "UTC", schema.OptTagRetained: "30 d",
}

// SetOptions adds to the options of a new table those for hourly tags, unless they say something of automatic tags
// themselves; 'tag.automatic-creation' = 'none' has none.
func SetOptions(options map[string]string) {
	if _, said := options[optCreation]; said {
		return
	}
	for k, v := range hourlyOptions {
		if _, said := options[k]; !said {
			options[k] = v
		}
	}
}

// Hourly reports whether a table of these options takes part in the hourly cuts: it asks for Paimon's hourly tags,
// named by UTC, so that all tables have the same names. Other periods are left to other engines.
func Hourly(options map[string]string) bool {
	if f := options[optFormatter]; f != "" && f != "with_dashes" {
		return false
	}
	return options[optCreation] == "process-time" && options[optPeriod] == "hourly" && options[optZone] == "UTC" &&
		options[optDuration] == "" && options[optCountMax] == ""
}

// HourName is the name of the automatic cut that is due at the instant: that of the last hour that is over.
func HourName(at time.Time) string { return hourStart(at).Format(hourLayout) }

func hourStart(at time.Time) time.Time { return at.UTC().Truncate(Hour).Add(-Hour) }

// HourOf reads the name of an automatic cut as the start of its hour.
func HourOf(name string) (time.Time, bool) {
	at, err := time.Parse(hourLayout, name)
	return at, err == nil && at.Format(hourLayout) == name
}
