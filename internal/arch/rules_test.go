package arch

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

const modulePath = "github.com/weir-lake/weir"

// rules are the contents of deps.txt.
type rules struct {
	order   []string            // folders, the lowest first
	beside  []string            // folders imported by nothing
	content map[string][]string // package that only embeds files -> folders that may import it
	only    map[string][]string // "user used" folders -> packages allowed
	fences  []fence
}

type fence struct {
	path    string   // import path or the beginning of one
	folders []string // which may import it
}

func parseRules(text string) (rules, error) {
	r := rules{only: map[string][]string{}, content: map[string][]string{}}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(line, "#")
		head, tail, _ := strings.Cut(line, ":")
		words := strings.Fields(head)
		switch {
		case len(words) == 0:
		case words[0] == "order" && tail == "":
			r.order = words[1:]
		case words[0] == "beside" && tail == "":
			r.beside = words[1:]
		case words[0] == "content" && len(words) == 2 && strings.TrimSpace(tail) != "":
			r.content[words[1]] = strings.Fields(tail)
		case words[0] == "only" && len(words) == 3:
			r.only[words[1]+" "+words[2]] = strings.Fields(tail)
		case words[0] == "fence" && len(words) == 2 && strings.TrimSpace(tail) != "":
			r.fences = append(r.fences, fence{path: words[1], folders: strings.Fields(tail)})
		default:
			return r, fmt.Errorf("deps.txt: line %d: cannot read %q", n, strings.TrimSpace(line))
		}
	}
	return r, nil
}

// within reports whether p is dir or below it, by whole path segments; a version
// suffix ("/v2") counts as below.
func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// checkImport says why a file in folder dir may not import imported; "" if it may.
func (r rules) checkImport(dir, imported string, isTest bool) string {
	own, ok := strings.CutPrefix(imported, modulePath+"/")
	if !ok {
		return r.checkFence(dir, imported, isTest)
	}
	from, to := top(dir), top(own)
	if slices.Contains(r.beside, from) {
		return ""
	}
	if slices.Contains(r.beside, to) {
		if isTest && to == "interop" {
			return "" // interop/peer starts the engines that tests compare with
		}
		if slices.Contains(r.content[own], from) {
			return ""
		}
		return fmt.Sprintf("%s stands beside the program and is imported by nothing", to)
	}
	i, j := slices.Index(r.order, from), slices.Index(r.order, to)
	switch {
	case i < 0:
		return fmt.Sprintf("folder %s is not in deps.txt", from)
	case j < 0:
		return fmt.Sprintf("folder %s is not in deps.txt", to)
	case j > i:
		return fmt.Sprintf("%s is above %s: declare a small interface here and let cmd pass the implementation in", to, from)
	}
	allowed, limited := r.only[from+" "+to]
	if limited && !isTest && !slices.ContainsFunc(allowed, func(p string) bool { return within(own, path.Join(to, p)) }) {
		return fmt.Sprintf("%s may use of %s only %s", from, to, strings.Join(allowed, ", "))
	}
	return ""
}

func (r rules) checkFence(dir, imported string, isTest bool) string {
	if isTest {
		return ""
	}
	for _, f := range r.fences {
		if !within(imported, f.path) {
			continue
		}
		if !slices.ContainsFunc(f.folders, func(folder string) bool { return within(dir, folder) }) {
			return fmt.Sprintf("only %s may import %s", strings.Join(f.folders, ", "), f.path)
		}
	}
	return ""
}

func top(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}
