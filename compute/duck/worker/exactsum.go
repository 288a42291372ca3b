//go:build duckdb_arrow && cgo

package worker

/*
#include "exactsum.h"
*/
import "C"

import "github.com/weir-lake/weir/internal/errkind"

// registerExact adds the aggregates weir_sum and weir_avg.
func (d *database) registerExact() error {
	if C.weir_register_exact(d.conn.Ptr) != 0 {
		return errkind.Errorf(errkind.Bug, "register weir_sum with DuckDB")
	}
	return nil
}
