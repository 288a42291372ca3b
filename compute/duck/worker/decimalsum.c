//go:build duckdb_arrow && cgo

// Sums of DECIMAL as DuckDB aggregates: 192 bits hold any sum, and one with more than 38
// digits is NULL, as in streams; DuckDB's own sum raises an error or returns
// a value out of the type's range.

#include "decimalsum.h"

#include "duckapi.h"

#include <string.h>

enum { decimal_digits = 38 };

typedef unsigned __int128 uint128;
typedef __int128 int128;

typedef struct {
	uint128 low; // two's complement of 192 bits with high
	int64_t high;
	uint64_t count;
} decimal_sum;

static void add(decimal_sum *sum, uint128 low, int64_t high) {
	sum->low += low;
	sum->high += high + (sum->low < low);
}

static idx_t state_size(duckdb_function_info info) {
	(void)info;
	return sizeof(decimal_sum);
}

static void state_init(duckdb_function_info info, duckdb_aggregate_state state) {
	(void)info;
	memset(state, 0, sizeof(decimal_sum));
}

// load and store copy: DuckDB aligns states and values to 8 bytes only.
static decimal_sum load(duckdb_aggregate_state state) {
	decimal_sum sum;
	memcpy(&sum, state, sizeof sum);
	return sum;
}

static void store(duckdb_aggregate_state state, decimal_sum sum) { memcpy(state, &sum, sizeof sum); }

static void update(duckdb_function_info info, duckdb_data_chunk input, duckdb_aggregate_state *states) {
	(void)info;
	duckdb_vector column = duckdb_data_chunk_get_vector(input, 0);
	const char *values = duckdb_vector_get_data(column);
	const uint64_t *mask = duckdb_vector_get_validity(column);
	idx_t rows = duckdb_data_chunk_get_size(input);
	for (idx_t i = 0; i < rows; i++) {
		if (!valid(mask, i)) {
			continue;
		}
		int128 value;
		memcpy(&value, values + i * sizeof value, sizeof value);
		decimal_sum sum = load(states[i]);
		add(&sum, (uint128)value, value < 0 ? -1 : 0);
		sum.count++;
		store(states[i], sum);
	}
}

static void combine(duckdb_function_info info, duckdb_aggregate_state *source, duckdb_aggregate_state *target, idx_t count) {
	(void)info;
	for (idx_t i = 0; i < count; i++) {
		decimal_sum from = load(source[i]), into = load(target[i]);
		add(&into, from.low, from.high);
		into.count += from.count;
		store(target[i], into);
	}
}

// fits reports whether the sum has at most 38 digits.
static bool fits(const decimal_sum *sum) {
	uint128 limit = 1;
	for (int i = 0; i < decimal_digits; i++) {
		limit *= 10;
	}
	if (sum->high == 0) {
		return sum->low < limit;
	}
	return sum->high == -1 && -sum->low < limit && sum->low != 0;
}

static void finalize(duckdb_function_info info, duckdb_aggregate_state *source, duckdb_vector result, idx_t count, idx_t offset) {
	(void)info;
	char *out = duckdb_vector_get_data(result);
	for (idx_t i = 0; i < count; i++) {
		decimal_sum sum = load(source[i]);
		idx_t row = offset + i;
		if (sum.count == 0 || !fits(&sum)) {
			duckdb_vector_ensure_validity_writable(result);
			duckdb_vector_get_validity(result)[row / 64] &= ~(1ull << (row % 64));
			continue;
		}
		memcpy(out + row * sizeof sum.low, &sum.low, sizeof sum.low);
	}
}

int weir_register_decimal_sum(void *connection, const char *name, int scale) {
	duckdb_logical_type type = duckdb_create_decimal_type(decimal_digits, (uint8_t)scale);
	duckdb_aggregate_function f = duckdb_create_aggregate_function();
	duckdb_aggregate_function_set_name(f, name);
	duckdb_aggregate_function_add_parameter(f, type);
	duckdb_aggregate_function_set_return_type(f, type);
	duckdb_aggregate_function_set_functions(f, state_size, state_init, update, combine, finalize);
	int failed = duckdb_register_aggregate_function(connection, f);
	duckdb_destroy_aggregate_function(&f);
	duckdb_destroy_logical_type(&type);
	return failed;
}
