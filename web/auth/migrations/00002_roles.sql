-- +goose Up
ALTER TABLE weir_auth_token ADD COLUMN role TEXT NOT NULL DEFAULT 'admin';
ALTER TABLE weir_auth_token ADD COLUMN user_name TEXT NOT NULL DEFAULT '';
ALTER TABLE weir_auth_token ADD COLUMN session BIGINT NOT NULL DEFAULT 0;
ALTER TABLE weir_auth_token ADD COLUMN expires_ms BIGINT;
ALTER TABLE weir_auth_token ADD COLUMN used_ms BIGINT;
CREATE TABLE weir_auth_user (
    name       TEXT   NOT NULL PRIMARY KEY,
    role       TEXT   NOT NULL,
    hash       TEXT   NOT NULL,
    created_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL
);
