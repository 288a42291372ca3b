-- +goose Up
CREATE TABLE weir_audit_entry (
    id         BIGINT NOT NULL,
    at_ms      BIGINT NOT NULL,
    user_name  TEXT   NOT NULL,
    token_id   TEXT   NOT NULL,
    role       TEXT   NOT NULL,
    operation  TEXT   NOT NULL,
    method     TEXT   NOT NULL,
    path       TEXT   NOT NULL,
    statement  TEXT   NOT NULL,
    outcome    TEXT   NOT NULL,
    status     BIGINT NOT NULL,
    error      TEXT   NOT NULL,
    ms         DOUBLE PRECISION NOT NULL,
    remote     TEXT   NOT NULL
);
CREATE INDEX weir_audit_entry_id ON weir_audit_entry (id);
