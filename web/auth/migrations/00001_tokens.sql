-- +goose Up
CREATE TABLE weir_auth_token (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    hash       TEXT   NOT NULL UNIQUE,
    created_ms BIGINT NOT NULL
);
