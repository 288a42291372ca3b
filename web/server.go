package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/web/api"
	"github.com/weir-lake/weir/web/auth"
	"github.com/weir-lake/weir/web/console"
)

// Options of New. API and Tokens are needed.
type Options struct {
	API    *api.API
	Tokens *auth.Store
	// Metrics is served at /metrics and gets the server's own. Nil: a new one.
	Metrics *prometheus.Registry
	// Console serves the console at / and below its views.
	Console bool
	// RatePerSec and RateBurst limit the requests of one token, and those without a valid one of one address.
	// Zero means 1,000 a second in bursts of 2,000; a negative rate none.
	RatePerSec float64
	RateBurst  int
	Logger     *slog.Logger
}

const (
	ratePerSecDefault = 1000
	rateBurstDefault  = 2000
	// headerTimeout bounds how long a request's header may take to arrive: slow clients must not hold connections.
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	headerMax     = 64 << 10
)

// methods are those that routes take.
var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// Server answers HTTP. Make one, Serve once, Stop.
type Server struct {
	opts    Options
	console *console.Console // nil: not served
	handler http.Handler
	http    *http.Server
	stopped chan struct{}
}

// New builds the routes. It opens nothing.
func New(o Options) (*Server, error) {
	if o.API == nil || o.Tokens == nil {
		return nil, errkind.New(errkind.Bug, "web: an API and a token store are needed")
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	if o.RatePerSec == 0 {
		o.RatePerSec = ratePerSecDefault
	}
	if o.RateBurst == 0 {
		o.RateBurst = rateBurstDefault
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{opts: o, stopped: make(chan struct{})}
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	if o.Console {
		if s.console, err = console.New(); err != nil {
			return nil, err
		}
	}
	limits := newLimiter(o.RatePerSec, o.RateBurst)
	r := chi.NewMux()
	r.Use(s.recover, secure, m.measure, s.authenticate(limits))
	r.NotFound(func(w http.ResponseWriter, q *http.Request) {
		api.WriteProblem(w, errkind.Errorf(errkind.NotFound, "there is no %s", q.URL.Path))
	})
	r.MethodNotAllowed(func(w http.ResponseWriter, q *http.Request) {
		for _, method := range methods {
			if r.Match(chi.NewRouteContext(), method, q.URL.Path) {
				w.Header().Add("Allow", method)
			}
		}
		api.WriteProblem(w, &api.Problem{Type: "about:blank", Title: http.StatusText(http.StatusMethodNotAllowed), Status: http.StatusMethodNotAllowed,
			Kind: errkind.Invalid.String(), Detail: fmt.Sprintf("%s does not take %s; the header Allow says what it takes", q.URL.Path, q.Method)})
	})
	o.API.Mount(r)
	r.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{}))
	if s.console != nil {
		s.console.Mount(r)
	}
	s.handler = r
	s.http = &http.Server{Handler: r, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerMax,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug)}
	return s, nil
}

// Handler is the server without its listener.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve answers on the listener until Stop.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		<-s.stopped
		return nil
	}
	return fmt.Errorf("serve %s: %w", l.Addr(), err)
}

// Stop takes no more requests, ends event streams, and waits for the rest until ctx ends; then it cuts them
// off. Call it once.
func (s *Server) Stop(ctx context.Context) error {
	defer close(s.stopped)
	s.opts.API.Close()
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("stop the HTTP server: %w", err), s.http.Close())
	}
	return nil
}

// recover turns a panic of a handler into a problem; the service goes on.
func (s *Server) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v) // a handler broke the connection on purpose
			}
			s.opts.Logger.Error("request_panic", "method", r.Method, "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
			api.WriteProblem(w, errkind.New(errkind.Bug, "internal error; the service's log has more"))
		}()
		next.ServeHTTP(w, r)
	})
}

// secure sets the headers that keep browsers from guessing and framing.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

// open reports what is answered without a token.
func (s *Server) open(r *http.Request) bool {
	switch r.URL.Path {
	case "/healthz", "/readyz", "/openapi.json", "/openapi.yaml":
		return true
	case "/v1/login":
		return r.Method == http.MethodPost
	}
	return s.console != nil && s.console.Serves(r.URL.Path)
}

// authenticate lets requests with a valid token pass, and counts everybody's.
func (s *Server) authenticate(limits *limiter) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			host, _, err := net.SplitHostPort(r.RemoteAddr)
			if err != nil {
				host = r.RemoteAddr
			}
			r = r.WithContext(auth.WithRemote(r.Context(), host))
			if s.open(r) {
				if !limits.allow("addr " + host) {
					api.WriteProblem(w, errRate)
					return
				}
				next.ServeHTTP(w, r)
				return
			}
			t, err := s.opts.Tokens.Check(r.Context(), bearer(r))
			if err != nil {
				if !limits.allow("addr " + host) {
					err = errRate
				}
				s.refuse(w, err)
				return
			}
			if !limits.allow("token " + t.ID) {
				api.WriteProblem(w, errRate)
				return
			}
			next.ServeHTTP(w, r.WithContext(auth.WithToken(r.Context(), t)))
		})
	}
}

// refuse answers a request without a valid token: 401 asks for one.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	if errors.Is(err, auth.ErrDenied) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="weir"`)
	}
	api.WriteProblem(w, err)
}

// bearer is the token of the request. The scheme's name does not tell case apart.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
