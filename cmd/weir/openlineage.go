package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weir-lake/weir/lineage"
	"github.com/weir-lake/weir/lineage/openlineage"
)

// openLineageGrace bounds the delivery of the last events at a service's end.
const openLineageGrace = 3 * time.Second

// openLineageFlags say whom a service tells of its jobs.
type openLineageFlags struct {
	OpenLineage          string `name:"openlineage" placeholder:"URL|FILE" env:"WEIR_OPENLINEAGE" help:"Send OpenLineage events of the jobs to this address, or append them to this file."`
	OpenLineageKey       string `name:"openlineage-key" placeholder:"KEY" env:"WEIR_OPENLINEAGE_KEY" help:"Key to send with them."`
	OpenLineageNamespace string `name:"openlineage-namespace" default:"weir" placeholder:"NAME" env:"WEIR_OPENLINEAGE_NAMESPACE" help:"Namespace of the jobs in them."`
}

func (f openLineageFlags) options() openlineage.Options {
	return openlineage.Options{Target: f.OpenLineage, Key: f.OpenLineageKey, Namespace: f.OpenLineageNamespace}
}

// newEmitter makes what tells of the jobs; nil when nobody is to be told.
func newEmitter(index *lineage.Index, warehouse string, o openlineage.Options, reg prometheus.Registerer, log *slog.Logger) (*openlineage.Emitter, error) {
	if o.Target == "" {
		return nil, nil
	}
	if !isRemote(warehouse) {
		abs, err := filepath.Abs(strings.TrimPrefix(warehouse, "file://"))
		if err != nil {
			return nil, fmt.Errorf("--openlineage: %w", err)
		}
		warehouse = abs
	}
	o.Warehouse, o.Version, o.Logger = warehouse, version(), log
	e, err := openlineage.New(index, o)
	if err != nil {
		return nil, fmt.Errorf("--openlineage: %w", err)
	}
	return e, reg.Register(emitterMetrics{e, prometheus.NewDesc("weir_openlineage_events_total", "OpenLineage events by what became of them.", []string{"result"}, nil)})
}

// emitterMetrics reads an emitter's counts when it is asked.
type emitterMetrics struct {
	emitter *openlineage.Emitter
	events  *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (m emitterMetrics) Describe(ch chan<- *prometheus.Desc) { ch <- m.events }

// Collect implements prometheus.Collector.
func (m emitterMetrics) Collect(ch chan<- prometheus.Metric) {
	c := m.emitter.Counts()
	for result, n := range map[string]int64{"sent": c.Sent, "dropped": c.Dropped, "retried": c.Retried} {
		ch <- prometheus.MustNewConstMetric(m.events, prometheus.CounterValue, float64(n), result)
	}
}

// stopEmitter delivers the last events, for a moment.
func (s *service) stopEmitter(ctx context.Context) {
	if s.emitter == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, openLineageGrace)
	defer cancel()
	if err := s.emitter.Stop(ctx); err != nil {
		s.opts.Logger.Warn("stop_openlineage", "error", err)
	}
}
