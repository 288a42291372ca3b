//go:build duckdb_arrow && cgo

// Exact sums of doubles as DuckDB aggregates: the sum is kept as one wide integer in
// units of 2^-1074, so neither the order of rows nor the number of threads changes a
// bit of the result, which is rounded once, half to even.

#include "exactsum.h"

#include "duckapi.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { type_double = 11 }; // DUCKDB_TYPE_DOUBLE

enum {
	limb_bits = 32,
	// Doubles span 2^-1074 .. 2^1024 and 2^64 of them 64 bits more: 2162 bits.
	limbs = 68,
	mantissa_bits = 53,
	lowest_exponent = -1074,
};

// A limb of 64 bits takes this many summands of 32 bits before it must be carried.
static const uint32_t pending_max = 1u << 30;

typedef struct {
	int64_t limb[limbs]; // least significant first; sum of limb[i] * 2^(32 i - 1074)
	uint64_t count;      // values, also those that are not finite
	uint32_t pending;    // summands since the last carry
	bool nan, pos_inf, neg_inf;
} accumulator;

static const uint64_t limb_mask = 0xffffffffu;

// carry brings all limbs but the last into 0 .. 2^32-1; the last has the sign.
static void carry(accumulator *a) {
	for (int i = 0; i < limbs - 1; i++) {
		a->limb[i + 1] += a->limb[i] >> limb_bits;
		a->limb[i] &= limb_mask;
	}
	a->pending = 0;
}

static void add(accumulator *a, double value) {
	uint64_t bits;
	memcpy(&bits, &value, sizeof bits);
	uint64_t mantissa = bits & ((1ull << 52) - 1);
	int exponent = (int)(bits >> 52) & 0x7ff;
	bool negative = bits >> 63;
	a->count++;
	if (exponent == 0x7ff) {
		a->nan |= mantissa != 0;
		a->pos_inf |= mantissa == 0 && !negative;
		a->neg_inf |= mantissa == 0 && negative;
		return;
	}
	int shift = 0; // of the mantissa above 2^-1074
	if (exponent > 0) {
		mantissa |= 1ull << 52;
		shift = exponent - 1;
	}
	if (a->pending >= pending_max) {
		carry(a);
	}
	a->pending++;
	unsigned __int128 wide = (unsigned __int128)mantissa << (shift % limb_bits);
	int64_t *limb = a->limb + shift / limb_bits;
	for (int i = 0; i < 3; i++) {
		int64_t part = (int64_t)((uint64_t)(wide >> (i * limb_bits)) & limb_mask);
		limb[i] += negative ? -part : part;
	}
}

static void merge(accumulator *into, const accumulator *from) {
	accumulator carried;
	if (into->pending + from->pending >= pending_max) { // both are at most 2^30
		carried = *from;
		carry(&carried);
		carry(into);
		from = &carried;
	}
	for (int i = 0; i < limbs; i++) {
		into->limb[i] += from->limb[i];
	}
	into->pending += from->pending + 1;
	into->count += from->count;
	into->nan |= from->nan;
	into->pos_inf |= from->pos_inf;
	into->neg_inf |= from->neg_inf;
}

static bool bit(const accumulator *a, int n) { return a->limb[n / limb_bits] >> (n % limb_bits) & 1; }

// magnitude rounds a carried accumulator that is not negative.
static double magnitude(const accumulator *a) {
	int top = limbs - 1;
	while (top >= 0 && a->limb[top] == 0) {
		top--;
	}
	if (top < 0) {
		return 0;
	}
	int length = top * limb_bits + 64 - __builtin_clzll((uint64_t)a->limb[top]);
	int drop = length > mantissa_bits ? length - mantissa_bits : 0;
	uint64_t mantissa = 0;
	for (int i = length - 1; i >= drop; i--) {
		mantissa = mantissa << 1 | bit(a, i);
	}
	if (drop > 0 && bit(a, drop - 1)) {
		bool more = mantissa & 1; // half goes to even
		for (int i = 0; i < drop - 1 && !more; i++) {
			more = bit(a, i);
		}
		mantissa += more;
	}
	return ldexp((double)mantissa, drop + lowest_exponent);
}

static double total(const accumulator *state) {
	if (state->nan || (state->pos_inf && state->neg_inf)) {
		return NAN;
	}
	if (state->pos_inf || state->neg_inf) {
		return state->pos_inf ? INFINITY : -INFINITY;
	}
	accumulator a = *state;
	carry(&a);
	if (a.limb[limbs - 1] >= 0) {
		return magnitude(&a);
	}
	for (int i = 0; i < limbs; i++) {
		a.limb[i] = -a.limb[i];
	}
	carry(&a);
	return -magnitude(&a);
}

static idx_t state_size(duckdb_function_info info) {
	(void)info;
	return sizeof(accumulator);
}

static void state_init(duckdb_function_info info, duckdb_aggregate_state state) {
	(void)info;
	memset(state, 0, sizeof(accumulator));
}

static void update(duckdb_function_info info, duckdb_data_chunk input, duckdb_aggregate_state *states) {
	(void)info;
	duckdb_vector column = duckdb_data_chunk_get_vector(input, 0);
	const double *values = duckdb_vector_get_data(column);
	const uint64_t *mask = duckdb_vector_get_validity(column);
	idx_t rows = duckdb_data_chunk_get_size(input);
	for (idx_t i = 0; i < rows; i++) {
		if (valid(mask, i)) {
			add((accumulator *)states[i], values[i]);
		}
	}
}

static void combine(duckdb_function_info info, duckdb_aggregate_state *source, duckdb_aggregate_state *target, idx_t count) {
	(void)info;
	for (idx_t i = 0; i < count; i++) {
		merge((accumulator *)target[i], (const accumulator *)source[i]);
	}
}

static void finish(duckdb_aggregate_state *source, duckdb_vector result, idx_t count, idx_t offset, bool average) {
	double *out = duckdb_vector_get_data(result);
	for (idx_t i = 0; i < count; i++) {
		const accumulator *a = (const accumulator *)source[i];
		if (a->count == 0) {
			duckdb_vector_ensure_validity_writable(result);
			duckdb_vector_get_validity(result)[(offset + i) / 64] &= ~(1ull << ((offset + i) % 64));
			continue;
		}
		out[offset + i] = average ? total(a) / (double)a->count : total(a);
	}
}

static void finish_sum(duckdb_function_info info, duckdb_aggregate_state *source, duckdb_vector result, idx_t count, idx_t offset) {
	(void)info;
	finish(source, result, count, offset, false);
}

static void finish_avg(duckdb_function_info info, duckdb_aggregate_state *source, duckdb_vector result, idx_t count, idx_t offset) {
	(void)info;
	finish(source, result, count, offset, true);
}

int weir_register_exact(void *connection) {
	duckdb_logical_type type = duckdb_create_logical_type(type_double);
	int failed = 0;
	for (int average = 0; average < 2; average++) {
		duckdb_aggregate_function f = duckdb_create_aggregate_function();
		duckdb_aggregate_function_set_name(f, average ? "weir_avg" : "weir_sum");
		duckdb_aggregate_function_add_parameter(f, type);
		duckdb_aggregate_function_set_return_type(f, type);
		duckdb_aggregate_function_set_functions(f, state_size, state_init, update, combine, average ? finish_avg : finish_sum);
		failed |= duckdb_register_aggregate_function(connection, f);
		duckdb_destroy_aggregate_function(&f);
	}
	duckdb_destroy_logical_type(&type);
	return failed;
}
