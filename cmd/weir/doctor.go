package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/internal/errkind"
)

// doctorCmd checks what weir needs.
type doctorCmd struct {
	serverFlags
	Warehouse string `placeholder:"DIR|s3://.." env:"WEIR_WAREHOUSE" help:"Warehouse to check as well."`
}

// finding is the result of one check.
type finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// doctorTimeout bounds one check.
const doctorTimeout = 20 * time.Second

// Run implements the command. It fails when a check does.
func (c *doctorCmd) Run(env *tablecmd.Env) error {
	var out []finding
	bad := 0
	check := func(name string, fn func(context.Context) (string, error)) {
		ctx, cancel := context.WithTimeout(env.Ctx, doctorTimeout)
		defer cancel()
		detail, err := fn(ctx)
		if err != nil {
			bad++
			detail = oneLine(err)
		}
		out = append(out, finding{name, err == nil, detail})
	}
	check("query worker", checkWorker)
	if c.Warehouse != "" {
		check("warehouse", func(ctx context.Context) (string, error) {
			return c.Warehouse, checkWarehouse(ctx, c.Warehouse)
		})
	}
	check("service", c.checkService)
	check("jobs", c.checkJobs)
	if env.JSON {
		if err := json.NewEncoder(env.Stdout).Encode(out); err != nil {
			return err
		}
	} else {
		for _, f := range out {
			fmt.Fprintf(env.Stdout, "%-5s %-13s %s\n", map[bool]string{true: "ok", false: "wrong"}[f.OK], f.Check, f.Detail)
		}
	}
	if bad > 0 {
		return errkind.Errorf(errkind.Unavailable, "doctor: %d of %d checks found something wrong: see above", bad, len(out))
	}
	return nil
}

// checkWorker starts a process for queries, as a service does.
func checkWorker(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "weir-doctor-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	pool, err := duck.NewPool(duck.Options{TempDir: dir})
	if err != nil {
		return "", err
	}
	defer pool.Stop()
	return "starts and answers", pool.Start(ctx)
}

func (c *doctorCmd) checkService(ctx context.Context) (string, error) {
	cl, err := c.client()
	if err != nil {
		return "", err
	}
	var h struct{ Status, Version string }
	if _, err := cl.ask(ctx, http.MethodGet, "/readyz", nil, &h); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s is ready, version %s", cl.url, h.Version), nil
}

func (c *doctorCmd) checkJobs(ctx context.Context) (string, error) {
	cl, err := c.client()
	if err != nil {
		return "", err
	}
	var jobs listOf[job.Status]
	if _, err := cl.ask(ctx, http.MethodGet, "/v1/jobs", nil, &jobs); err != nil {
		return "", err
	}
	var wrong []string
	for _, j := range jobs.Items {
		if j.Error != "" || j.State == job.Failed {
			wrong = append(wrong, fmt.Sprintf("%s is %s: %s", j.Name, j.State, j.Error))
		}
	}
	if len(wrong) > 0 {
		return "", errkind.New(errkind.Unavailable, strings.Join(wrong, "; "))
	}
	return fmt.Sprintf("%d, none in trouble", len(jobs.Items)), nil
}
