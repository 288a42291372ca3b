// Package tabletest gives tests of the table packages a small table in memory and
// rows as text, so that a test reads like what it checks. Nothing is mocked: files
// are written, committed and read by the packages under test.
package tabletest
