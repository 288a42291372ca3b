package job

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

// checkpointVersion is the version of the file; this one and the one before are read.
const checkpointVersion = 1

// checkpointMagic starts every state checkpoint.
var checkpointMagic = []byte("weirckp1")

// checkpointHeader says what a state checkpoint is of. The states follow it.
type checkpointHeader struct {
	Version    int                       `json:"version"`
	Job        string                    `json:"job"`
	Epoch      int64                     `json:"epoch"` // everything up to it is in the state
	Snapshot   int64                     `json:"snapshot"`
	Hash       string                    `json:"hash"` // of the sink's snapshot, when it has one
	Tables     map[int]int64             `json:"tables,omitempty"`
	TableHash  map[int]string            `json:"table_hash,omitempty"`
	Paths      map[int]string            `json:"paths,omitempty"` // of Tables, in the warehouse
	Offsets    map[int]connector.Offsets `json:"offsets,omitempty"`
	Replays    map[int][]string          `json:"replays,omitempty"`
	Watermarks map[int]time.Time         `json:"watermarks,omitempty"`
	Flow       int                       `json:"flow"`   // bytes of the dataflow's state
	Output     int                       `json:"output"` // bytes of the sink's state
}

// stateRoot is the folder of all jobs' checkpoints below the warehouse.
const stateRoot = ".weir/state"

func stateDir(jobID string) string { return path.Join(stateRoot, jobID) }

func stateKey(jobID string, epoch int64) string {
	return fmt.Sprintf("%s/%012d", stateDir(jobID), epoch)
}

// encodeCheckpoint lays a checkpoint out: magic, header length and header, the two states, CRC-32.
func encodeCheckpoint(h checkpointHeader, flow, output []byte) ([]byte, error) {
	h.Version, h.Flow, h.Output = checkpointVersion, len(flow), len(output)
	head, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode state checkpoint: %w", err)
	}
	var b bytes.Buffer
	b.Grow(len(checkpointMagic) + 16 + len(head) + len(flow) + len(output))
	b.Write(checkpointMagic)
	fmt.Fprintf(&b, "%08x", len(head))
	b.Write(head)
	b.Write(flow)
	b.Write(output)
	fmt.Fprintf(&b, "%08x", crc32.ChecksumIEEE(b.Bytes()))
	return b.Bytes(), nil
}

// decodeCheckpoint is the inverse of encodeCheckpoint. Damaged bytes are Corrupt; the job then
// rebuilds its state.
func decodeCheckpoint(data []byte) (h checkpointHeader, flow, output []byte, err error) {
	bad := func(what string) (checkpointHeader, []byte, []byte, error) {
		return checkpointHeader{}, nil, nil, errkind.New(errkind.Corrupt, "state checkpoint: "+what)
	}
	const fixed = 8 + 8 + 8
	if len(data) < fixed || !bytes.HasPrefix(data, checkpointMagic) {
		return bad("not a checkpoint")
	}
	body, sum := data[:len(data)-8], string(data[len(data)-8:])
	if want, err := strconv.ParseUint(sum, 16, 32); err != nil || uint32(want) != crc32.ChecksumIEEE(body) {
		return bad("checksum differs")
	}
	n, err := headerLen(body)
	if err != nil {
		return checkpointHeader{}, nil, nil, err
	}
	if n > len(body)-16 {
		return bad("header length")
	}
	if h, err = decodeHeader(body[16 : 16+n]); err != nil {
		return checkpointHeader{}, nil, nil, err
	}
	rest := body[16+n:]
	if h.Flow < 0 || h.Output < 0 || h.Flow > len(rest) || h.Flow+h.Output != len(rest) {
		return bad("lengths")
	}
	return h, rest[:h.Flow], rest[h.Flow:], nil
}

// headerLen reads the length of the header, which begins at byte 16, from the first 16 bytes.
func headerLen(data []byte) (int, error) {
	if len(data) < 16 || !bytes.HasPrefix(data, checkpointMagic) {
		return 0, errkind.New(errkind.Corrupt, "state checkpoint: not a checkpoint")
	}
	n, err := strconv.ParseUint(string(data[8:16]), 16, 31)
	if err != nil {
		return 0, errkind.New(errkind.Corrupt, "state checkpoint: header length")
	}
	return int(n), nil
}

