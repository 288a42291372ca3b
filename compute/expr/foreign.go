package expr

// foreign says what a function of another engine is called here, for the hint of an unknown name. Whether it means
// quite the same is for the reader to judge, so it is not taken as an alias.
var foreign = map[string]string{
	"LENGTH": "CHAR_LENGTH(s)", "LEN": "CHAR_LENGTH(s)", "STRLEN": "CHAR_LENGTH(s)",
	"NVL": "COALESCE(a, b)", "IIF": "IF(condition, a, b)",
	"DATE_TRUNC": "FLOOR(t TO DAY)", "TIME_BUCKET": "FLOOR(t TO HOUR), or TUMBLE(..) in FROM",
	"TO_CHAR": "DATE_FORMAT(t, 'yyyy-MM-dd')", "STRFTIME": "DATE_FORMAT(t, 'yyyy-MM-dd')", "STRPTIME": "TO_TIMESTAMP(s, 'yyyy-MM-dd')",
	"DATEDIFF": "TIMESTAMPDIFF(DAY, from, to)", "DATE_DIFF": "TIMESTAMPDIFF(DAY, from, to)", "AGE": "TIMESTAMPDIFF(DAY, from, to)",
	"DATE_ADD": "t + INTERVAL '1' DAY", "DATEADD": "TIMESTAMPADD(DAY, n, t)", "DATE_SUB": "t - INTERVAL '1' DAY",
	"DATE_PART": "EXTRACT(DAY FROM t)", "EPOCH": "UNIX_TIMESTAMP(s)", "GETDATE": "CURRENT_TIMESTAMP", "TODAY": "CURRENT_DATE",
	"STRING_AGG": "LISTAGG(s, ',')", "GROUP_CONCAT": "LISTAGG(s, ',')", "LIST": "ARRAY_AGG(x)",
	"MEAN": "AVG(x)", "ANY_VALUE": "FIRST_VALUE(x)",
	"RANDOM": "RAND()", "GEN_RANDOM_UUID": "UUID()",
	"STRPOS": "POSITION(part IN s)", "CHARINDEX": "POSITION(part IN s)", "SPLIT_PART": "SPLIT_INDEX(s, ',', n), which counts from 0",
	"LCASE": "LOWER(s)", "UCASE": "UPPER(s)", "STARTS_WITH": "STARTSWITH(s, t)", "ENDS_WITH": "ENDSWITH(s, t)",
	"REGEXP_MATCHES": "REGEXP(s, pattern)", "REGEXP_LIKE": "REGEXP(s, pattern)", "POW": "POWER(x, y)",
	"JSON_EXTRACT": "JSON_VALUE(json, '$.path')", "GET_JSON_OBJECT": "JSON_VALUE(json, '$.path')", "TO_JSON": "JSON_STRING(x)",
}
