package bind_test

import (
	"fmt"

	"github.com/weir-lake/weir/compute/bind/bindtest"
	"github.com/weir-lake/weir/compute/plan"
)

func ExampleQuery() {
	catalog, err := bindtest.New("CREATE TABLE flights (carrier STRING, dep_delay INT, PRIMARY KEY (carrier) NOT ENFORCED)")
	if err != nil {
		fmt.Println(err)
		return
	}
	root, err := catalog.Bind("SELECT carrier, AVG(dep_delay) AS late FROM flights WHERE dep_delay > 10 GROUP BY carrier")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range root.Columns() {
		fmt.Println(c.Name, c.Type)
	}
	fmt.Print(plan.Explain(plan.Optimize(root)))
	// Output:
	// carrier STRING NOT NULL
	// late INT
	// Project carrier#0, avg$0#1 AS late  [stateless]
	//   Aggregate keys=(carrier#0) aggs=(AVG(dep_delay#1))  [delta: state: one row per group]
	//     Filter >(dep_delay#1, 10:INT)  [stateless]
	//       Scan default.flights cols=(carrier, dep_delay) prune=(dep_delay > 10)  [stateless]
}
