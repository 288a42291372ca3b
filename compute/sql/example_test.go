package sql_test

import (
	"fmt"

	"github.com/weir-lake/weir/compute/sql"
)

func ExampleParse() {
	s, err := sql.Parse("select carrier, count(*) from flights where dep_delay>10 group by carrier")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sql.Format(s))
	_, err = sql.Parse("SELECT carrier FORM flights")
	fmt.Println(err)
	// Output:
	// SELECT carrier, count(*) FROM flights WHERE dep_delay > 10 GROUP BY carrier
	// line 1, column 21: unexpected 'flights', expected end of statement; did you mean FROM instead of 'FORM'?
	//   SELECT carrier FORM flights
	//                       ^
}

func ExampleSplit() {
	fragments, err := sql.Split("SET 'a' = ';'; -- a comment;\nSELECT 1")
	if err != nil {
		fmt.Println(err)
	}
	for _, f := range fragments {
		fmt.Println(f.At.Line, f.Text())
	}
	// Output:
	// 1 SET 'a' = ';'
	// 2 SELECT 1
}
