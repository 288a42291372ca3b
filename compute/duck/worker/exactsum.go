//go:build duckdb_arrow && cgo

package worker

/*
#include <stdlib.h>

#include "decimalsum.h"
#include "exactsum.h"
*/
import "C"

import (
	"unsafe"

	"github.com/weir-lake/weir/compute/duck/internal/wire"
	"github.com/weir-lake/weir/internal/errkind"
)

// registerExact adds the aggregates weir_sum and weir_avg.
func (d *database) registerExact() error {
	if C.weir_register_exact(d.conn.Ptr) != 0 {
		return errkind.Errorf(errkind.Bug, "register weir_sum with DuckDB")
	}
	return nil
}

// addDecimalSum adds an aggregate over DECIMAL(38, s).
func (d *database) addDecimalSum(u wire.UDF) error {
	name := C.CString(u.Name)
	defer C.free(unsafe.Pointer(name))
	if C.weir_register_decimal_sum(d.conn.Ptr, name, C.int(u.Result.Scale)) != 0 {
		return errkind.Errorf(errkind.Bug, "register with DuckDB")
	}
	return nil
}
