package expr

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// builtin is one row of the table of built-in functions.
//
// sig declares what the function accepts and returns in the notation of
// parseSignatures; bind replaces the return type rule where the notation is too weak.
type builtin struct {
	sig      string
	aliases  []string
	bind     bindFunc
	volatile bool // depends on Env: clock, watermark, seed, or time zone of the session
	zoned    bool // depends on the session time zone if an argument is a TIMESTAMP_LTZ
	nulls    bool // sees NULL arguments; otherwise one NULL argument makes NULL
	total    bool // cheap and cannot fail: computed for rows nobody wants too
	prep     prepFunc

	name       string
	signatures []signature
}

// bindFunc decides the return type and the types its arguments are cast to. It
// returns ok = false when the arguments do not fit; lits holds the value of every
// argument that is a literal, nil otherwise (or when only types are known).
type bindFunc func(args []schema.Type, lits []*Literal) (ret schema.Type, want []schema.Type, ok bool)

// Resolved is what a name means for given argument types.
type Resolved struct {
	Fn       string        // canonical name, for Call.Fn
	Ret      schema.Type   // with nullability
	ArgTypes []schema.Type // cast each argument to this type where it differs
	// Volatile results depend on Env and must not be folded or cached.
	Volatile bool
}

// registry is the one table of scalar functions by canonical name and alias. It is never changed.
var registry = indexBuiltins(
	operatorBuiltins(), conditionalBuiltins(), mathBuiltins(), stringBuiltins(), regexBuiltins(),
	hashBuiltins(), jsonBuiltins(), timeBuiltins(), collectionBuiltins(), miscBuiltins())

func indexBuiltins(families ...[]builtin) map[string]*builtin {
	out := map[string]*builtin{}
	for _, family := range families {
		for i := range family {
			b := &family[i]
			b.signatures = parseSignatures(b.sig)
			b.name = b.signatures[0].name
			for _, name := range append([]string{b.name}, b.aliases...) {
				if out[name] != nil {
					panic("expr: two built-in functions are named " + name)
				}
				out[name] = b
			}
		}
	}
	return out
}

// Lookup finds the scalar function called name (in any case, or an alias) for the
// argument types. The error is of kind Invalid and lists near names for an unknown one,
// the accepted signatures for arguments that do not fit.
//
// CAST, TRY_CAST and FIELD are not looked up: their type is not a function of argument types.
func Lookup(name string, args []schema.Type) (Resolved, error) {
	return lookup(name, args, make([]*Literal, len(args)))
}

// Known returns the error of Lookup for a name that no function has, whatever its arguments.
func Known(name string) error {
	if registry[strings.ToUpper(name)] == nil {
		return unknownFunction(name, append(registryNames(), Aggregates()...))
	}
	return nil
}

func lookup(name string, args []schema.Type, lits []*Literal) (Resolved, error) {
	if err := Known(name); err != nil {
		return Resolved{}, err
	}
	b := registry[strings.ToUpper(name)]
	for _, a := range args {
		if a.Kind == schema.Invalid {
			return Resolved{}, errkind.Errorf(errkind.Invalid, "%s: an argument has no type", b.name)
		}
	}
	for i := range b.signatures {
		s := &b.signatures[i]
		want, ok := s.match(args)
		if !ok {
			continue
		}
		ret := s.result(want, args, b.nulls)
		if b.bind != nil {
			bret, bwant, ok := b.bind(args, lits)
			if !ok {
				continue
			}
			want = bwant
			if bret.Kind != schema.Invalid {
				ret = bret
			}
		}
		return Resolved{Fn: b.name, Ret: ret, ArgTypes: want, Volatile: b.dependsOnEnv(args)}, nil
	}
	return Resolved{}, misfit(b.name, args, b.sig)
}

