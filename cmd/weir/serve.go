package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
)

// serveGrace is how long a service may take to end.
const serveGrace = 25 * time.Second

// serveFlags are the settings of a service: flags, then the environment, then the default.
type serveFlags struct {
	Warehouse string        `placeholder:"DIR|s3://.." env:"WEIR_WAREHOUSE" help:"Warehouse to serve. An empty folder becomes one."`
	Data      string        `placeholder:"DIR" env:"WEIR_DATA" help:"Folder for metadata, caches, spill and the first token; may be deleted. Default: .local in a local warehouse."`
	Meta      string        `placeholder:"DSN" env:"WEIR_META" help:"PostgreSQL database for metadata instead of SQLite in --data."`
	Listen    string        `default:"${listen}" env:"WEIR_LISTEN" help:"Address to answer at; port 0 takes a free one."`
	Epoch     time.Duration `default:"1s" env:"WEIR_EPOCH" help:"Length of an epoch: how often tables are committed at most."`
	Memory    bytesValue    `default:"1GiB" env:"WEIR_MEMORY" help:"Memory of one query worker."`
	State     bytesValue    `name:"state-memory" placeholder:"SIZE" env:"WEIR_STATE_MEMORY" help:"Memory of all jobs' state. A job that would go over it is stopped. Default: half of the machine's, at most 8GiB."`
	PinAge    time.Duration `default:"168h" env:"WEIR_PIN_AGE" help:"How long a job that does not go on keeps old versions of its inputs."`
	openLineageFlags
}

// serveCmd runs the service.
type serveCmd struct{ serveFlags }

// Validate implements kong's check of a command line.
func (c *serveCmd) Validate() error {
	if c.Warehouse == "" {
		return errors.New("--warehouse: name the folder or s3://bucket/prefix to serve")
	}
	return nil
}

// Run serves until it is told to end, or another process takes the warehouse.
func (c *serveCmd) Run(env *tablecmd.Env, log logTo) error {
	data, err := dataFolder(c.Warehouse, c.Data)
	if err != nil {
		return err
	}
	s, err := openService(env.Ctx, serviceOptions{Warehouse: c.Warehouse, Data: data, MetaDSN: c.Meta, Listen: c.Listen,
		Epoch: c.Epoch, Memory: int64(c.Memory), StateMemory: stateMemory(c.State), PinAge: c.PinAge, Logger: newLogger(log.w, log.verbose),
		OpenLineage: c.options()})
	if err != nil {
		return err
	}
	err = s.start(env.Ctx)
	if err == nil {
		fmt.Fprintf(env.Stdout, "ready %s\n", s.self.URL)
		err = s.wait(env.Ctx)
	}
	return errors.Join(err, s.stop(env.Ctx, serveGrace))
}
