package sql

import "github.com/weir-lake/weir/table/schema"

// Defaults and bounds of Flink's types.
const (
	defaultDecimalPrecision   = 10
	maxDecimalPrecision       = 38
	defaultTimestampPrecision = 6
	maxTimePrecision          = 9
)

// dataType demands a type with its nullability and suffixes (INT ARRAY).
func (p *parser) dataType() DataType {
	at := p.tok.at
	if !p.enter() {
		return DataType{At: at}
	}
	defer p.leave()
	t := p.rootType()
	t.NotNull = p.nullability()
	n := 0
	for p.at("ARRAY") || p.at("MULTISET") {
		kind := schema.Array
		if p.advance().upper == "MULTISET" {
			kind = schema.Multiset
		}
		elem := t
		t = schema.Type{Kind: kind, Elem: &elem}
		t.NotNull = p.nullability()
		if n++; n > maxDepth {
			p.fail(at, "the type is nested too deep", "")
		}
	}
	return DataType{At: at, Type: t}
}

func (p *parser) nullability() bool {
	if p.accept("NOT", "NULL") {
		return true
	}
	p.accept("NULL")
	return false
}

// simpleTypes are the types without arguments.
var simpleTypes = map[string]schema.Type{
	"BOOLEAN": schema.TBoolean, "BOOL": schema.TBoolean, "TINYINT": schema.TTinyInt, "SMALLINT": schema.TSmallInt,
	"INT": schema.TInt, "INTEGER": schema.TInt, "BIGINT": schema.TBigInt, "FLOAT": schema.TFloat, "REAL": schema.TFloat,
	"STRING": schema.TString, "BYTES": schema.TBytes, "DATE": schema.TDate, "NULL": schema.TNull,
	"VARIANT": {Kind: schema.Variant}, "BLOB": {Kind: schema.Blob},
}

func (p *parser) rootType() schema.Type {
	if p.tok.kind != tokWord {
		p.unexpected("a type")
		return schema.Type{}
	}
	word := p.tok
	if t, ok := simpleTypes[word.upper]; ok {
		p.advance()
		return t
	}
	switch word.upper {
	case "DOUBLE":
		p.advance()
		p.accept("PRECISION")
		return schema.TDouble
	case "DECIMAL", "DEC", "NUMERIC":
		p.advance()
		return p.decimalType()
	case "CHAR", "CHARACTER", "VARCHAR", "BINARY", "VARBINARY":
		return p.lengthType()
	case "TIME":
		p.advance()
		t := schema.TTime(p.optionalNumber("the precision of TIME", 0, 0, maxTimePrecision))
		p.accept("WITHOUT", "TIME", "ZONE")
		return t
	case "TIMESTAMP", "TIMESTAMP_LTZ":
		return p.timestampType()
	case "ARRAY", "MULTISET":
		p.advance()
		p.expect("<")
		elem := p.dataType().Type
		p.expect(">")
		if word.upper == "ARRAY" {
			return schema.TArray(elem)
		}
		return schema.Type{Kind: schema.Multiset, Elem: &elem}
	case "MAP":
		p.advance()
		p.expect("<")
		key := p.dataType().Type
		p.expect(",")
		val := p.dataType().Type
		p.expect(">")
		return schema.TMap(key, val)
	case "ROW":
		return p.rowType()
	case "INTERVAL":
		return p.intervalType()
	}
	p.unknownType(word)
	return schema.Type{}
}

func (p *parser) unknownType(word token) {
	names := []string{"DOUBLE", "DECIMAL", "NUMERIC", "CHAR", "VARCHAR", "BINARY", "VARBINARY", "TIME", "TIMESTAMP", "TIMESTAMP_LTZ", "ARRAY", "MAP", "MULTISET", "ROW"}
	for n := range simpleTypes {
		names = append(names, n)
	}
	hint := map[string]string{"TEXT": "write STRING", "DATETIME": "write TIMESTAMP", "LONG": "write BIGINT", "TIMESTAMPTZ": "write TIMESTAMP_LTZ",
		"INT8": "write BIGINT", "INT4": "write INT", "JSON": "write STRING or VARIANT", "UUID": "write STRING"}[word.upper]
	if near := Nearest(word.upper, names); hint == "" && near != "" {
		hint = "did you mean " + near + "?"
	}
	p.fail(word.at, "unknown type "+word.describe(), hint)
}

func (p *parser) optionalNumber(what string, def, lo, hi int) int {
	if !p.accept("(") {
		return def
	}
	n := p.number(what, lo, hi)
	p.expect(")")
	return n
}

func (p *parser) decimalType() schema.Type {
	prec, scale := defaultDecimalPrecision, 0
	if p.accept("(") {
		prec = p.number("the precision of DECIMAL", 1, maxDecimalPrecision)
		if p.accept(",") {
			scale = p.number("the scale of DECIMAL", 0, prec)
		}
		p.expect(")")
	}
	return schema.TDecimal(prec, scale)
}

func (p *parser) lengthType() schema.Type {
	word := p.advance().upper
	if word == "CHARACTER" {
		word = "CHAR"
	}
	if word == "CHAR" && p.accept("VARYING") {
		word = "VARCHAR"
	}
	kinds := map[string]schema.Kind{"CHAR": schema.Char, "VARCHAR": schema.VarChar, "BINARY": schema.Binary, "VARBINARY": schema.VarBinary}
	return schema.Type{Kind: kinds[word], Length: p.optionalNumber("the length of "+word, 1, 1, schema.MaxLength)}
}

func (p *parser) timestampType() schema.Type {
	word := p.advance().upper
	prec := p.optionalNumber("the precision of "+word, defaultTimestampPrecision, 0, maxTimePrecision)
	switch {
	case word == "TIMESTAMP_LTZ" || p.accept("WITH", "LOCAL", "TIME", "ZONE"):
		return schema.TTimestampLTZ(prec)
	case p.at("WITH", "TIME", "ZONE"):
		p.fail(p.tok.at, "TIMESTAMP WITH TIME ZONE is not supported", "write TIMESTAMP WITH LOCAL TIME ZONE")
	default:
		p.accept("WITHOUT", "TIME", "ZONE")
	}
	return schema.TTimestamp(prec)
}

// rowType is ROW<name type ['comment'], ..> or ROW(..).
func (p *parser) rowType() schema.Type {
	p.advance()
	closing := ">"
	if p.accept("(") {
		closing = ")"
	} else {
		p.expect("<")
	}
	t := schema.Type{Kind: schema.Row}
	for {
		f := schema.Field{Name: p.ident(" of a field").Text}
		f.Type = p.dataType().Type
		if p.tok.kind == tokString {
			f.Description = p.advance().text
		}
		t.Fields = append(t.Fields, f)
		if !p.accept(",") {
			break
		}
	}
	p.expect(closing)
	return t
}

func (p *parser) intervalType() schema.Type {
	p.advance()
	from := p.unit()
	p.optionalNumber("the precision of INTERVAL", 0, 1, maxTimePrecision)
	if p.accept("TO") {
		p.unit()
		p.optionalNumber("the precision of INTERVAL", 0, 0, maxTimePrecision)
	}
	if from == "YEAR" || from == "MONTH" {
		return schema.Type{Kind: schema.IntervalYearMonth}
	}
	return schema.Type{Kind: schema.IntervalDayTime}
}
