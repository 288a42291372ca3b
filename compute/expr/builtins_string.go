package expr

import (
	"bytes"
	"unicode/utf8"
)

// stringBuiltins are functions of text. CHAR_LENGTH, SUBSTRING, LEFT, RIGHT, POSITION, LOCATE,
// INSTR, REVERSE and the TRIM family count characters (code points), as Flink does on its own
// string type; LPAD, RPAD, OVERLAY and REGEXP_INSTR count UTF-16 units, as Flink does on Java's.
func stringBuiltins() []builtin {
	return []builtin{
		{sig: "||(STRING, STRING) STRING", prep: run(evalConcat)},
		{sig: "CONCAT(STRING...) STRING", prep: run(evalConcat)},
		{sig: "CONCAT_WS(STRING, STRING...) STRING?", prep: run(evalConcatWS), nulls: true},
		{sig: "UPPER(STRING) STRING", prep: prepCase},
		{sig: "LOWER(STRING) STRING", prep: prepCase},
		{sig: "INITCAP(STRING) STRING", prep: text1(initcap)},
		{sig: "TRIM(STRING) STRING | TRIM(SYMBOL, STRING, STRING) STRING", prep: prepTrim},
		{sig: "BTRIM(STRING [, STRING]) STRING", prep: prepTrim},
		{sig: "LTRIM(STRING [, STRING]) STRING", prep: prepTrim},
		{sig: "RTRIM(STRING [, STRING]) STRING", prep: prepTrim},
		{sig: "SUBSTRING(STRING, INTEGER [, INTEGER]) STRING?", prep: run(evalSubstring), aliases: []string{"SUBSTR"}},
		{sig: "LEFT(STRING, INTEGER) STRING?", prep: prepEnd},
		{sig: "RIGHT(STRING, INTEGER) STRING?", prep: prepEnd},
		{sig: "POSITION(STRING, STRING) INT", prep: run(evalLocate)},
		{sig: "LOCATE(STRING, STRING [, INTEGER]) INT", prep: run(evalLocate)},
		{sig: "INSTR(STRING, STRING [, INTEGER, INTEGER]) INT", prep: run(evalInstr)},
		{sig: "REPLACE(STRING, STRING, STRING) STRING", prep: run(evalReplace)},
		{sig: "TRANSLATE(STRING, STRING, STRING) STRING?", prep: run(evalTranslate), aliases: []string{"TRANSLATE3"}, nulls: true},
		{sig: "LPAD(STRING, INTEGER, STRING) STRING?", prep: prepPad},
		{sig: "RPAD(STRING, INTEGER, STRING) STRING?", prep: prepPad},
		{sig: "REPEAT(STRING, INTEGER) STRING", prep: run(evalRepeat)},
		{sig: "REVERSE(STRING) STRING", prep: text1(reverse)},
		{sig: "CHAR_LENGTH(STRING) INT", prep: int1(func(s []byte) int32 { return int32(utf8.RuneCount(s)) }), aliases: []string{"CHARACTER_LENGTH"}},
		{sig: "ASCII(STRING) INT", prep: int1(ascii)},
		{sig: "CHR(INTEGER) STRING", prep: run(evalChr)},
		{sig: "OVERLAY(STRING, STRING, INTEGER [, INTEGER]) STRING", prep: run(evalOverlay)},
		{sig: "SPLIT_INDEX(STRING, STRING, INTEGER) STRING? | SPLIT_INDEX(STRING, INTEGER, INTEGER) STRING?", prep: run(evalSplitIndex)},
		{sig: "SPLIT(STRING, STRING) STRINGS", prep: prepSplit},
		{sig: "STR_TO_MAP(STRING [, STRING, STRING]) STRINGMAP", prep: prepStrToMap},
		{sig: "STARTSWITH(STRING, STRING) BOOLEAN", prep: bool2(bytes.HasPrefix)},
		{sig: "ENDSWITH(STRING, STRING) BOOLEAN", prep: bool2(bytes.HasSuffix)},
		{sig: "ELT(INTEGER, STRING...) STRING?", prep: run(evalElt), nulls: true},
		{sig: "IS_ALPHA(STRING) BOOLEAN", prep: prepIsKind, nulls: true},
		{sig: "IS_DIGIT(STRING) BOOLEAN | IS_DIGIT(NUMERIC) BOOLEAN", prep: prepIsKind, nulls: true},
		{sig: "IS_DECIMAL(STRING) BOOLEAN | IS_DECIMAL(NUMERIC) BOOLEAN", prep: prepIsKind, nulls: true},
	}
}

