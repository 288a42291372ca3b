package arch

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const (
	fileLinesMax = 800
	funcLinesMax = 100
)

var putOffRE = regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`)

func TestTree(t *testing.T) {
	text, err := os.ReadFile("deps.txt")
	if err != nil {
		t.Fatal(err)
	}
	r, err := parseRules(string(text))
	if err != nil {
		t.Fatal(err)
	}
	found, files, err := check(os.DirFS("../.."), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
	if files < 50 {
		t.Errorf("only %d files were checked: is this the root?", files)
	}
}

// check returns what is wrong in the tree, sorted, and how many files it read.
func check(tree fs.FS, r rules) (found []string, files int, err error) {
	docs := map[string]bool{} // package folder -> has its doc.go
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return enterDir(tree, name)
		case !byHand(name):
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		if !strings.HasSuffix(name, ".go") {
			if lines := bytes.Count(text, []byte("\n")); lines > fileLinesMax {
				found = append(found, fmt.Sprintf("%s: %d lines, more than %d: split the file", name, lines, fileLinesMax))
			}
			return nil
		}
		files++
		f, err := checkFile(name, text, r)
		if err != nil {
			return err
		}
		found = append(found, f...)
		dir := path.Dir(name)
		docs[dir] = docs[dir] || hasDoc(name, text)
		return nil
	})
	for dir, ok := range docs {
		if !ok {
			found = append(found, dir+": has no doc.go with a package comment")
		}
	}
	slices.Sort(found)
	return found, files, err
}

// byHand reports whether the file is source that somebody wrote.
func byHand(name string) bool {
	switch path.Ext(name) {
	case ".go", ".sql", ".java", ".py", ".sh", ".css", ".html", ".js", ".mjs", ".tsx":
		return true
	case ".ts":
		return !strings.HasSuffix(name, ".gen.ts")
	}
	return false
}

// enterDir skips what is not the project's own source: caches, test data, modules
// of their own.
func enterDir(tree fs.FS, name string) error {
	base := path.Base(name)
	if name == "." {
		return nil
	}
	if strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules" || base == "dist" {
		return fs.SkipDir
	}
	if _, err := fs.Stat(tree, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func hasDoc(name string, text []byte) bool {
	if path.Base(name) != "doc.go" {
		return false
	}
	f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.PackageClauseOnly)
	return err == nil && f.Doc != nil && len(f.Doc.Text()) > 0
}

func checkFile(name string, text []byte, r rules) ([]string, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var found []string
	report := func(pos token.Pos, format string, args ...any) {
		found = append(found, fmt.Sprintf("%s: %s", fset.Position(pos), fmt.Sprintf(format, args...)))
	}
	isTest := strings.HasSuffix(name, "_test.go")
	for _, imp := range f.Imports {
		imported, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			return nil, err
		}
		if why := r.checkImport(path.Dir(name), imported, isTest); why != "" {
			report(imp.Pos(), "imports %s: %s", imported, why)
		}
	}
	if ast.IsGenerated(f) || strings.HasSuffix(name, ".gen.go") {
		return found, nil
	}
	if lines := bytes.Count(text, []byte("\n")); lines > fileLinesMax {
		report(f.Package, "%d lines, more than %d: split the file", lines, fileLinesMax)
	}
	for _, decl := range f.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if fn.Name.Name == "init" && fn.Recv == nil {
			report(fn.Pos(), "init function: build it in a constructor")
		}
		if lines := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1; lines > funcLinesMax {
			report(fn.Pos(), "function %s has %d lines, more than %d", fn.Name.Name, lines, funcLinesMax)
		}
	}
	for _, group := range f.Comments {
		if word := putOffRE.FindString(group.Text()); word != "" {
			report(group.Pos(), "%s: do it, or write it into docs/limitations.md", word)
		}
	}
	return found, nil
}

// TestChecksFind plants one mistake of each kind.
func TestChecksFind(t *testing.T) {
	r, err := parseRules("order internal storage table compute olap cmd # low to high\nbeside interop bench\n" +
		"only olap compute: sql plan\nfence github.com/aws: storage/objstore\nfence C: compute/duck\n")
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("\t_ = 1\n", funcLinesMax)
	for _, tc := range []struct{ file, text, want string }{
		{"storage/a/a.go", `import "github.com/weir-lake/weir/internal/b"`, ""},
		{"storage/a/a.go", `import "github.com/weir-lake/weir/storage/b"`, ""},
		{"storage/a/a.go", `import "github.com/weir-lake/weir/table"`, "table is above storage"},
		{"storage/a/a_test.go", `import "github.com/weir-lake/weir/table"`, "table is above storage"},
		{"table/table.go", `import "github.com/weir-lake/weir/interop/peer"`, "imported by nothing"},
		{"table/table_test.go", `import "github.com/weir-lake/weir/interop/peer"`, ""},
		{"interop/peer/p.go", `import "github.com/weir-lake/weir/olap"`, ""},
		{"extra/x.go", `import "github.com/weir-lake/weir/table"`, "extra is not in deps.txt"},
		{"table/x.go", `import "github.com/weir-lake/weir/extra"`, "extra is not in deps.txt"},
		{"olap/x.go", `import "github.com/weir-lake/weir/compute/sql/ast"`, ""},
		{"olap/x.go", `import "github.com/weir-lake/weir/compute/sqlite"`, "may use of compute only sql, plan"},
		{"compute/x.go", `import "github.com/aws/aws-sdk-go-v2/aws"`, "only storage/objstore may import"},
		{"storage/objstore/s3.go", `import "github.com/aws/aws-sdk-go-v2/aws"`, ""},
		{"storage/objstore2/s3.go", `import "github.com/aws/aws-sdk-go-v2/aws"`, "only storage/objstore may import"},
		{"olap/x_test.go", `import "github.com/aws/aws-sdk-go-v2/aws"`, ""},
		{"table/x.go", `import "C"`, "only compute/duck may import C"},
		{"table/x.go", "func init() {}", "init function"},
		{"table/x.go", "type T int\nfunc (T) init() {}", ""},
		{"table/x.go", "func f() {\n" + long + "}", "function f has 102 lines"},
		{"table/x.go", strings.Repeat("\n", fileLinesMax+1), "split the file"},
		{"table/x.gen.go", strings.Repeat("\n", fileLinesMax+1), ""},
		{"table/x.go", "// " + "TODO later", "docs/limitations.md"},
		{"table/x.go", `var s = "TODO"`, ""},
		{"web/ui/x.tsx", strings.Repeat("\n", fileLinesMax+1), "split the file"},
		{"web/ui/x.gen.ts", strings.Repeat("\n", fileLinesMax+1), ""},
		{"web/ui/dist/x.js", strings.Repeat("\n", fileLinesMax+1), ""},
		{"table/testdata/x.go", "func init() {}", ""},
		{".cache/x.go", "func init() {}", ""},
		{"tools/lint/x.go", "func init() {}", ""},
	} {
		tree := fstest.MapFS{
			tc.file:                                {Data: []byte("package x\n" + tc.text + "\n")},
			path.Join(path.Dir(tc.file), "doc.go"): {Data: []byte("// Package x is.\npackage x\n")},
			"tools/lint/go.mod":                    {Data: []byte("module x\n")},
		}
		found, _, err := check(tree, r)
		if err != nil {
			t.Errorf("%s %.60q: %v", tc.file, tc.text, err)
			continue
		}
		got := strings.Join(found, "; ")
		if (tc.want == "") != (got == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s %.60q: got %q, want %q", tc.file, tc.text, got, tc.want)
		}
	}
}

func TestMissingDocIsFound(t *testing.T) {
	for doc, want := range map[string]int{"": 1, "package a\n": 1, "// Package a is.\npackage a\n": 0} {
		tree := fstest.MapFS{"table/a/a.go": {Data: []byte("// Package a is elsewhere.\npackage a\n")}}
		if doc != "" {
			tree["table/a/doc.go"] = &fstest.MapFile{Data: []byte(doc)}
		}
		found, _, err := check(tree, rules{order: []string{"table"}})
		if err != nil || len(found) != want {
			t.Errorf("doc.go %q: %q, %v", doc, found, err)
		}
	}
}

func TestBadRules(t *testing.T) {
	for _, text := range []string{"allow x", "fence a", "fence a b: c", "fence a:", "only a: b", "order a: b"} {
		if _, err := parseRules(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
