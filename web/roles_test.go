//go:build duckdb_arrow

package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/olap"
	"github.com/weir-lake/weir/web/api"
	"github.com/weir-lake/weir/web/audit"
	"github.com/weir-lake/weir/web/auth"
)

// tokenOf makes a token of a role.
func (s *service) tokenOf(t *testing.T, g auth.Grant) (secret, id string) {
	t.Helper()
	secret, tok, err := s.tokens.Create(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	return secret, tok.ID
}

// status sends a request and gives the status of its answer, without waiting for the end of one that has none.
func (s *service) status(t *testing.T, method, path, token, body string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// Every operation answers each role as its contract declares: 403 below the least role, 401 to whom nobody knows,
// and neither to those who may. Names are made up and bodies empty, so that nothing is done.
func TestEveryRouteAndRole(t *testing.T) {
	s := start(t, config{})
	tokens := map[auth.Role]string{}
	for _, r := range auth.Roles() {
		tokens[r], _ = s.tokenOf(t, auth.Grant{Name: string(r), Role: r})
	}
	expired, _ := s.tokenOf(t, auth.Grant{Name: "expired", Role: auth.Admin, Expires: time.Millisecond})
	revoked, id := s.tokenOf(t, auth.Grant{Name: "revoked", Role: auth.Admin})
	if err := s.tokens.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	data, err := api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Role auth.Role `json:"x-weir-role"`
		}
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("{db}", "default", "{table}", "nosuch", "{id}", "nosuch", "{name}", "nosuch")
	counts := map[auth.Role]int{}
	for pattern, ops := range doc.Paths {
		for method, op := range ops {
			counts[op.Role]++
			path, method := fill.Replace(pattern), strings.ToUpper(method)
			if strings.Contains(path, "{") {
				t.Errorf("%s: the test fills in no such parameter", path)
				continue
			}
			for _, unknown := range []string{"", "weir_wrong", expired, revoked} {
				if got := s.status(t, method, path, unknown, ""); (got == http.StatusUnauthorized) != (op.Role != "none") {
					t.Errorf("%s %s with token %.10q: %d", method, pattern, unknown, got)
				}
			}
			for _, r := range auth.Roles() {
				got := s.status(t, method, path, tokens[r], "")
				switch denied := got == http.StatusForbidden; {
				case op.Role == "none":
					if got == http.StatusUnauthorized || denied {
						t.Errorf("%s %s: %d", method, pattern, got)
					}
				case denied == r.Includes(op.Role), got == http.StatusUnauthorized:
					t.Errorf("%s %s asks for %s and answers a %s %d", method, pattern, op.Role, r, got)
				case got >= 500 && got != http.StatusServiceUnavailable:
					t.Errorf("%s %s: %d", method, pattern, got)
				}
			}
		}
	}
	for _, r := range append(auth.Roles(), "none") {
		if counts[r] == 0 {
			t.Errorf("no operation asks for %s: %v", r, counts)
		}
	}
	if len(counts) != len(auth.Roles())+1 {
		t.Errorf("operations by role: %v", counts)
	}
}

// What a statement does counts, not the route.
func TestStatementsAndRoles(t *testing.T) {
	s := start(t, config{})
	s.query(t, ordersDDL)
	s.gen(t, "gen", 3)
	s.query(t, "CREATE TABLE copy (id BIGINT)")
	for _, c := range []struct {
		least auth.Role
		sql   string
		vars  object
	}{
		{auth.Reader, "SELECT 1", nil},
		{auth.Reader, "SHOW TABLES", nil},
		{auth.Reader, "DESCRIBE orders", nil},
		{auth.Reader, "EXPLAIN SELECT * FROM orders", nil},
		{auth.Reader, "EXPLAIN INSERT INTO orders SELECT * FROM orders", nil},
		{auth.Reader, "SET 'weir.consistency' = 'latest'", nil},
		{auth.Reader, "USE sys", nil},
		{auth.Reader, "SELECT * FROM gen /*+ OPTIONS('scan.mode' = 'x') */", object{"execution.runtime-mode": "batch"}},
		{auth.Operator, "SELECT * FROM gen /*+ OPTIONS('number-of-rows' = '7') */", object{"execution.runtime-mode": "batch"}},
		{auth.Writer, "INSERT INTO orders VALUES (1, 'a', 1)", nil},
		{auth.Writer, "INSERT OVERWRITE orders VALUES (1, 'a', 1)", nil},
		{auth.Operator, "INSERT INTO copy SELECT id FROM gen", object{"execution.runtime-mode": "streaming"}},
		{auth.Operator, "CREATE TABLE IF NOT EXISTS orders (id BIGINT)", nil},
		{auth.Operator, "CREATE TEMPORARY VIEW v AS SELECT 1", nil},
		{auth.Operator, "DROP TABLE IF EXISTS nothing", nil},
		{auth.Operator, "ALTER TABLE orders SET ('x' = '1')", nil},
		{auth.Operator, "CREATE DATABASE IF NOT EXISTS other", nil},
		{auth.Operator, "CALL sys.nothing()", nil},
		{auth.Operator, "STOP JOB 'nothing'", nil},
	} {
		for _, r := range auth.Roles() {
			secret, _ := s.tokenOf(t, auth.Grant{Name: "t", Role: r})
			a := s.post(t, "/v1/query", object{"sql": c.sql, "variables": c.vars}, "Authorization", "Bearer "+secret)
			if denied := a.StatusCode == http.StatusForbidden; denied == r.Includes(c.least) || a.StatusCode >= 500 {
				t.Errorf("%s as %s: %d %s", c.sql, r, a.StatusCode, a.body)
			}
		}
	}
}

func TestOwnQueries(t *testing.T) {
	s := start(t, config{})
	ann, _ := s.tokenOf(t, auth.Grant{Name: "ann", Role: auth.Reader})
	bob, _ := s.tokenOf(t, auth.Grant{Name: "bob", Role: auth.Writer})
	var r rows
	s.post(t, "/v1/query", object{"sql": "SELECT 1 AS x FROM (VALUES (1)) AS t (y)"}, "Authorization", "Bearer "+ann).want(t, http.StatusOK, &r)
	if r.Engine != "duckdb" || r.Class != "stateless" {
		t.Errorf("%+v", r)
	}
	path := "/v1/queries/" + r.Stats.QueryID
	for token, want := range map[string]int{ann: http.StatusOK, bob: http.StatusNotFound, s.token: http.StatusOK} {
		if got := s.status(t, http.MethodGet, path, token, ""); got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
	seen := func(token, query string) int {
		var all items[olap.Info]
		s.do(t, http.MethodGet, "/v1/queries"+query, "", "", "Authorization", "Bearer "+token).want(t, http.StatusOK, &all)
		return len(all.Items)
	}
	if a, b, both := seen(ann, ""), seen(bob, ""), seen(s.token, "?user=ann&state=done&search=values"); a != 1 || b != 0 || both != 1 {
		t.Errorf("%d %d %d", a, b, both)
	}
	if n := seen(ann, "?user=bob"); n != 0 {
		t.Errorf("another's: %d", n)
	}
}

func TestAudit(t *testing.T) {
	s := start(t, config{})
	s.query(t, ordersDDL)
	s.post(t, rowsPath, []object{{"id": 1}}).want(t, http.StatusOK, nil)
	reader, _ := s.tokenOf(t, auth.Grant{Name: "ann", Role: auth.Reader})
	s.post(t, "/v1/query", object{"sql": "DROP TABLE orders"}, "Authorization", "Bearer "+reader).want(t, http.StatusForbidden, nil)
	s.post(t, "/v1/tokens", object{"name": "x"}, "Authorization", "Bearer "+reader).want(t, http.StatusForbidden, nil)
	s.post(t, "/v1/query", object{"sql": "SELECT nope"}).want(t, http.StatusBadRequest, nil)
	s.post(t, "/v1/login", object{"name": "eve", "password": "wrong horses"}, "Authorization", "").want(t, http.StatusUnauthorized, nil)
	s.get(t, "/v1/databases", nil) // changes nothing
	var all items[audit.Entry]
	s.get(t, "/v1/audit", &all)
	var got []string
	for _, e := range slices.Backward(all.Items) {
		if e.Remote != "127.0.0.1" || e.At.IsZero() || e.Method != http.MethodPost {
			t.Errorf("%+v", e)
		}
		got = append(got, fmt.Sprintf("%s %s %s %d %.10s", e.User, e.Operation, e.Outcome, e.Status, strings.TrimSpace(e.Statement)))
	}
	want := []string{"first query ok 200 CREATE TAB", "first push-rows ok 200 ", "ann query denied 403 DROP TABLE", "ann create-token denied 403 ",
		"first query refused 400 SELECT nop", "eve login denied 401 "}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if s.get(t, "/v1/audit?outcome=denied&user=ann&search=drop", &all); len(all.Items) != 1 {
		t.Errorf("%+v", all.Items)
	}
}

func TestLogin(t *testing.T) {
	s := start(t, config{})
	var u auth.Account
	s.post(t, "/v1/users", object{"name": "ann", "password": "correct horse", "role": "writer"}).want(t, http.StatusCreated, &u)
	s.problem(t, s.post(t, "/v1/users", object{"name": "ann", "password": "correct horse"}), http.StatusConflict)
	var in api.LoginAnswer
	s.post(t, "/v1/login", object{"name": "ann", "password": "correct horse"}, "Authorization", "").want(t, http.StatusOK, &in)
	mine := []string{"Authorization", "Bearer " + in.Secret}
	var me api.Me
	s.do(t, http.MethodGet, "/v1/me", "", "", mine...).want(t, http.StatusOK, &me)
	if me.Name != "ann" || me.Role != auth.Writer || !me.User || me.Expires == nil || time.Until(*me.Expires) > auth.SessionTTL {
		t.Errorf("%+v", me)
	}
	s.do(t, http.MethodPut, "/v1/me/password", "application/json", `{"old": "correct horse", "password": "battery staple"}`, mine...).want(t, http.StatusNoContent, nil)
	s.problem(t, s.do(t, http.MethodGet, "/v1/me", "", "", mine...), http.StatusUnauthorized)
	s.post(t, "/v1/login", object{"name": "ann", "password": "battery staple"}, "Authorization", "").want(t, http.StatusOK, &in)
	mine[1] = "Bearer " + in.Secret
	s.do(t, http.MethodPost, "/v1/logout", "", "", mine...).want(t, http.StatusNoContent, nil)
	s.problem(t, s.do(t, http.MethodPost, "/v1/logout", "", "", mine...), http.StatusUnauthorized)
	s.problem(t, s.do(t, http.MethodPost, "/v1/logout", "", ""), http.StatusBadRequest) // a plain token
	s.do(t, http.MethodPut, "/v1/users/ann/role", "application/json", `{"role": "reader"}`).want(t, http.StatusNoContent, nil)
	s.do(t, http.MethodPut, "/v1/users/ann/password", "application/json", `{"password": "third one's"}`).want(t, http.StatusNoContent, nil)
	var all items[auth.Account]
	if s.get(t, "/v1/users", &all); len(all.Items) != 1 || all.Items[0].Role != auth.Reader {
		t.Errorf("%+v", all)
	}
	s.do(t, http.MethodDelete, "/v1/users/ann", "", "").want(t, http.StatusNoContent, nil)
	s.problem(t, s.do(t, http.MethodDelete, "/v1/users/ann", "", ""), http.StatusNotFound)
	var made api.CreatedToken
	s.post(t, "/v1/tokens", object{"name": "short", "role": "operator", "expires": "1h"}).want(t, http.StatusCreated, &made)
	if made.Role != auth.Operator || made.Expires == nil {
		t.Errorf("%+v", made)
	}
	s.problem(t, s.post(t, "/v1/tokens", object{"name": "x", "expires": "soon"}), http.StatusBadRequest)
	last := 0
	for range 12 {
		last = s.post(t, "/v1/login", object{"name": "ann", "password": "x"}, "Authorization", "").StatusCode
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("guessing is answered %d", last)
	}
}
