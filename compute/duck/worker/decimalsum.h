// Exact sums of decimals as DuckDB aggregates. See decimalsum.c.
#ifndef WEIR_DECIMALSUM_H
#define WEIR_DECIMALSUM_H

// weir_register_decimal_sum registers name(DECIMAL(38, scale)) -> DECIMAL(38, scale) on a
// duckdb_connection. Returns 0, or 1 if DuckDB refused.
int weir_register_decimal_sum(void *connection, const char *name, int scale);

#endif
