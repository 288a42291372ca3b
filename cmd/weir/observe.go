package main

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/olap"
)

// newLogger writes JSON lines: warnings and errors, with verbose everything.
func newLogger(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}

// queryMetrics counts queries as they end.
type queryMetrics struct {
	ended   *prometheus.CounterVec
	rows    prometheus.Counter
	seconds prometheus.Histogram
}

func newQueryMetrics(reg prometheus.Registerer) (*queryMetrics, error) {
	m := &queryMetrics{
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weir_queries_total", Help: "Queries that ended."}, []string{"state"}),
		rows:  prometheus.NewCounter(prometheus.CounterOpts{Name: "weir_query_rows_total", Help: "Rows that queries returned."}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "weir_query_seconds", Help: "Time from a query's arrival to its last row.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60, 600}}),
	}
	for _, c := range []prometheus.Collector{m.ended, m.rows, m.seconds} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register query metrics: %w", err)
		}
	}
	return m, nil
}

func (m *queryMetrics) end(q olap.Info) {
	m.ended.WithLabelValues(string(q.State)).Inc()
	m.rows.Add(float64(q.Rows))
	if q.Ended != nil {
		m.seconds.Observe(q.Ended.Sub(q.QueuedAt).Seconds())
	}
}

// jobMetrics reads the jobs' figures when it is asked: nothing is counted twice.
type jobMetrics struct {
	jobs                                                            *job.Manager
	now                                                             func() time.Time
	up, in, out, epoch, pending, commit, state, bad, late, restarts *prometheus.Desc
	lag, kept                                                       *prometheus.Desc
	memory, memoryMax, released                                     *prometheus.Desc // of all jobs together
}

func newJobMetrics(jobs *job.Manager, now func() time.Time) *jobMetrics {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("weir_job_"+name, help, append([]string{"job"}, labels...), nil)
	}
	return &jobMetrics{
		jobs: jobs, now: now,
		up:       d("up", "1 while the job runs.", "state"),
		in:       d("rows_in_total", "Rows read since the job's start."),
		out:      d("rows_out_total", "Rows committed since the job's start."),
		epoch:    d("epoch", "The newest epoch completed."),
		pending:  d("pending_epochs", "Epochs with input that are not completed."),
		commit:   d("last_commit_age_seconds", "Time since the last commit."),
		state:    d("state_bytes", "Memory of the job's state."),
		bad:      d("dead_letters_total", "Rows that could not be decoded."),
		late:     d("late_rows_total", "Rows that came after their window's state had gone."),
		restarts: d("restarts_total", "Restarts after failures."),
		lag:      d("lag_seconds", "Time since the oldest epoch was decided that is not completed."),
		kept:     d("inputs_kept_seconds", "How long versions of its inputs have been kept for a job that has not gone on."),

		memory:    prometheus.NewDesc("weir_state_bytes", "Memory of the state of all jobs.", nil, nil),
		memoryMax: prometheus.NewDesc("weir_state_bytes_max", "Limit of the state of all jobs.", nil, nil),
		released:  prometheus.NewDesc("weir_pins_released_total", "Jobs whose inputs are not kept any more because they did not go on.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (m *jobMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.up, m.in, m.out, m.epoch, m.pending, m.commit, m.state, m.bad, m.late, m.restarts, m.lag, m.kept, m.memory, m.memoryMax, m.released} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *jobMetrics) Collect(ch chan<- prometheus.Metric) {
	used, limit := m.jobs.Memory()
	ch <- prometheus.MustNewConstMetric(m.memory, prometheus.GaugeValue, float64(used))
	ch <- prometheus.MustNewConstMetric(m.memoryMax, prometheus.GaugeValue, float64(limit))
	ch <- prometheus.MustNewConstMetric(m.released, prometheus.CounterValue, float64(m.jobs.PinsReleased()))
	seen := map[string]bool{}
	for _, s := range m.jobs.List() {
		if seen[s.Name] {
			continue // a stopped job may share its name with a newer one
		}
		seen[s.Name] = true
		send := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, t, v, append([]string{s.Name}, labels...)...)
		}
		up := 0.0
		if s.State == job.Running {
			up = 1
		}
		send(m.up, prometheus.GaugeValue, up, string(s.State))
		send(m.in, prometheus.CounterValue, float64(s.RowsIn))
		send(m.out, prometheus.CounterValue, float64(s.RowsOut))
		send(m.epoch, prometheus.GaugeValue, float64(s.Epoch))
		send(m.pending, prometheus.GaugeValue, float64(s.Pending))
		send(m.state, prometheus.GaugeValue, float64(s.StateBytes))
		send(m.bad, prometheus.CounterValue, float64(s.DeadLetters))
		send(m.late, prometheus.CounterValue, float64(s.LateRows))
		send(m.restarts, prometheus.CounterValue, float64(s.Restarts))
		send(m.lag, prometheus.GaugeValue, float64(s.LagMs)/1000)
		if s.KeptSince != nil {
			send(m.kept, prometheus.GaugeValue, m.now().Sub(*s.KeptSince).Seconds())
		}
		if s.LastCommit != nil {
			send(m.commit, prometheus.GaugeValue, m.now().Sub(*s.LastCommit).Seconds())
		}
	}
}

// newMetrics is the process's registry.
func newMetrics() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}
