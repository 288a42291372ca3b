package plan

// WorstClass is the costliest class among the operators of a plan.
func WorstClass(root Node) Class {
	worst := Stateless
	Walk(root, func(n Node) {
		if c, _ := ClassOf(n); c > worst {
			worst = c
		}
	})
	return worst
}
