package auth

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// triesBurst and triesEvery bound the tries to log in of one name or address: ten, then one each six seconds.
	triesBurst = 10
	triesEvery = 6 * time.Second
	// triesMax bounds the names and addresses remembered.
	triesMax = 10_000
)

// tries bounds how often passwords can be guessed.
type tries struct {
	mu struct {
		sync.Mutex
		by map[string]*rate.Limiter
	}
}

func newTries() *tries {
	t := &tries{}
	t.mu.by = map[string]*rate.Limiter{}
	return t
}

func (t *tries) allow(who string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.mu.by[who]
	if l == nil {
		if len(t.mu.by) >= triesMax {
			clear(t.mu.by) // forgets what they used: better than remembering without end
		}
		l = rate.NewLimiter(rate.Every(triesEvery), triesBurst)
		t.mu.by[who] = l
	}
	return l.AllowN(now, 1)
}
