package flights

import "embed"

// Files holds the SQL scripts, the reference and the data.
//
//go:embed *.sql reference/*.sql data/*.parquet
var Files embed.FS

// DataDir is the directory named in the scripts' paths: a program that unpacks the data
// elsewhere replaces it.
const DataDir = "examples/flights/data"

// Scripts are the SQL files in the order in which they are run.
func Scripts() []string {
	return []string{
		"1_files.sql", "2_tables.sql", "3_events.sql", "4_flights.sql",
		"5_delays_by_carrier_hour.sql", "6_route_board.sql", "7_flights_weather.sql", "8_network_now.sql",
	}
}

// Summary is the script of a table that a backfill keeps beside the streams. It needs a service.
const Summary = "9_daily_summary.sql"

// Backfill is the name of that backfill, and of its table.
const Backfill = "daily_summary"

// Tables are the tables kept by the stream, which the reference computes too.
func Tables() []string {
	return []string{"flights", "delays_by_carrier_hour", "route_board", "flights_weather", "network_now"}
}
