package objstore

import (
	"context"
	"io"
	"strings"
)

// Sub returns a view of s in which every key is below prefix ("db.db/t"): a table's
// store inside its warehouse. It is a LocalPather exactly if s is one. An empty
// prefix returns s itself. The prefix is checked at each use, with the key.
func Sub(s Store, prefix string) Store {
	prefix = strings.TrimSuffix(prefix, "/")
	if prefix == "" {
		return s
	}
	v := sub{base: s, prefix: prefix + "/"}
	switch b := s.(type) {
	case sub:
		v = sub{base: b.base, prefix: b.prefix + v.prefix}
	case subLocal:
		v = sub{base: b.base, prefix: b.prefix + v.prefix}
	}
	if lp, ok := v.base.(LocalPather); ok {
		return subLocal{sub: v, local: lp}
	}
	return v
}

type sub struct {
	base   Store
	prefix string // ends in a slash
}

type subLocal struct {
	sub
	local LocalPather
}

// LocalPath implements LocalPather.
func (s subLocal) LocalPath(key string) string { return s.local.LocalPath(s.prefix + key) }

func (s sub) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	return s.base.Get(ctx, s.prefix+key, offset, length)
}

func (s sub) Put(ctx context.Context, key string, data []byte) error {
	return s.base.Put(ctx, s.prefix+key, data)
}

func (s sub) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	return s.base.PutIfAbsent(ctx, s.prefix+key, data)
}

func (s sub) Create(ctx context.Context, key string) (Writer, error) {
	return s.base.Create(ctx, s.prefix+key)
}

func (s sub) List(ctx context.Context, prefix string, fn func(Info) error) error {
	return s.base.List(ctx, s.prefix+prefix, func(info Info) error {
		info.Key = strings.TrimPrefix(info.Key, s.prefix)
		return fn(info)
	})
}

func (s sub) ListDirs(ctx context.Context, dir string) ([]string, error) {
	return s.base.ListDirs(ctx, s.prefix+dir)
}

func (s sub) Delete(ctx context.Context, key string) error { return s.base.Delete(ctx, s.prefix+key) }

func (s sub) Stat(ctx context.Context, key string) (Info, error) {
	info, err := s.base.Stat(ctx, s.prefix+key)
	info.Key = strings.TrimPrefix(info.Key, s.prefix)
	return info, err
}

func (s sub) URI(key string) string { return s.base.URI(s.prefix + key) }

func (s sub) removeDirs(ctx context.Context, dir string) error {
	if r, ok := s.base.(dirRemover); ok {
		return r.removeDirs(ctx, s.prefix+dir)
	}
	return nil
}

// dirRemover is implemented by stores that have real folders.
type dirRemover interface {
	removeDirs(ctx context.Context, dir string) error
}

// RemoveAll deletes every object below the folder dir ("" is the whole store), and
// on local disk the folders too, so that other engines see nothing there. Objects
// put meanwhile may stay.
func RemoveAll(ctx context.Context, s Store, dir string) error {
	dir, err := cleanDir(dir)
	if err != nil {
		return err
	}
	err = s.List(ctx, dir, func(info Info) error { return s.Delete(ctx, info.Key) })
	if err != nil {
		return err
	}
	if r, ok := s.(dirRemover); ok {
		return r.removeDirs(ctx, dir)
	}
	return nil
}
