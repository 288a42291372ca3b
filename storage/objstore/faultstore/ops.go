package faultstore

import (
	"context"

	"github.com/weir-lake/weir/storage/objstore"
)

// Put implements objstore.Store.
func (s *Store) Put(ctx context.Context, key string, data []byte) error {
	return s.do(ctx, OpOverwrite, key, func() error { return s.base.Put(ctx, key, data) })
}

// PutIfAbsent implements objstore.Store. A lost reply is not resolved by reading
// back here: that is a store's own work, and this is a store that failed at it.
func (s *Store) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	return s.do(ctx, OpAbsent, key, func() error { return s.base.PutIfAbsent(ctx, key, data) })
}

// Delete implements objstore.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	return s.do(ctx, OpDelete, key, func() error { return s.base.Delete(ctx, key) })
}

// List implements objstore.Store. With lost-reply fn has seen all objects.
func (s *Store) List(ctx context.Context, prefix string, fn func(objstore.Info) error) error {
	return s.do(ctx, OpList, prefix, func() error { return s.base.List(ctx, prefix, fn) })
}

// ListDirs implements objstore.Store.
func (s *Store) ListDirs(ctx context.Context, dir string) ([]string, error) {
	var names []string
	err := s.do(ctx, OpListDirs, dir, func() (err error) {
		names, err = s.base.ListDirs(ctx, dir)
		return err
	})
	if err != nil {
		return nil, err
	}
	return names, nil
}

// Stat implements objstore.Store.
func (s *Store) Stat(ctx context.Context, key string) (objstore.Info, error) {
	var info objstore.Info
	err := s.do(ctx, OpStat, key, func() (err error) {
		info, err = s.base.Stat(ctx, key)
		return err
	})
	if err != nil {
		return objstore.Info{}, err
	}
	return info, nil
}

// URI implements objstore.Store.
func (s *Store) URI(key string) string { return s.base.URI(key) }

// Create implements objstore.Store.
func (s *Store) Create(ctx context.Context, key string) (objstore.Writer, error) {
	var w objstore.Writer
	err := s.do(ctx, OpCreate, key, func() (err error) {
		w, err = s.base.Create(ctx, key)
		return err
	})
	if err != nil {
		if w != nil {
			w.Abort()
		}
		return nil, err
	}
	return &writer{ctx: ctx, store: s, base: w, key: key}, nil
}

type writer struct {
	ctx   context.Context // of Create: an io.Writer has no other way to be cancelled
	store *Store
	base  objstore.Writer
	key   string
}

func (w *writer) Write(p []byte) (int, error) {
	v, err := w.store.before(w.ctx, OpWrite, w.key)
	if v.fault == faultNoSpace {
		n, werr := w.base.Write(p[:len(p)/2]) // a full disk takes what still fits
		if werr != nil {
			return n, werr
		}
		return n, err
	}
	if err != nil {
		return 0, err
	}
	n, err := w.base.Write(p)
	return n, w.store.after(v, OpWrite, w.key, err)
}

// Close publishes the object. When the fault is one of "nothing done", the object is
// dropped: a writer is closed once.
func (w *writer) Close() error {
	v, err := w.store.before(w.ctx, OpClose, w.key)
	if err != nil {
		w.base.Abort()
		return err
	}
	return w.store.after(v, OpClose, w.key, w.base.Close())
}

func (w *writer) Abort() { w.base.Abort() }
