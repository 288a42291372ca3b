// Exact sums of doubles as DuckDB aggregates. See exactsum.c.
#ifndef WEIR_EXACTSUM_H
#define WEIR_EXACTSUM_H

// weir_register_exact registers weir_sum(DOUBLE) and weir_avg(DOUBLE) on a
// duckdb_connection. Returns 0, or 1 if DuckDB refused.
int weir_register_exact(void *connection);

#endif
