package filelock

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"github.com/weir-lake/weir/internal/errkind"
)

const (
	fileMode = 0o644
	// holderBytesMax bounds what is read of a lock file somebody else wrote.
	holderBytesMax = 4096
)

// Holder says who owns a lock.
type Holder struct {
	PID     int    `json:"pid"`
	Address string `json:"address,omitempty"` // where the owner answers, if it said so
}

// String names the holder in the middle of a sentence.
func (h Holder) String() string {
	switch {
	case h.PID == 0:
		return "another process"
	case h.Address == "":
		return fmt.Sprintf("process %d", h.PID)
	}
	return fmt.Sprintf("process %d at %s", h.PID, h.Address)
}

// HeldError reports that another process owns the lock. Its kind is Conflict.
type HeldError struct {
	Path   string
	Holder Holder
}

func (e *HeldError) Error() string { return fmt.Sprintf("lock %s: in use by %s", e.Path, e.Holder) }

// Lock is an owned lock.
type Lock struct {
	mu struct {
		sync.Mutex
		f *os.File // nil after Close
	}
}

// Acquire takes the lock file at path, making it if needed, or returns a HeldError
// at once. The lock belongs to the process: a second Acquire in it fails too.
func Acquire(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		held := &HeldError{Path: path, Holder: readHolder(f)}
		f.Close()
		return nil, errkind.Wrap(errkind.Conflict, held)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	l := &Lock{}
	l.mu.f = f
	if err := l.SetAddress(""); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// readHolder returns what the owner wrote; an owner that is just starting may have
// written nothing yet.
func readHolder(f *os.File) Holder {
	var h Holder
	text, err := io.ReadAll(io.LimitReader(f, holderBytesMax))
	if err != nil || json.Unmarshal(text, &h) != nil {
		return Holder{}
	}
	return h
}

// SetAddress tells other processes where this one answers.
func (l *Lock) SetAddress(address string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.f == nil {
		return errkind.Errorf(errkind.Bug, "lock: closed")
	}
	text, err := json.Marshal(Holder{PID: os.Getpid(), Address: address})
	if err != nil {
		return err
	}
	if err := l.mu.f.Truncate(0); err != nil {
		return fmt.Errorf("lock %s: %w", l.mu.f.Name(), err)
	}
	if _, err := l.mu.f.WriteAt(append(text, '\n'), 0); err != nil {
		return fmt.Errorf("lock %s: %w", l.mu.f.Name(), err)
	}
	return nil
}

// Close gives the lock up. It may be called twice. The file stays: removing it
// would let two processes lock two files of one name.
func (l *Lock) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.f == nil {
		return nil
	}
	f := l.mu.f
	l.mu.f = nil
	return f.Close()
}