func decodeHeader(data []byte) (checkpointHeader, error) {
	var h checkpointHeader
	if err := json.Unmarshal(data, &h); err != nil {
		return checkpointHeader{}, errkind.New(errkind.Corrupt, "state checkpoint: header")
	}
	if h.Version != checkpointVersion {
		return checkpointHeader{}, errkind.Errorf(errkind.Corrupt, "state checkpoint: version %d, this weir reads %d", h.Version, checkpointVersion)
	}
	return h, nil
}

// states of one job in the warehouse.
type states struct {
	store objstore.Store
	job   string
}

// keepStates is how many checkpoints stay: the newest may be the one a crash tore or a bug spoilt.
const keepStates = 2

// put writes a checkpoint and lets go of all but the newest two.
func (s states) put(ctx context.Context, epoch int64, data []byte) error {
	if err := s.store.Put(ctx, stateKey(s.job, epoch), data); err != nil {
		return fmt.Errorf("write state checkpoint: %w", err)
	}
	keys, err := s.keys(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys[:max(0, len(keys)-keepStates)] {
		if err := s.store.Delete(ctx, k); err != nil {
			return fmt.Errorf("delete old state checkpoint: %w", err)
		}
	}
	return nil
}

// keys lists the checkpoints, oldest first.
func (s states) keys(ctx context.Context) ([]string, error) {
	var keys []string
	err := s.store.List(ctx, stateDir(s.job)+"/", func(i objstore.Info) error {
		keys = append(keys, i.Key)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list state checkpoints: %w", err)
	}
	slices.Sort(keys)
	return keys, nil
}

// newest returns the newest readable checkpoint at or below the epoch; ok is false when there is none.
// Unreadable ones are reported through warn and passed over.
func (s states) newest(ctx context.Context, upTo int64, warn func(string, error)) (h checkpointHeader, flow, output []byte, ok bool, err error) {
	keys, err := s.keys(ctx)
	if err != nil {
		return h, nil, nil, false, err
	}
	for _, k := range slices.Backward(keys) {
		if k > stateKey(s.job, upTo) {
			continue
		}
		data, err := objstore.ReadAll(ctx, s.store, k)
		if err != nil && !errors.Is(err, objstore.ErrNotFound) {
			return h, nil, nil, false, fmt.Errorf("read state checkpoint: %w", err)
		}
		if h, flow, output, err = decodeCheckpoint(data); err != nil {
			warn(s.store.URI(k), err)
			continue
		}
		return h, flow, output, true, nil
	}
	return h, nil, nil, false, nil
}

// headerBytesMax bounds what is read of a checkpoint for its header: some thousand splits of sources.
const headerBytesMax = 4 << 20

// newestHeader reads the header alone of the newest checkpoint, without looking at the states; ok is false when there
// is none that can be read.
func (s states) newestHeader(ctx context.Context) (h checkpointHeader, ok bool, err error) {
	keys, err := s.keys(ctx)
	if err != nil {
		return h, false, err
	}
	for _, k := range slices.Backward(keys) {
		h, err := s.header(ctx, k)
		if err == nil {
			return h, true, nil
		}
		if !errkind.Is(err, errkind.Corrupt) && !errors.Is(err, objstore.ErrNotFound) {
			return h, false, err
		}
	}
	return h, false, nil
}

func (s states) header(ctx context.Context, key string) (checkpointHeader, error) {
	data, err := s.readRange(ctx, key, 0, 16)
	if err != nil {
		return checkpointHeader{}, err
	}
	n, err := headerLen(data)
	if err != nil {
		return checkpointHeader{}, err
	}
	if n > headerBytesMax {
		return checkpointHeader{}, errkind.Errorf(errkind.Corrupt, "state checkpoint: header of %d bytes", n)
	}
	if data, err = s.readRange(ctx, key, 16, int64(n)); err != nil {
		return checkpointHeader{}, err
	}
	return decodeHeader(data)
}

func (s states) readRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	r, err := s.store.Get(ctx, key, offset, length)
	if err != nil {
		return nil, fmt.Errorf("read state checkpoint: %w", err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read state checkpoint %s: %w", s.store.URI(key), err)
	}
	return data, nil
}

// drop removes all checkpoints of the job.
func (s states) drop(ctx context.Context) error {
	keys, err := s.keys(ctx)
	for _, k := range keys {
		if err == nil {
			err = s.store.Delete(ctx, k)
		}
	}
	return err
}

// captured is a dataflow's or sink's state written to memory between two steps, so that the
// upload does not hold the job up.
func captured(write func(io.Writer) error) ([]byte, error) {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return nil, fmt.Errorf("capture state: %w", err)
	}
	return b.Bytes(), nil
}
