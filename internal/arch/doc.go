// Package arch holds no code: its test checks on every run what can be checked of the
// project's shape, so that review is left for meaning. deps.txt has the rules on
// imports; the rest (file and function size, package comments, no init functions,
// nothing put off in comments) stands in arch_test.go. A new rule, or a new line in
// deps.txt, needs an ADR.
package arch
