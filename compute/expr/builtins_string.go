package expr

// stringBuiltins are functions of text. CHAR_LENGTH, SUBSTRING, POSITION, LOCATE, INSTR,
// REVERSE and the TRIM family count characters (code points), as Flink does on its own
// string type; LEFT, RIGHT, LPAD, RPAD, OVERLAY and CHR count UTF-16 units, as Flink does on Java's.
func stringBuiltins() []builtin {
	return []builtin{
		{sig: "||(STRING, STRING) STRING"},
		{sig: "CONCAT(STRING...) STRING"},
		{sig: "CONCAT_WS(STRING, STRING...) STRING?", nulls: true},
		{sig: "UPPER(STRING) STRING"},
		{sig: "LOWER(STRING) STRING"},
		{sig: "INITCAP(STRING) STRING"},
		{sig: "TRIM(STRING) STRING | TRIM(SYMBOL, STRING, STRING) STRING"},
		{sig: "BTRIM(STRING [, STRING]) STRING"},
		{sig: "LTRIM(STRING [, STRING]) STRING"},
		{sig: "RTRIM(STRING [, STRING]) STRING"},
		{sig: "SUBSTRING(STRING, INTEGER [, INTEGER]) STRING?", aliases: []string{"SUBSTR"}},
		{sig: "LEFT(STRING, INTEGER) STRING?"},
		{sig: "RIGHT(STRING, INTEGER) STRING?"},
		{sig: "POSITION(STRING, STRING) INT"},
		{sig: "LOCATE(STRING, STRING [, INTEGER]) INT"},
		{sig: "INSTR(STRING, STRING [, INTEGER, INTEGER]) INT"},
		{sig: "REPLACE(STRING, STRING, STRING) STRING"},
		{sig: "TRANSLATE(STRING, STRING, STRING) STRING", aliases: []string{"TRANSLATE3"}, nulls: true},
		{sig: "LPAD(STRING, INTEGER, STRING) STRING?"},
		{sig: "RPAD(STRING, INTEGER, STRING) STRING?"},
		{sig: "REPEAT(STRING, INTEGER) STRING"},
		{sig: "REVERSE(STRING) STRING"},
		{sig: "CHAR_LENGTH(STRING) INT", aliases: []string{"CHARACTER_LENGTH"}},
		{sig: "ASCII(STRING) INT"},
		{sig: "CHR(INTEGER) STRING"},
		{sig: "OVERLAY(STRING, STRING, INTEGER [, INTEGER]) STRING"},
		{sig: "SPLIT_INDEX(STRING, STRING, INTEGER) STRING? | SPLIT_INDEX(STRING, INTEGER, INTEGER) STRING?"},
		{sig: "SPLIT(STRING, STRING) STRINGS"},
		{sig: "STR_TO_MAP(STRING [, STRING, STRING]) STRINGMAP"},
		{sig: "STARTSWITH(STRING, STRING) BOOLEAN"},
		{sig: "ENDSWITH(STRING, STRING) BOOLEAN"},
		{sig: "ELT(INTEGER, STRING...) STRING?", nulls: true},
		{sig: "IS_ALPHA(STRING) BOOLEAN", nulls: true},
		{sig: "IS_DIGIT(STRING) BOOLEAN | IS_DIGIT(NUMERIC) BOOLEAN", nulls: true},
		{sig: "IS_DECIMAL(STRING) BOOLEAN | IS_DECIMAL(NUMERIC) BOOLEAN", nulls: true},
	}
}

// regexBuiltins match patterns. LIKE and SIMILAR_TO are SQL's; the others take Java's
// regular expressions, as far as they can be matched in linear time.
func regexBuiltins() []builtin {
	return []builtin{
		{sig: "LIKE(STRING, STRING [, STRING]) BOOLEAN"},
		{sig: "SIMILAR_TO(STRING, STRING [, STRING]) BOOLEAN"},
		{sig: "REGEXP(STRING, STRING) BOOLEAN"},
		{sig: "REGEXP_EXTRACT(STRING, STRING [, INTEGER]) STRING?"},
		{sig: "REGEXP_EXTRACT_ALL(STRING, STRING [, INTEGER]) STRINGS?"},
		{sig: "REGEXP_REPLACE(STRING, STRING, STRING) STRING?"},
		{sig: "REGEXP_COUNT(STRING, STRING) INT?"},
		{sig: "REGEXP_INSTR(STRING, STRING) INT?"},
		{sig: "REGEXP_SUBSTR(STRING, STRING) STRING?"},
	}
}

// hashBuiltins are digests and encodings.
func hashBuiltins() []builtin {
	return []builtin{
		{sig: "MD5(STRING) STRING"},
		{sig: "SHA1(STRING) STRING"},
		{sig: "SHA224(STRING) STRING"},
		{sig: "SHA256(STRING) STRING"},
		{sig: "SHA384(STRING) STRING"},
		{sig: "SHA512(STRING) STRING"},
		{sig: "SHA2(STRING, INTEGER) STRING"},
		{sig: "HASH_CODE(ANY) INT"},
		{sig: "TO_BASE64(STRING) STRING | TO_BASE64(BYTES) STRING"},
		{sig: "FROM_BASE64(STRING) STRING"},
		{sig: "HEX(STRING) STRING | HEX(INTEGER) STRING"},
		{sig: "UNHEX(STRING) BYTES?"},
		{sig: "ENCODE(STRING, STRING) BYTES?"},
		{sig: "DECODE(BYTES, STRING) STRING?"},
		{sig: "PARSE_URL(STRING, STRING [, STRING]) STRING?"},
		{sig: "URL_ENCODE(STRING) STRING?"},
		{sig: "URL_DECODE(STRING) STRING?"},
	}
}

// jsonBuiltins read JSON text. Trailing SYMBOL arguments are the ON EMPTY / ON ERROR
// behaviours: NULL, ERROR, DEFAULT (followed by its value), TRUE, FALSE, UNKNOWN,
// EMPTY ARRAY, EMPTY OBJECT; JSON_QUERY's first is the wrapper: WITHOUT, CONDITIONAL, UNCONDITIONAL.
func jsonBuiltins() []builtin {
	return []builtin{
		{sig: "IS_JSON(STRING [, SYMBOL]) BOOLEAN", nulls: true},
		{sig: "JSON_EXISTS(STRING, STRING [, SYMBOL]) BOOLEAN?"},
		{sig: "JSON_VALUE(STRING, STRING [, SYMBOL, ANY, SYMBOL, ANY]) STRING?", nulls: true},
		{sig: "JSON_QUERY(STRING, STRING [, SYMBOL, SYMBOL, SYMBOL]) STRING?"},
		{sig: "JSON_QUOTE(STRING) STRING"},
		{sig: "JSON_UNQUOTE(STRING) STRING"},
		{sig: "JSON_STRING(ANY) STRING"},
	}
}
