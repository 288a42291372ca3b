package session_test

import (
	"testing"

	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/compute/sql"
)

// Whatever the grammar knows has an action; what nobody thought of asks for the most.
func TestActionOf(t *testing.T) {
	for text, want := range map[string]session.Action{
		"SELECT 1": session.Read, "WITH t AS (SELECT 1) SELECT * FROM t": session.Read, "SHOW TABLES": session.Read, "DESCRIBE t": session.Read,
		"EXPLAIN INSERT INTO t SELECT 1": session.Read, "USE d": session.Read, "SET 'a' = 'b'": session.Read, "RESET": session.Read,
		"INSERT INTO t VALUES (1)": session.Write, "INSERT OVERWRITE t VALUES (1)": session.Write,
		"EXECUTE STATEMENT SET BEGIN INSERT INTO t SELECT 1; END": session.Write,
		"CREATE TABLE t (a INT)":                                  session.Manage, "CREATE VIEW v AS SELECT 1": session.Manage, "CREATE DATABASE d": session.Manage,
		"CREATE MATERIALIZED TABLE m AS SELECT 1": session.Manage, "DROP TABLE t": session.Manage, "ALTER TABLE t SET ('a' = 'b')": session.Manage,
		"CALL sys.p()": session.Manage, "STOP JOB 'j'": session.Manage,
		"UPDATE t SET a = 1": session.Manage, "DELETE FROM t WHERE a = 1": session.Manage, "TRUNCATE TABLE t": session.Manage,
	} {
		st, err := sql.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := session.ActionOf(st); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
