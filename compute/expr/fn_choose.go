package expr

// prepNullIf is NULLIF(a, b): NULL where a = b, compared in b's type, else a.
func prepNullIf(p *prep) (kernel, error) {
	var conv kernel
	if !sameForm(p.args[0], p.args[1]) {
		var err error
		if conv, err = castKernel(p.args[0], p.args[1]); err != nil {
			return nil, err
		}
	}
	return func(c *call) (vec, error) {
		value := c.args[0]
		pair := call{env: c.env, n: c.n, args: []vec{value, c.args[1]}}
		pair.live = liveRows(c.live, pair.args, c.n)
		if conv != nil {
			v, err := conv(&call{env: c.env, n: c.n, args: pair.args[:1], live: pair.live})
			if err != nil {
				return vec{}, err
			}
			pair.args = []vec{v, c.args[1]}
		}
		eq, err := compareVecs(&pair, relEQ)
		if err != nil {
			return vec{}, err
		}
		pick := make([]int32, c.n)
		for i, same := range eq.data.([]bool) {
			if same && pair.isLive(i) {
				pick[i] = -1
			}
		}
		return choose(p.ret, pick, []vec{value})
	}, nil
}

// prepExtreme is GREATEST or LEAST; NULL if an argument is NULL.
func prepExtreme(p *prep) (kernel, error) {
	rel := relGT
	if p.fn == "LEAST" {
		rel = relLT
	}
	return func(c *call) (vec, error) {
		best := c.args[0]
		for _, a := range c.args[1:] {
			better, err := compareVecs(&call{env: c.env, n: c.n, args: []vec{a, best}}, rel)
			if err != nil {
				return vec{}, err
			}
			pick := make([]int32, c.n)
			for i, b := range better.data.([]bool) {
				if b {
					pick[i] = 1
				}
			}
			if best, err = choose(p.ret, pick, []vec{best, a}); err != nil {
				return vec{}, err
			}
		}
		return vec{data: best.data, valid: c.live, konst: best.konst}, nil
	}, nil
}
