package catalog

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/weir-lake/weir/internal/errkind"
)

// secretWords mark options whose value opens something. "key" alone is not
// among them: bucket-key and key.format are no secrets.
var secretWords = []string{"password", "passwd", "secret", "token", "credential", "access-key", "accesskey", "api-key", "apikey", "private-key", "jaas"}

// ownPrefix begins options that weir writes itself, such as the text of a query,
// in which "password = 'x'" compares a column.
const ownPrefix = "weir."

var (
	reference   = regexp.MustCompile(`\$\{(env|file):[^}]+\}`)
	urlPassword = regexp.MustCompile(`://[^/?#\s:@]*:([^/?#\s@]+)@`)
	urlParam    = regexp.MustCompile(`(?i)[?&;\s](password|passwd|secret|token)\s*=\s*["']?([^&;\s"']+)`)
)

// CheckSecrets refuses options that hold a secret in plain text: the options lie
// in the warehouse for all its readers.
func CheckSecrets(options map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if plainSecret(name, options[name]) {
			return errkind.Errorf(errkind.Invalid, "table option '%s' holds a secret in plain text, which every reader of the warehouse would see: write '${env:NAME}' or '${file:PATH}' instead", name)
		}
	}
	return nil
}

// sqlOption is an option as statements write it.
var sqlOption = regexp.MustCompile(`'((?:[^']|'')*)'(\s*=\s*)'((?:[^']|'')*)'`)

// RedactSQL takes the secrets out of the options in a statement's text, also of one that was refused for them.
func RedactSQL(text string) string {
	return sqlOption.ReplaceAllStringFunc(text, func(option string) string {
		m := sqlOption.FindStringSubmatch(option)
		if plainSecret(m[1], m[3]) {
			return "'" + m[1] + "'" + m[2] + "'***'"
		}
		return option
	})
}

func plainSecret(name, value string) bool {
	if value == "" || strings.HasPrefix(name, ownPrefix) {
		return false
	}
	name = strings.ToLower(name)
	if slices.ContainsFunc(secretWords, func(w string) bool { return strings.Contains(name, w) }) {
		if !reference.MatchString(value) {
			return true
		}
	}
	if m := urlPassword.FindStringSubmatch(value); m != nil && !reference.MatchString(m[1]) {
		return true
	}
	if !strings.Contains(value, "://") && !strings.Contains(name, "jaas") {
		return false
	}
	for _, m := range urlParam.FindAllStringSubmatch(" "+value, -1) {
		if !reference.MatchString(m[2]) {
			return true
		}
	}
	return false
}
