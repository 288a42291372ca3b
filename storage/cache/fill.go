package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

const (
	sumSuffix  = ".sum"
	tempSuffix = ".tmp"
	// sumFormat is the text of a sum file: version, hash, length, identity.
	sumFormat = "weir-cache-1 %016x %d %q\n"
	// copyBufferBytes is the unit of reading and hashing.
	copyBufferBytes = 256 << 10
	// sumBytesMax bounds a sum file; an identity is a URI and an ETag.
	sumBytesMax = 16 << 10
)

// fill makes the entry's file ready: checks the copy of an earlier process, or
// fetches the object. It owns e.path and e.sum until it closes e.done.
func (d *Disk) fill(ctx context.Context, e *entry, store objstore.Store, key string) {
	defer d.fills.Done()
	defer e.cancel()
	err := d.fillSlot(ctx, e, store, key)
	d.mu.Lock()
	e.err = err
	e.ready = err == nil
	dropped := e.elem == nil // abandoned by its last caller meanwhile
	if err != nil {
		d.dropLocked(e)
	}
	d.mu.Unlock()
	if e.path != "" && (err != nil || dropped) {
		removeFiles([]string{e.path})
	}
	close(e.done)
}

func (d *Disk) fillSlot(ctx context.Context, e *entry, store objstore.Store, key string) error {
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return fmt.Errorf("cache %s: %w", store.URI(key), ctx.Err())
	}
	if e.onDisk {
		if checkFile(e.path, e.size, e.sum) {
			return nil
		}
		d.mu.Lock()
		d.mu.stats.Damaged++
		d.mu.Unlock()
		removeFiles([]string{e.path})
	}
	path := d.newPath(e.id)
	sum, err := fetch(ctx, path, e.size, store, key)
	if err != nil {
		removeFiles([]string{path, path + tempSuffix})
		return err
	}
	if err := writeSum(path, e.id, e.size, sum); err != nil {
		removeFiles([]string{path})
		return err
	}
	e.path, e.sum = path, sum
	d.mu.Lock()
	e.onDisk = true
	d.mu.Unlock()
	return nil
}

// checkFile reports whether the file has the length and hash.
func checkFile(path string, size int64, sum uint64) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	h := xxhash.New()
	n, err := io.CopyBuffer(h, f, make([]byte, copyBufferBytes))
	return err == nil && n == size && h.Sum64() == sum
}

// fetch copies the object into path, hashing on the way, and returns the hash.
func fetch(ctx context.Context, path string, size int64, store objstore.Store, key string) (uint64, error) {
	r, err := store.Get(ctx, key, 0, -1)
	if err != nil {
		return 0, fmt.Errorf("cache: %w", err)
	}
	defer r.Close()
	temp := path + tempSuffix
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, diskError("write copy", err)
	}
	h := xxhash.New()
	src := &readErr{r: r}
	// One byte more than promised is enough to see that the object is too long.
	n, err := io.CopyBuffer(io.MultiWriter(f, h), io.LimitReader(src, size+1), make([]byte, copyBufferBytes))
	cerr := f.Close()
	switch {
	case src.err != nil:
		return 0, fmt.Errorf("cache %s: %w", store.URI(key), src.err)
	case err != nil || cerr != nil:
		return 0, diskError("write copy", errors.Join(err, cerr))
	case n > size:
		return 0, errkind.Errorf(errkind.Corrupt, "cache %s: has more than the %d bytes its manifest says", store.URI(key), size)
	case n < size:
		return 0, lengthError(store.URI(key), n, size)
	}
	if err := os.Rename(temp, path); err != nil {
		return 0, diskError("write copy", err)
	}
	return h.Sum64(), nil
}

// readErr tells an error of the store from one of the disk.
type readErr struct {
	r   io.Reader
	err error
}

func (r *readErr) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

func writeSum(path, id string, size int64, sum uint64) error {
	text := fmt.Sprintf(sumFormat, sum, size, id)
	return diskError("write checksum", os.WriteFile(path+sumSuffix, []byte(text), 0o644))
}

// parseSum reads the text of a sum file.
func parseSum(text []byte) (id string, size int64, sum uint64, err error) {
	n, err := fmt.Sscanf(string(text), sumFormat, &sum, &size, &id)
	if err != nil || n != 3 || size < 0 || id == "" || fmt.Sprintf(sumFormat, sum, size, id) != string(text) {
		return "", 0, 0, errkind.Errorf(errkind.Corrupt, "cache: damaged checksum file: want %q", sumFormat)
	}
	return id, size, sum, nil
}

// load takes over the copies of an earlier process, the oldest to go first, and
// removes what is half written, damaged or too much.
func (d *Disk) load() error {
	files, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	var copies []copyFile
	for _, f := range files {
		name := f.Name()
		if f.IsDir() || name == "lock" {
			continue
		}
		path := filepath.Join(d.dir, strings.TrimSuffix(strings.TrimSuffix(name, sumSuffix), tempSuffix))
		if !strings.HasSuffix(name, sumSuffix) {
			// A copy without its sum is half made; with it, the sum file brings it in.
			if _, err := os.Stat(path + sumSuffix); err != nil || strings.HasSuffix(name, tempSuffix) {
				_ = os.Remove(filepath.Join(d.dir, name))
			}
			continue
		}
		c := copyFile{path: path}
		if fi, err := f.Info(); err == nil {
			c.made = fi.ModTime()
		}
		copies = append(copies, c)
	}
	slices.SortFunc(copies, func(a, b copyFile) int { return a.made.Compare(b.made) })
	for _, c := range copies {
		if !d.adopt(c.path) {
			removeFiles([]string{c.path})
		}
	}
	d.mu.Lock()
	victims, _ := d.makeRoomLocked(0)
	d.mu.Unlock()
	removeFiles(victims)
	return nil
}

type copyFile struct {
	path string
	made time.Time
}

// adopt makes an entry of the copy at path if its sum file and length agree. The
// bytes are checked at the first use.
func (d *Disk) adopt(path string) bool {
	f, err := os.Open(path + sumSuffix)
	if err != nil {
		return false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, sumBytesMax))
	if err != nil {
		return false
	}
	id, size, sum, err := parseSum(text)
	if err != nil {
		return false
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Size() != size {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, double := d.mu.entries[id]; double {
		return false
	}
	d.insertLocked(&entry{id: id, path: path, size: size, sum: sum, onDisk: true})
	return true
}

func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
