// Package consistency chooses the versions of tables that belong together: the newest epoch that every
// writer of all the tables has completed, and each table's snapshot of it. olap asks it for every query,
// cmd/weir shows it. It decides from compute/epoch's frontier and log alone.
package consistency
