package web

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts requests by route, not by path: names of tables must not make series.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	running  prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weir_http_requests_total", Help: "Requests answered."}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "weir_http_request_seconds", Help: "Time from a request's header to the end of its answer.",
			Buckets: []float64{.001, .005, .025, .1, .25, .5, 1, 2.5, 10, 60}}, []string{"route"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{Name: "weir_http_requests_running", Help: "Requests being answered."}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.running} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register HTTP metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) measure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		m.running.Inc()
		sw := &statusWriter{ResponseWriter: w}
		defer func() {
			m.running.Dec()
			route := chi.RouteContext(r.Context()).RoutePattern()
			if route == "" {
				route = "none"
			}
			if sw.status == 0 {
				sw.status = http.StatusOK
			}
			m.requests.WithLabelValues(route, knownMethod(r.Method), strconv.Itoa(sw.status)).Inc()
			m.seconds.WithLabelValues(route).Observe(time.Since(begin).Seconds())
		}()
		next.ServeHTTP(sw, r)
	})
}

// knownMethod keeps made-up methods from making series.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodHead, http.MethodPut, http.MethodOptions:
		return m
	}
	return "other"
}

// statusWriter remembers the status. Unwrap lets http.ResponseController reach the connection.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap implements what http.ResponseController looks for.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
