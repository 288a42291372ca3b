package web

import (
	"sync"

	"golang.org/x/time/rate"

	"github.com/weir-lake/weir/internal/errkind"
)

// clientsMax bounds the clients whose rates are remembered.
const clientsMax = 10_000

// errRate: the client sends too many requests.
var errRate = errkind.New(errkind.Exhausted, "too many requests; wait a second")

// limiter bounds the requests of each client.
type limiter struct {
	rate  rate.Limit
	burst int
	mu    struct {
		sync.Mutex
		clients map[string]*rate.Limiter
	}
}

func newLimiter(perSec float64, burst int) *limiter {
	l := &limiter{rate: rate.Limit(perSec), burst: burst}
	l.mu.clients = map[string]*rate.Limiter{}
	return l
}

func (l *limiter) allow(client string) bool {
	if l.rate < 0 {
		return true
	}
	l.mu.Lock()
	c := l.mu.clients[client]
	if c == nil {
		if len(l.mu.clients) >= clientsMax {
			clear(l.mu.clients) // forgets what they used: better than remembering without end
		}
		c = rate.NewLimiter(l.rate, l.burst)
		l.mu.clients[client] = c
	}
	l.mu.Unlock()
	return c.Allow()
}
