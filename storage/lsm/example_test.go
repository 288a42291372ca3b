package lsm_test

import (
	"fmt"

	"github.com/weir-lake/weir/storage/lsm"
)

// Four files of like size join; the large old run is left where it is.
func ExamplePick() {
	runs := []lsm.RunSize{{Level: 0, Bytes: 10}, {Level: 0, Bytes: 10}, {Level: 0, Bytes: 10}, {Level: 0, Bytes: 10}, {Level: 5, Bytes: 1000}}
	choice, ok := lsm.Pick(runs, lsm.PickOptions{})
	fmt.Println(ok, choice.Runs, "runs to level", choice.Output, "by", choice.Reason)
	// Output: true 4 runs to level 4 by size-ratio
}
