// The part of DuckDB's stable C interface (v1.1.0) that the aggregates use; DuckDB's own
// header lives in another module.
#ifndef WEIR_DUCKAPI_H
#define WEIR_DUCKAPI_H

#include <stdbool.h>
#include <stdint.h>

typedef struct opaque *duckdb_aggregate_function, *duckdb_logical_type, *duckdb_function_info, *duckdb_data_chunk, *duckdb_vector,
    *duckdb_aggregate_state, *duckdb_connection;
typedef uint64_t idx_t;
extern duckdb_aggregate_function duckdb_create_aggregate_function(void);
extern void duckdb_destroy_aggregate_function(duckdb_aggregate_function *);
extern void duckdb_aggregate_function_set_name(duckdb_aggregate_function, const char *);
extern void duckdb_aggregate_function_add_parameter(duckdb_aggregate_function, duckdb_logical_type);
extern void duckdb_aggregate_function_set_return_type(duckdb_aggregate_function, duckdb_logical_type);
extern void duckdb_aggregate_function_set_functions(
    duckdb_aggregate_function, idx_t (*size)(duckdb_function_info), void (*init)(duckdb_function_info, duckdb_aggregate_state),
    void (*update)(duckdb_function_info, duckdb_data_chunk, duckdb_aggregate_state *),
    void (*combine)(duckdb_function_info, duckdb_aggregate_state *, duckdb_aggregate_state *, idx_t),
    void (*finalize)(duckdb_function_info, duckdb_aggregate_state *, duckdb_vector, idx_t, idx_t));
extern int duckdb_register_aggregate_function(duckdb_connection, duckdb_aggregate_function);
extern duckdb_logical_type duckdb_create_logical_type(int);
extern void duckdb_destroy_logical_type(duckdb_logical_type *);
extern idx_t duckdb_data_chunk_get_size(duckdb_data_chunk);
extern duckdb_vector duckdb_data_chunk_get_vector(duckdb_data_chunk, idx_t);
extern void *duckdb_vector_get_data(duckdb_vector);
extern uint64_t *duckdb_vector_get_validity(duckdb_vector);
extern void duckdb_vector_ensure_validity_writable(duckdb_vector);
extern duckdb_logical_type duckdb_create_decimal_type(uint8_t width, uint8_t scale);

static inline bool valid(const uint64_t *mask, idx_t row) { return !mask || (mask[row / 64] >> (row % 64) & 1); }

#endif
