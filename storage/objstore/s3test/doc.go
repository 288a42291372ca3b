// Package s3test starts a real S3 server (versitygw) for tests: a process of its own
// on a free port, over a temporary folder, ended with the test. The binary comes from
// WEIR_VERSITYGW or from .cache/bin of the checkout (scripts/tools.sh versitygw). A
// missing one skips the test, or fails it when WEIR_REQUIRE_PEERS=1.
package s3test
