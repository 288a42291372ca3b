package api

import (
	"sync"
	"time"

	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
)

const (
	// sessionsMax bounds the sessions kept between requests; each is some KiB.
	sessionsMax = 1000
	// sessionTTL is how long one is kept unused.
	sessionTTL   = 30 * time.Minute
	sessionIDMax = 64
)

// sessions keeps what clients have SET and their temporary tables between requests that name a session.
type sessions struct {
	now func() time.Time
	mu  struct {
		sync.Mutex
		open map[string]*openSession
	}
}

// openSession is used by one request at a time.
type openSession struct {
	turn sync.Mutex
	sess *session.Session
	used time.Time // guarded by sessions.mu
}

func newSessions(now func() time.Time) *sessions {
	s := &sessions{now: now}
	s.mu.open = map[string]*openSession{}
	return s
}

// take gives the user's session of that id, made if needed, for one request; done gives it back.
func (s *sessions) take(user, id string, make func() *session.Session) (sess *session.Session, done func(), err error) {
	if id == "" {
		return make(), func() {}, nil
	}
	if len(id) > sessionIDMax {
		return nil, nil, errkind.Errorf(errkind.Invalid, "session: an id has at most %d characters", sessionIDMax)
	}
	o, err := s.find(user+"\x00"+id, make)
	if err != nil {
		return nil, nil, err
	}
	if !o.turn.TryLock() {
		return nil, nil, errkind.Errorf(errkind.Conflict, "session %s runs another statement: wait for its answer, or use another session", id)
	}
	return o.sess, o.turn.Unlock, nil
}

func (s *sessions) find(key string, make func() *session.Session) (*openSession, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	o := s.mu.open[key]
	if o == nil {
		for k, old := range s.mu.open {
			if now.Sub(old.used) > sessionTTL {
				delete(s.mu.open, k)
			}
		}
		if len(s.mu.open) >= sessionsMax {
			return nil, errkind.Errorf(errkind.Exhausted, "session: %d sessions are open; they end %s after their last use", sessionsMax, sessionTTL)
		}
		o = &openSession{sess: make()}
		s.mu.open[key] = o
	}
	o.used = now
	return o, nil
}
