package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
)

// Files of a service's data folder which tell clients of the same user how to reach it.
const (
	addressFile = "address"
	tokenFile   = "token"
)

// defaultListen is where a service listens, and where clients look for one, unless told otherwise.
const defaultListen = "127.0.0.1:8480"

// instance is a running service as its data folder tells of it.
type instance struct {
	URL       string    `json:"url"`
	PID       int       `json:"pid"`
	Warehouse string    `json:"warehouse"`
	Started   time.Time `json:"started"`
}

func (i instance) String() string {
	return fmt.Sprintf("process %d serving %s at %s", i.PID, i.Warehouse, i.URL)
}

// readInstance reads what the data folder says.
func readInstance(data string) (instance, error) {
	var i instance
	text, err := os.ReadFile(filepath.Join(data, addressFile))
	if err != nil {
		return i, err
	}
	if err := json.Unmarshal(text, &i); err != nil || i.URL == "" {
		return i, errkind.Errorf(errkind.Corrupt, "%s: it does not hold a service's address: delete it", filepath.Join(data, addressFile))
	}
	return i, nil
}

// announce writes where this service answers: into its data folder, and for clients of the same user that know no
// more than the address, the way from the address to the folder.
func (i instance) announce(data string) error {
	text, err := json.Marshal(i)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(data, addressFile), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write address: %w", err)
	}
	link, err := linkOf(i.URL)
	if err != nil {
		return nil // without a home folder clients name --data or --token
	}
	if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
		return nil // the same: a home that cannot be written
	}
	_ = os.WriteFile(link, []byte(data+"\n"), 0o600)
	return nil
}

// withdraw undoes announce, unless another service has announced itself since.
func (i instance) withdraw(data string) {
	if now, err := readInstance(data); err == nil && now.PID == i.PID {
		_ = os.Remove(filepath.Join(data, addressFile)) // a stale one is recognised by its process
	}
	link, err := linkOf(i.URL)
	if err != nil {
		return
	}
	if at, err := os.ReadFile(link); err == nil && strings.TrimSpace(string(at)) == data {
		_ = os.Remove(link)
	}
}

// linkOf is the file that says which data folder the service at the address has.
func linkOf(service string) (string, error) {
	u, err := url.Parse(service)
	if err != nil || u.Host == "" {
		return "", errkind.Errorf(errkind.Invalid, "%q is no address of a service: write http://host:port", service)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "weir", "services", strings.ReplaceAll(u.Host, ":", "_")), nil
}

// dataOf is the data folder of the service at the address, if it is one of the same user and machine.
func dataOf(service string) string {
	link, err := linkOf(service)
	if err != nil {
		return ""
	}
	data, err := os.ReadFile(link)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// listen takes the address. One in use is an error that says who has it.
func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err == nil {
		return l, nil
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return nil, errkind.Errorf(errkind.Invalid, "listen on %s: %w: name another address with --listen", address, err)
	}
	by := "another program"
	if i, err := readInstance(dataOf("http://" + address)); err == nil {
		by = i.String()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return nil, errkind.Errorf(errkind.Conflict, "listen on %s: in use by %s: stop it, or name another address with --listen (127.0.0.1:0 takes a free port)", address, by)
}