// regexBuiltins match patterns. LIKE and SIMILAR_TO are SQL's; the others take Java's
// regular expressions, as far as they can be matched in linear time.
func regexBuiltins() []builtin {
	return []builtin{
		{sig: "LIKE(STRING, STRING [, STRING]) BOOLEAN", prep: prepLike},
		{sig: "SIMILAR_TO(STRING, STRING [, STRING]) BOOLEAN", prep: prepSimilar},
		{sig: "REGEXP(STRING, STRING) BOOLEAN", prep: prepRegexp},
		{sig: "REGEXP_EXTRACT(STRING, STRING [, INTEGER]) STRING?", prep: prepRegexpExtract},
		{sig: "REGEXP_EXTRACT_ALL(STRING, STRING [, INTEGER]) STRINGS?", prep: prepRegexpExtractAll},
		{sig: "REGEXP_REPLACE(STRING, STRING, STRING) STRING?", prep: prepRegexpReplace},
		{sig: "REGEXP_COUNT(STRING, STRING) INT?", prep: prepRegexpCount},
		{sig: "REGEXP_INSTR(STRING, STRING) INT?", prep: prepRegexpCount},
		{sig: "REGEXP_SUBSTR(STRING, STRING) STRING?", prep: prepRegexpExtract},
	}
}

// hashBuiltins are digests and encodings.
func hashBuiltins() []builtin {
	return []builtin{
		{sig: "MD5(STRING) STRING", prep: prepDigest},
		{sig: "SHA1(STRING) STRING", prep: prepDigest},
		{sig: "SHA224(STRING) STRING", prep: prepDigest},
		{sig: "SHA256(STRING) STRING", prep: prepDigest},
		{sig: "SHA384(STRING) STRING", prep: prepDigest},
		{sig: "SHA512(STRING) STRING", prep: prepDigest},
		{sig: "SHA2(STRING, INTEGER) STRING", prep: prepDigest},
		{sig: "HASH_CODE(ANY) INT", prep: prepHashCode},
		{sig: "TO_BASE64(STRING) STRING | TO_BASE64(BYTES) STRING", prep: text1(toBase64)},
		{sig: "FROM_BASE64(STRING) STRING", prep: run(evalFromBase64)},
		{sig: "HEX(STRING) STRING | HEX(INTEGER) STRING", prep: prepHex},
		{sig: "UNHEX(STRING) BYTES?", prep: run(evalUnhex)},
		{sig: "ENCODE(STRING, STRING) BYTES?", prep: run(evalEncode)},
		{sig: "DECODE(BYTES, STRING) STRING?", prep: run(evalDecode)},
		{sig: "PARSE_URL(STRING, STRING [, STRING]) STRING?", prep: run(evalParseURL)},
		{sig: "URL_ENCODE(STRING) STRING?", prep: text1(urlEncode)},
		{sig: "URL_DECODE(STRING) STRING?", prep: run(evalURLDecode)},
	}
}

// jsonBuiltins read JSON text. Trailing SYMBOL arguments are the ON EMPTY / ON ERROR
// behaviours: NULL, ERROR, DEFAULT (followed by its value), TRUE, FALSE, UNKNOWN,
// EMPTY ARRAY, EMPTY OBJECT; JSON_QUERY's first is the wrapper: WITHOUT, CONDITIONAL, UNCONDITIONAL.
func jsonBuiltins() []builtin {
	return []builtin{
		{sig: "IS_JSON(STRING [, SYMBOL]) BOOLEAN", prep: prepIsJSON, nulls: true},
		{sig: "JSON_EXISTS(STRING, STRING [, SYMBOL]) BOOLEAN?", prep: prepJSONExists},
		{sig: "JSON_VALUE(STRING, STRING [, SYMBOL, ANY, SYMBOL, ANY]) STRING?", prep: prepJSONValue, nulls: true},
		{sig: "JSON_QUERY(STRING, STRING [, SYMBOL, SYMBOL, SYMBOL]) STRING?", prep: prepJSONQuery},
		{sig: "JSON_QUOTE(STRING) STRING", prep: text1(jsonQuote)},
		{sig: "JSON_UNQUOTE(STRING) STRING", prep: text1(jsonUnquote)},
		{sig: "JSON_STRING(ANY) STRING", prep: prepJSONString},
	}
}
