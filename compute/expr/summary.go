package expr

import "strings"

// Summary is what a function or aggregate does, in one line for editors; empty for an unknown name.
func Summary(name string) string {
	name = strings.ToUpper(name)
	if b := registry[name]; b != nil {
		name = b.name
	}
	return summaries[name]
}

// Aliases are the other names of a scalar function.
func Aliases(name string) []string {
	if b := registry[strings.ToUpper(name)]; b != nil {
		return append([]string(nil), b.aliases...)
	}
	return nil
}

// AggregateForm is how an aggregate or window function is called, for editors; empty for an unknown name.
func AggregateForm(name string) string { return aggregateForms[strings.ToUpper(name)] }

// aggregateForms are written as Signatures writes those of scalar functions.
var aggregateForms = map[string]string{
	"APPROX_COUNT_DISTINCT": "APPROX_COUNT_DISTINCT(ANY) BIGINT",
	"ARRAY_AGG":             "ARRAY_AGG([DISTINCT] ANY [ORDER BY ..]) ARRAY",
	"AVG":                   "AVG([DISTINCT] NUMERIC) -",
	"COLLECT":               "COLLECT([DISTINCT] ANY) MULTISET",
	"COUNT":                 "COUNT(*) BIGINT or COUNT([DISTINCT] ANY...) BIGINT",
	"CUME_DIST":             "CUME_DIST() OVER (ORDER BY ..) DOUBLE",
	"DENSE_RANK":            "DENSE_RANK() OVER (ORDER BY ..) BIGINT",
	"FIRST_VALUE":           "FIRST_VALUE(ANY) ARG0",
	"LAG":                   "LAG(ANY [, INTEGER, ANY]) OVER (ORDER BY ..) ARG0",
	"LAST_VALUE":            "LAST_VALUE(ANY) ARG0",
	"LEAD":                  "LEAD(ANY [, INTEGER, ANY]) OVER (ORDER BY ..) ARG0",
	"LISTAGG":               "LISTAGG([DISTINCT] STRING [, STRING]) STRING",
	"MAX":                   "MAX(ANY) ARG0",
	"MIN":                   "MIN(ANY) ARG0",
	"NTILE":                 "NTILE(INTEGER) OVER (ORDER BY ..) BIGINT",
	"PERCENT_RANK":          "PERCENT_RANK() OVER (ORDER BY ..) DOUBLE",
	"RANK":                  "RANK() OVER (ORDER BY ..) BIGINT",
	"ROW_NUMBER":            "ROW_NUMBER() OVER (ORDER BY ..) BIGINT",
	"SINGLE_VALUE":          "SINGLE_VALUE(ANY) ARG0",
	"STDDEV_POP":            "STDDEV_POP(NUMERIC) DOUBLE",
	"STDDEV_SAMP":           "STDDEV_SAMP(NUMERIC) DOUBLE",
	"SUM":                   "SUM([DISTINCT] NUMERIC) -",
	"SUM0":                  "SUM0(NUMERIC) -",
	"VAR_POP":               "VAR_POP(NUMERIC) DOUBLE",
	"VAR_SAMP":              "VAR_SAMP(NUMERIC) DOUBLE",
}

