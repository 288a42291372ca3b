package stream

import (
	"bytes"
	"fmt"
	"io"

	"github.com/weir-lake/weir/compute/state"
	"github.com/weir-lake/weir/internal/errkind"
)

type (
	stateWriter = *state.Writer
	stateReader = *state.Reader
)

const (
	checkpointMagic = "weir-stream-state"
	// checkpointVersion is raised when the bytes of any operator's state change. A reader
	// accepts this version only: older state is rebuilt from the inputs.
	checkpointVersion = 2
)

// ErrOtherPlan: a checkpoint was made by another plan or another release.
var ErrOtherPlan = errkind.New(errkind.Conflict, "stream: the checkpoint belongs to another plan or release; rebuild the state from the inputs")

// Checkpoint writes all state as it is between two steps.
func (d *Dataflow) Checkpoint(out io.Writer) error {
	if d.broken {
		return ErrBroken
	}
	w := state.NewWriter(out)
	w.Bytes([]byte(checkpointMagic))
	w.Uvarint(checkpointVersion)
	w.Bytes([]byte(d.fingerprint))
	for _, t := range d.tasks {
		if k, ok := t.op.(keeper); ok {
			w.Bytes([]byte(t.label))
			k.save(w)
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("write state checkpoint: %w", err)
	}
	return nil
}

// Restore replaces the state of a dataflow that has not stepped yet by a checkpoint of the
// same plan. A checkpoint of another plan or release is refused with ErrOtherPlan, a damaged
// one with kind corrupt; the dataflow is then unusable and the job compiles it anew and
// rebuilds the state.
func (d *Dataflow) Restore(in io.Reader) error {
	d.broken = true
	r := state.NewReader(in)
	if magic := r.Bytes(); r.Err() == nil && !bytes.Equal(magic, []byte(checkpointMagic)) {
		r.Fail("not a state checkpoint")
	}
	if version := r.Uvarint(); r.Err() == nil && version != checkpointVersion {
		return fmt.Errorf("%w (version %d, this release reads %d)", ErrOtherPlan, version, checkpointVersion)
	}
	if made := r.Bytes(); r.Err() == nil && string(made) != d.fingerprint {
		return ErrOtherPlan
	}
	for _, t := range d.tasks {
		k, ok := t.op.(keeper)
		if !ok {
			continue
		}
		if label := r.Bytes(); r.Err() == nil && string(label) != t.label {
			r.Fail("state of operator %q stands where that of %q is expected", label, t.label)
		}
		if r.Err() == nil {
			if err := k.load(r); err != nil {
				return fmt.Errorf("restore operator %s: %w", t.label, err)
			}
		}
	}
	if err := r.End(); err != nil {
		return fmt.Errorf("restore state checkpoint: %w", err)
	}
	d.broken = false
	return nil
}
