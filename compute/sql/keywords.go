package sql

import (
	"maps"
	"slices"
)

// Keywords are the words that the grammar gives a meaning, in capital letters and in order: for editors.
func Keywords() []string {
	all := maps.Clone(reserved)
	maps.Copy(all, printQuoted)
	for _, w := range []string{"ALTER", "BEGIN", "CATALOG", "CATALOGS", "COLUMNS", "DATABASES", "EXISTS",
		"FUNCTIONS", "JOB", "JOBS", "PROCEDURES", "RESUME", "STATEMENT", "STOP", "SUSPEND", "TABLES", "VIEWS"} {
		all[w] = true
	}
	return slices.Sorted(maps.Keys(all))
}