// summaries holds a line for every function and aggregate; a test sees to it.
var summaries = map[string]string{
	"ABS": "the value without its sign", "ACOS": "the arc cosine, in radians", "AND": "whether all are true",
	"ARRAY": "an array of the values", "ARRAY_APPEND": "the array with a value added at its end", "ARRAY_CONCAT": "the arrays one after the other",
	"ARRAY_CONTAINS": "whether the array has the value", "ARRAY_DISTINCT": "the array with each value once", "ARRAY_EXCEPT": "the values of the first array that are not in the second",
	"ARRAY_INTERSECT": "the values that are in both arrays", "ARRAY_JOIN": "the values as one text, with a separator between them", "ARRAY_MAX": "the greatest value of the array",
	"ARRAY_MIN": "the least value of the array", "ARRAY_POSITION": "where the value first is in the array, from 1; 0: nowhere", "ARRAY_PREPEND": "the array with a value put in front",
	"ARRAY_REMOVE": "the array without a value", "ARRAY_REVERSE": "the array backwards", "ARRAY_SLICE": "a part of the array, from and to a position",
	"ARRAY_SORT": "the array in order; ascending, NULLs first unless said otherwise", "ARRAY_UNION": "the values of both arrays, each once", "ASCII": "the code of the first character",
	"ASIN": "the arc sine, in radians", "ATAN": "the arc tangent, in radians", "ATAN2": "the angle of the point (second, first argument), in radians",
	"BIN": "the number in binary", "BTRIM": "the text without blanks, or given characters, at both ends", "CARDINALITY": "how many values the collection has",
	"CASE": "the value after the first condition that is true", "CEIL": "the next whole number above, or the next begin of a unit of time", "CHAR_LENGTH": "how many characters the text has",
	"CHR": "the character of a code", "COALESCE": "the first argument that is not NULL", "CONCAT": "the texts one after the other; NULL if one is",
	"CONCAT_WS": "the texts with a separator between them, NULLs left out", "CONVERT_TZ": "a time as text moved from one time zone to another", "COS": "the cosine of an angle in radians",
	"COSH": "the hyperbolic cosine", "COT": "the cotangent of an angle in radians", "CURRENT_DATE": "today in the session's time zone",
	"CURRENT_TIME": "the time of day in the session's time zone", "CURRENT_TIMESTAMP": "the present instant", "CURRENT_WATERMARK": "how far event time has come; NULL before the first watermark",
	"DATE_FORMAT": "a time as text by a pattern such as yyyy-MM-dd", "DAYOFMONTH": "the day of the month, from 1", "DAYOFWEEK": "the day of the week, Sunday is 1",
	"DAYOFYEAR": "the day of the year, from 1", "DECODE": "bytes of a character set as text", "DEGREES": "radians in degrees",
	"E": "Euler's number", "ELEMENT": "the only value of an array; an error if it has more", "ELT": "the text at a position among the arguments",
	"ENCODE": "text as bytes of a character set", "ENDSWITH": "whether the text ends with another", "EXP": "e to the power",
	"EXTRACT": "a field of a time or an interval, such as YEAR or HOUR", "FLOOR": "the next whole number below, or the begin of a unit of time", "FROM_BASE64": "base64 text decoded",
	"FROM_UNIXTIME": "seconds since 1970 as text, by a pattern", "GREATEST": "the greatest of the values; NULL if one is", "HASH_CODE": "a hash of the value",
	"HEX": "the value in hexadecimal", "HOUR": "the hour of the day, from 0", "IF": "the second argument where the first is true, else the third",
	"IFNULL": "the value, or another where it is NULL", "IN": "whether the value is one of those listed", "INITCAP": "the text with each word's first letter large",
	"INSTR": "where a text is in another, from 1; 0: nowhere", "IS_ALPHA": "whether all characters are letters", "IS_DECIMAL": "whether the text is a number",
	"IS_DIGIT": "whether all characters are digits", "IS_DISTINCT_FROM": "whether the values differ; NULL equals NULL", "IS_FALSE": "whether it is false, not NULL",
	"IS_JSON": "whether the text is JSON, of a kind if one is given", "IS_NOT_DISTINCT_FROM": "whether the values are the same; NULL equals NULL", "IS_NOT_FALSE": "whether it is true or NULL",
	"IS_NOT_NULL": "whether there is a value", "IS_NOT_TRUE": "whether it is false or NULL", "IS_NULL": "whether there is no value",
	"IS_TRUE": "whether it is true, not NULL", "ITEM": "the value at a position of an array, or of a key of a map", "JSON_EXISTS": "whether a path leads to something in JSON text",
	"JSON_QUERY": "what a path leads to in JSON text, as JSON", "JSON_QUOTE": "the text as a JSON string", "JSON_STRING": "the value as JSON",
	"JSON_UNQUOTE": "a JSON string as text", "JSON_VALUE": "the scalar that a path leads to in JSON text", "LEAST": "the least of the values; NULL if one is",
	"LEFT": "the first characters of a text", "LIKE": "whether the text matches a pattern with % and _", "LN": "the natural logarithm",
	"LOCALTIMESTAMP": "the present time in the session's time zone", "LOCATE": "where a text is in another, from 1; 0: nowhere", "LOG": "the natural logarithm, or that to a base",
	"LOG10": "the logarithm to base 10", "LOG2": "the logarithm to base 2", "LOWER": "the text in small letters",
	"LPAD": "the text filled at its begin up to a length", "LTRIM": "the text without blanks, or given characters, at its begin", "MAP": "a map of keys and values, in turn",
	"MAP_ENTRIES": "the entries of a map as rows", "MAP_FROM_ARRAYS": "a map of an array of keys and one of values", "MAP_KEYS": "the keys of a map",
	"MAP_UNION": "the maps joined; later ones win", "MAP_VALUES": "the values of a map", "MD5": "the MD5 hash in hexadecimal",
	"MINUTE": "the minute of the hour", "MONTH": "the month, from 1", "NEG": "the value with the other sign",
	"NOT": "true where it is false", "NOW": "the present instant", "NULLIF": "the first value, or NULL where both are equal",
	"OR": "whether one is true", "OVERLAPS": "whether two spans of time have an instant in common", "OVERLAY": "the text with a part replaced, by position",
	"PARSE_URL": "a part of an URL, such as HOST or QUERY", "PI": "the number pi", "POSITION": "where a text is in another, from 1; 0: nowhere",
	"POWER": "the first number to the power of the second", "PROCTIME": "the present instant, as a stream's processing time", "QUARTER": "the quarter of the year, from 1",
	"RADIANS": "degrees in radians", "RAND": "a random number from 0 to 1", "RAND_INTEGER": "a random whole number below a limit",
	"REGEXP": "whether a regular expression is found in the text", "REGEXP_COUNT": "how often a regular expression is found", "REGEXP_EXTRACT": "what a group of a regular expression matched first",
	"REGEXP_EXTRACT_ALL": "what a group of a regular expression matched, each time", "REGEXP_INSTR": "where a regular expression is first found, from 1; 0: nowhere", "REGEXP_REPLACE": "the text with what a regular expression matches replaced",
	"REGEXP_SUBSTR": "what a regular expression matched first", "REPEAT": "the text several times", "REPLACE": "the text with another text in it replaced",
	"REVERSE": "the text backwards", "RIGHT": "the last characters of a text", "ROUND": "the number rounded, half up, to some digits",
	"ROW": "a row of the values", "RPAD": "the text filled at its end up to a length", "RTRIM": "the text without blanks, or given characters, at its end",
	"SECOND": "the second of the minute", "SHA1": "the SHA-1 hash in hexadecimal", "SHA2": "the SHA-2 hash of a length in hexadecimal",
	"SHA224": "the SHA-224 hash in hexadecimal", "SHA256": "the SHA-256 hash in hexadecimal", "SHA384": "the SHA-384 hash in hexadecimal",
	"SHA512": "the SHA-512 hash in hexadecimal", "SIGN": "-1, 0 or 1", "SIMILAR_TO": "whether the text matches an SQL regular expression",
	"SIN": "the sine of an angle in radians", "SINH": "the hyperbolic sine", "SPLIT": "the parts of a text between separators",
	"SPLIT_INDEX": "one part of a text between separators, from 0", "SQRT": "the square root", "STARTSWITH": "whether the text begins with another",
	"STR_TO_MAP": "a map of the pairs in a text such as a=1,b=2", "SUBSTRING": "a part of the text, from a position and of a length", "TAN": "the tangent of an angle in radians",
	"TANH": "the hyperbolic tangent", "TIMESTAMPADD": "a time moved by a number of units", "TIMESTAMPDIFF": "how many whole units lie between two times",
	"TO_BASE64": "the value in base64", "TO_DATE": "text as a date, by a pattern", "TO_TIMESTAMP": "text as a time without time zone, by a pattern",
	"TO_TIMESTAMP_LTZ": "seconds or milliseconds since 1970, or text, as an instant", "TRANSLATE": "the text with single characters replaced by others", "TRIM": "the text without blanks, or given characters, at its ends",
	"TRUNCATE": "the number cut off after some digits", "TYPEOF": "the type of the value as text", "UNHEX": "hexadecimal text as bytes",
	"UNIX_TIMESTAMP": "seconds since 1970, of now or of a text", "UPPER": "the text in capital letters", "URL_DECODE": "text of an URL decoded",
	"URL_ENCODE": "text encoded for an URL", "UUID": "a new random UUID", "WEEK": "the ISO week of the year", "YEAR": "the year",

	"APPROX_COUNT_DISTINCT": "how many different values there are, about", "ARRAY_AGG": "the values as an array", "AVG": "the mean of the values",
	"COLLECT": "the values as a multiset", "COUNT": "how many rows there are, or values that are not NULL", "CUME_DIST": "the share of rows up to this one",
	"DENSE_RANK": "the row's rank without gaps", "FIRST_VALUE": "the first value", "LAG": "the value some rows before",
	"LAST_VALUE": "the last value", "LEAD": "the value some rows after", "LISTAGG": "the texts as one, with a separator between them",
	"MAX": "the greatest value", "MIN": "the least value", "NTILE": "which of some equal parts the row is in, from 1",
	"PERCENT_RANK": "the row's rank from 0 to 1", "RANK": "the row's rank, with gaps after equal ones", "ROW_NUMBER": "the row's number, from 1",
	"SINGLE_VALUE": "the only value; an error if there are more", "STDDEV_POP": "the standard deviation of a population", "STDDEV_SAMP": "the standard deviation of a sample",
	"SUM": "the sum of the values; NULL of none", "SUM0": "the sum of the values; 0 of none", "VAR_POP": "the variance of a population", "VAR_SAMP": "the variance of a sample",
}
