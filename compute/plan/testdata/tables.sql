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
;
CREATE TABLE nexmark (
  event_type INT,
  person ROW<id BIGINT, name STRING, emailAddress STRING, creditCard STRING, city STRING, state STRING, `dateTime` TIMESTAMP(3), extra STRING>,
  auction ROW<id BIGINT, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT, `dateTime` TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra STRING>,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, `dateTime` TIMESTAMP(3), extra STRING>,
  `dateTime` AS CASE WHEN event_type = 0 THEN person.`dateTime` WHEN event_type = 1 THEN auction.`dateTime` ELSE bid.`dateTime` END,
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'datagen');
CREATE VIEW person AS SELECT person.id, person.name, person.emailAddress, person.creditCard, person.city, person.state, `dateTime`, person.extra FROM nexmark WHERE event_type = 0;
CREATE VIEW auction AS SELECT auction.id, auction.itemName, auction.description, auction.initialBid, auction.reserve, `dateTime`, auction.expires, auction.seller, auction.category, auction.extra FROM nexmark WHERE event_type = 1;
CREATE VIEW bid AS SELECT bid.auction, bid.bidder, bid.price, bid.channel, bid.url, `dateTime`, bid.extra FROM nexmark WHERE event_type = 2
