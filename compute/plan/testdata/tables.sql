CREATE TABLE flights (
  time_hour TIMESTAMP(3) NOT NULL, carrier STRING NOT NULL, flight INT NOT NULL,
  origin STRING, dest STRING, dep_delay DOUBLE, arr_delay DOUBLE, distance BIGINT, price DECIMAL(10, 2), cancelled BOOLEAN,
  day_ STRING,
  PRIMARY KEY (time_hour, carrier, flight) NOT ENFORCED
);
CREATE TABLE airlines (carrier STRING, name STRING, PRIMARY KEY (carrier) NOT ENFORCED);
CREATE TABLE weather (origin STRING, time_hour TIMESTAMP(3), temp DOUBLE, wind DOUBLE);
CREATE TABLE events (
  id BIGINT, kind STRING, ts TIMESTAMP(3), ltz TIMESTAMP_LTZ(3), tags ARRAY<STRING>, props MAP<STRING, INT>, r ROW<x INT, y ROW<z STRING>>,
  lines ARRAY<ROW<sku STRING, n INT>>, amount AS id * 2, proc AS PROCTIME(), part INT METADATA FROM 'partition' VIRTUAL,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'e', 'format' = 'json');
CREATE TABLE target (
  k INT NOT NULL, s STRING DEFAULT 'none', d DECIMAL(12, 3), ts TIMESTAMP(3), n SMALLINT, big BIGINT, PRIMARY KEY (k) NOT ENFORCED
);
CREATE TABLE parted (a INT, b STRING, dt STRING, h INT) PARTITIONED BY (dt, h);
CREATE TABLE a (x INT NOT NULL, y INT, s STRING);
CREATE TABLE b (x INT NOT NULL, z BIGINT, s STRING);
CREATE TABLE c (x INT, w DATE);
CREATE VIEW late AS SELECT carrier, flight, dep_delay FROM flights WHERE dep_delay > 60;
CREATE VIEW named (p, q) AS SELECT x, y FROM a
