package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/weir-lake/weir/internal/errkind"
)

// secretBytesMax bounds a secret's file: anything longer is the wrong file.
const secretBytesMax = 64 << 10

var secretForm = regexp.MustCompile(`\$\{(env|file):([^}]+)\}`)

// secret replaces ${env:NAME} and ${file:PATH} in an option's value. What is replaced never reaches a table's
// options, a log or an error.
func secret(value string) (string, error) {
	var failed error
	out := secretForm.ReplaceAllStringFunc(value, func(m string) string {
		parts := secretForm.FindStringSubmatch(m)
		s, err := lookUp(parts[1], parts[2])
		if err != nil && failed == nil {
			failed = err
		}
		return s
	})
	return out, failed
}

func lookUp(kind, name string) (string, error) {
	if kind == "env" {
		v, ok := os.LookupEnv(name)
		if !ok {
			return "", errkind.Errorf(errkind.Invalid, "${env:%s}: the environment variable is not set", name)
		}
		return v, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return "", errkind.Errorf(errkind.Invalid, "${file:%s}: %w", name, err)
	}
	if info.Size() > secretBytesMax {
		return "", errkind.Errorf(errkind.Invalid, "${file:%s}: %d bytes is no secret", name, info.Size())
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("${file:%s}: %w", name, err)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}
