-- +goose Up
CREATE TABLE weir_query_history (
    id         TEXT   NOT NULL PRIMARY KEY,
    user_name  TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    queued_ms  BIGINT NOT NULL,
    started_ms BIGINT,
    ended_ms   BIGINT NOT NULL,
    row_count  BIGINT NOT NULL,
    byte_count BIGINT NOT NULL,
    engine     TEXT   NOT NULL,
    class      TEXT   NOT NULL,
    error      TEXT   NOT NULL,
    cut        TEXT   NOT NULL,
    sql_text   TEXT   NOT NULL
);
CREATE INDEX weir_query_history_ended ON weir_query_history (ended_ms);
