package snapshot_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// The clock of the cases in testdata/expire.txt; snapshot n is made at minute n.
var base = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func minute(text string) time.Time {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return base.Add(time.Duration(n) * time.Minute)
}

// numbers reads "3-6" or "1,4".
func numbers(text string) []snapshot.ID {
	var out []snapshot.ID
	for part := range strings.SplitSeq(text, ",") {
		lo, hi, ok := strings.Cut(part, "-")
		if !ok {
			hi = lo
		}
		from, err1 := strconv.Atoi(lo)
		to, err2 := strconv.Atoi(hi)
		if err1 != nil || err2 != nil {
			panic(text)
		}
		for id := from; id <= to; id++ {
			out = append(out, snapshot.ID(id))
		}
	}
	return out
}

func versions(ids []snapshot.ID) []*snapshot.Snapshot {
	var out []*snapshot.Snapshot
	for _, id := range ids {
		out = append(out, &snapshot.Snapshot{ID: id, TimeMillis: minute(strconv.Itoa(int(id))).UnixMilli()})
	}
	return out
}

func TestDecide(t *testing.T) {
	datadriven.RunTest(t, "testdata/expire.txt", func(t *testing.T, d *datadriven.TestData) string {
		var f snapshot.Facts
		options := map[string]string{}
		for _, arg := range d.CmdArgs {
			switch arg.Key {
			case "snapshots":
				f.Snapshots = versions(numbers(arg.Vals[0]))
			case "changelogs":
				f.Changelogs = versions(numbers(arg.Vals[0]))
			case "now":
				f.Now = minute(arg.Vals[0])
			case "pins":
				f.Pins = numbers(arg.Vals[0])
			default:
				options[arg.Key] = strings.Join(arg.Vals, " ")
			}
		}
		for line := range strings.Lines(d.Input) {
			w := strings.Fields(line)
			switch w[0] {
			case "consumer": // consumer NAME NEXT MINUTE
				f.Consumers = append(f.Consumers, snapshot.Consumer{ID: w[1], Next: numbers(w[2])[0], Updated: minute(w[3])})
			case "tag": // tag NAME SNAPSHOT MINUTE RETAINED
				retained, err := time.ParseDuration(w[4])
				if err != nil {
					t.Fatal(err)
				}
				f.Tags = append(f.Tags, &snapshot.Tag{Name: w[1], Snapshot: versions(numbers(w[2]))[0], Created: minute(w[3]), Retained: retained})
			}
		}
		o, err := schema.ParseOptions(options, true)
		if err != nil {
			return err.Error() + "\n"
		}
		policy := snapshot.PolicyOf(o)
		if n := len(f.Snapshots); n > 0 {
			f.Latest = f.Snapshots[n-1].ID
		}
		got := snapshot.Decide(f, policy)
		// Facts that end where Enough says lead to the same decision.
		for i, s := range f.Snapshots {
			if policy.Enough(s, f.Snapshots[0].ID, f.Latest, f.Now) {
				f.Snapshots = f.Snapshots[:i+1]
				break
			}
		}
		if short := snapshot.Decide(f, policy); short.Until != got.Until || short.ChangelogsUntil != got.ChangelogsUntil {
			return fmt.Sprintf("with %d snapshots: %+v, with all: %+v\n", len(f.Snapshots), short, got)
		}
		out := fmt.Sprintf("until=%d", got.Until)
		if got.ChangelogsUntil > 0 {
			out += fmt.Sprintf(" changelogs-until=%d", got.ChangelogsUntil)
		}
		if len(got.Tags) > 0 {
			out += " tags=" + strings.Join(got.Tags, ",")
		}
		if len(got.Consumers) > 0 {
			out += " consumers=" + strings.Join(got.Consumers, ",")
		}
		if got.HeldBy != "" {
			out += " held by " + got.HeldBy
		}
		return out + "\n"
	})
}
