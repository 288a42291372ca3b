package wire

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"github.com/weir-lake/weir/internal/errkind"
)

// Kind says what a frame carries.
type Kind uint8

// The frames, asker to worker first.
const (
	Setup   Kind = iota + 1 // SetupMsg, once, first
	Request                 // RequestMsg
	Data                    // piece of the IPC stream of an input
	End                     // the input stream is complete
	Fault                   // FailedMsg: the input stream failed
	Cancel                  // stop the running query

	Ready  // the worker takes requests
	Taken  // the request has arrived
	Open   // OpenMsg: start stream for an input
	Credit // send one more record batch on the stream
	Close  // the worker needs no more of the stream
	Result // piece of the result's IPC stream
	Done   // DoneMsg: the result is complete
	Failed // FailedMsg: the query failed; no Done follows
)

const (
	headerSize = 5 // kind and stream, after the length

	// MaxFrame bounds one frame in bytes, so that a broken peer cannot ask for any
	// amount of memory. IPC streams are cut into pieces of PieceSize, so only
	// the JSON of a request (SQL text, file lists) can be long.
	MaxFrame = 64 << 20

	// PieceSize is the longest piece of an IPC stream in one frame, in bytes.
	PieceSize = 1 << 20
)

// Frame is one message.
type Frame struct {
	Kind    Kind
	Stream  uint32
	Payload []byte
}

// Decode reads the JSON payload into v.
func (f Frame) Decode(v any) error {
	if err := json.Unmarshal(f.Payload, v); err != nil {
		return errkind.Errorf(errkind.Corrupt, "decode frame kind %d: %w", f.Kind, err)
	}
	return nil
}

// Reader reads frames. It is not safe for concurrent use.
type Reader struct{ r *bufio.Reader }

// NewReader returns a reader of r's frames.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, 64<<10)} }

// Next returns the next frame; io.EOF at a clean end. The payload is the caller's.
func (r *Reader) Next() (Frame, error) {
	var head [4 + headerSize]byte
	if _, err := io.ReadFull(r.r, head[:4]); err != nil {
		return Frame{}, err // io.EOF only between frames
	}
	n := binary.BigEndian.Uint32(head[:4])
	if n < headerSize || n > MaxFrame {
		return Frame{}, errkind.Errorf(errkind.Corrupt, "read frame: length %d is outside %d..%d", n, headerSize, MaxFrame)
	}
	if _, err := io.ReadFull(r.r, head[4:]); err != nil {
		return Frame{}, fmt.Errorf("read frame header: %w", noEOF(err))
	}
	f := Frame{Kind: Kind(head[4]), Stream: binary.BigEndian.Uint32(head[5:])}
	if f.Kind < Setup || f.Kind > Failed {
		return Frame{}, errkind.Errorf(errkind.Corrupt, "read frame: unknown kind %d", f.Kind)
	}
	payload, err := readPayload(r.r, int(n-headerSize))
	if err != nil {
		return Frame{}, fmt.Errorf("read frame of kind %d: %w", f.Kind, noEOF(err))
	}
	f.Payload = payload
	return f, nil
}

// readPayload grows with what arrives, so a false length costs no memory.
func readPayload(r io.Reader, n int) ([]byte, error) {
	if n <= PieceSize {
		buf := make([]byte, n)
		_, err := io.ReadFull(r, buf)
		return buf, err
	}
	buf := make([]byte, 0, PieceSize)
	for len(buf) < n {
		step := min(PieceSize, n-len(buf))
		start := len(buf)
		buf = append(buf, make([]byte, step)...)
		if _, err := io.ReadFull(r, buf[start:]); err != nil {
			return nil, err
		}
	}
	return buf, nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Writer writes frames, one at a time from any goroutine.
type Writer struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

// NewWriter returns a writer of frames to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write sends one frame and blocks until the peer's pipe took it.
func (w *Writer) Write(k Kind, stream uint32, payload []byte) error {
	if len(payload) > MaxFrame-headerSize {
		return errkind.Errorf(errkind.Exhausted, "write frame of kind %d: %d bytes are over the limit of %d", k, len(payload), MaxFrame-headerSize)
	}
	buf := make([]byte, 4+headerSize, 4+headerSize+len(payload))
	binary.BigEndian.PutUint32(buf, uint32(headerSize+len(payload)))
	buf[4] = byte(k)
	binary.BigEndian.PutUint32(buf[5:], stream)
	buf = append(buf, payload...)
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.w.Write(buf); err != nil {
		return fmt.Errorf("write frame of kind %d: %w", k, err)
	}
	return nil
}

// WriteJSON sends v as the frame's payload.
func (w *Writer) WriteJSON(k Kind, stream uint32, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode frame kind %d: %w", k, err)
	}
	return w.Write(k, stream, b)
}

// Pieces is an io.Writer that sends what it is given as frames of at most PieceSize.
type Pieces struct {
	W      *Writer
	Kind   Kind
	Stream uint32
	buf    []byte
}

// Write buffers p and sends full pieces.
func (p *Pieces) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		room := PieceSize - len(p.buf)
		take := min(room, len(b))
		p.buf = append(p.buf, b[:take]...)
		b = b[take:]
		if len(p.buf) == PieceSize {
			if err := p.Flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

// Flush sends what is buffered.
func (p *Pieces) Flush() error {
	if len(p.buf) == 0 {
		return nil
	}
	err := p.W.Write(p.Kind, p.Stream, p.buf)
	p.buf = p.buf[:0]
	return err
}
