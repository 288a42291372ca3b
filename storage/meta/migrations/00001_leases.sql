-- +goose Up
CREATE TABLE weir_lease (
    name       TEXT   NOT NULL PRIMARY KEY, -- what is leased
    owner      TEXT   NOT NULL,             -- who has it, or had it last
    term       BIGINT NOT NULL,             -- goes up with every Acquire
    expires_ms BIGINT NOT NULL              -- 0 once released
);

-- +goose Down
DROP TABLE weir_lease;