// Apply builds the call name(args...): it looks the function up with literal
// arguments in sight, casts arguments where needed and returns the typed call.
func Apply(name string, args ...Expr) (Expr, error) {
	types := make([]schema.Type, len(args))
	lits := make([]*Literal, len(args))
	for i, a := range args {
		types[i] = a.Type()
		lits[i], _ = a.(*Literal)
	}
	r, err := lookup(name, types, lits)
	if err != nil {
		return nil, err
	}
	cast := make([]Expr, len(args))
	for i, a := range args {
		cast[i] = CastTo(a, r.ArgTypes[i])
	}
	return &Call{Fn: r.Fn, Args: cast, T: r.Ret}, nil
}

// CastTo returns e as type t: e itself when only nullability differs, else a CAST.
func CastTo(e Expr, t schema.Type) Expr {
	if e.Type().SameRoot(t) || t.Kind == schema.Invalid {
		return e
	}
	if l, ok := e.(*Literal); ok && l.Value == nil {
		return &Literal{T: t.WithNotNull(false)}
	}
	return &Call{Fn: "CAST", Args: []Expr{e}, T: t.WithNotNull(e.Type().NotNull)}
}

// Functions lists the canonical names of all scalar functions, sorted.
func Functions() []string {
	var out []string
	for name, b := range registry {
		if name == b.name && (name[0] >= 'A' && name[0] <= 'Z') {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}

// Signatures returns how the function may be called, for SHOW FUNCTIONS and help; empty if unknown.
func Signatures(name string) string {
	if b := registry[strings.ToUpper(name)]; b != nil {
		return signatureText(b.sig)
	}
	return ""
}

// Volatile reports whether e depends on Env (clock, watermark, seed, session time zone) anywhere.
func Volatile(e Expr) bool {
	c, ok := e.(*Call)
	if !ok {
		return false
	}
	if c.Fn == "CAST" || c.Fn == "TRY_CAST" {
		if castNeedsZone(c.Args[0].Type(), c.T) {
			return true
		}
	} else if b := registry[c.Fn]; b != nil {
		types := make([]schema.Type, len(c.Args))
		for i, a := range c.Args {
			types[i] = a.Type()
		}
		if b.dependsOnEnv(types) {
			return true
		}
	}
	return slices.ContainsFunc(c.Args, Volatile)
}

func (b *builtin) dependsOnEnv(args []schema.Type) bool {
	return b.volatile || b.zoned && slices.ContainsFunc(args, hasZone)
}

func registryNames() []string {
	out := make([]string, 0, len(registry))
	for name := range registry {
		out = append(out, name)
	}
	return out
}

func unknownFunction(name string, names []string) error {
	msg := fmt.Sprintf("there is no function %s", strings.ToUpper(name))
	if here, ok := foreign[strings.ToUpper(name)]; ok {
		msg += "; write " + here
	} else if near := nearNames(strings.ToUpper(name), names); len(near) > 0 {
		msg += "; did you mean " + strings.Join(near, ", ") + "?"
	}
	return errkind.New(errkind.Invalid, msg)
}

func misfit(name string, args []schema.Type, sig string) error {
	texts := make([]string, len(args))
	for i, a := range args {
		texts[i] = a.WithNotNull(false).String()
	}
	return errkind.Errorf(errkind.Invalid, "%s cannot be applied to (%s); it is %s",
		name, strings.Join(texts, ", "), signatureText(sig))
}

// nearNamesMax is how many suggestions an error carries: more is noise.
const nearNamesMax = 3

func nearNames(name string, names []string) []string {
	type scored struct {
		name string
		dist int
	}
	var near []scored
	limit := max(1, (len(name)+1)/3) // two neighbours swapped in five letters are two
	for _, n := range names {
		if d := editDistance(name, n); d <= limit {
			near = append(near, scored{n, d})
		}
	}
	sort.Slice(near, func(i, j int) bool {
		if near[i].dist != near[j].dist {
			return near[i].dist < near[j].dist
		}
		return near[i].name < near[j].name
	})
	var out []string
	for _, s := range near[:min(len(near), nearNamesMax)] {
		out = append(out, s.name)
	}
	return out
}

// editDistance is Levenshtein's distance in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		prev := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			prev, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, prev+cost)
		}
	}
	return row[len(b)]
}
