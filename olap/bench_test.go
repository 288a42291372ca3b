//go:build duckdb_arrow

package olap_test

import (
	"fmt"
	"testing"

	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/compute/sql"
)

// BenchmarkQuery measures whole queries over 200,000 rows: in one compacted run, and with ten small runs on top
// that have to be merged.
func BenchmarkQuery(b *testing.B) {
	s := startBench(b)
	for _, state := range []string{"one run", "eleven runs"} {
		if state == "eleven runs" {
			for i := range 10 {
				s.run(b, fmt.Sprintf("INSERT INTO big SELECT id, grp, CAST('y' AS STRING) FROM gen WHERE id BETWEEN %d AND %d", i*1000+1, i*1000+500))
			}
		}
		for name, q := range map[string]string{
			"count": "SELECT COUNT(*) FROM big", "group": "SELECT grp, COUNT(*), MAX(id) FROM big GROUP BY grp", "point": "SELECT * FROM big WHERE id = 4711",
		} {
			b.Run(state+"/"+name, func(b *testing.B) {
				for b.Loop() {
					s.run(b, q)
				}
			})
		}
	}
}

func startBench(b *testing.B) *service {
	b.Helper()
	s := start(b, config{})
	for _, q := range []string{
		"SET 'execution.runtime-mode' = 'batch'",
		`CREATE TABLE gen (id BIGINT, grp INT, s STRING) WITH ('connector'='datagen', 'number-of-rows'='200000',
		  'fields.id.kind'='sequence', 'fields.id.start'='1', 'fields.id.end'='200000', 'fields.grp.min'='0', 'fields.grp.max'='99', 'fields.s.length'='20')`,
		"CREATE TABLE big (id BIGINT, grp INT, s STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket'='2')",
		"INSERT INTO big SELECT * FROM gen",
	} {
		s.run(b, q)
	}
	return s
}

func (s *service) run(b *testing.B, text string) {
	b.Helper()
	st, err := sql.Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	res, err := s.sess.Execute(b.Context(), text, st, session.Params{})
	if err == nil && res.Rows != nil {
		_, err = drain(b.Context(), res.Rows)
	}
	if err != nil {
		b.Fatalf("%s: %v", text, err)
	}
}
