// Package exactsum adds and takes away float64 values without any rounding: the sum does
// not depend on the order of its terms, and taking a term away leaves no trace of it. SUM,
// AVG and the variances of FLOAT and DOUBLE are built on it, in streams, batch jobs and
// verification, so that all of them agree to the last bit (docs/semantics.md, "Floating point").
//
// A Sum is a byte string without pointers, so that millions of them cost the garbage
// collector nothing: a wide integer of the bits from 2^-1074 upwards, of which only the
// part in use is held, and the numbers of NaN and infinite terms.
package exactsum
