-- The reference in plain DuckDB (with its icu extension), written apart from the streaming
-- SQL. Run this once per database, after
--   SET TimeZone = 'UTC';
--   SET VARIABLE data = 'examples/flights/data';
-- It makes the table `history`: each flight with its three instants. The five SELECTs beside
-- it then answer for the cut
--   SET VARIABLE until = TIMESTAMP '2013-07-01 00:00:00';
-- from what happened before it; NULL means the whole year.

-- The offsets from UTC that each time zone had at some hour of the year or the days after it.
CREATE OR REPLACE TEMP TABLE zone_offset AS
SELECT DISTINCT tzone, (h AT TIME ZONE 'UTC' AT TIME ZONE tzone) - h AS utc_offset
FROM (SELECT DISTINCT tzone FROM read_parquet(getvariable('data') || '/airports.parquet')
      WHERE faa IN (SELECT dest FROM read_parquet(getvariable('data') || '/flights.parquet'))),
     range(TIMESTAMP '2013-01-01', TIMESTAMP '2014-01-08', INTERVAL 1 HOUR) AS hours(h);

CREATE OR REPLACE TEMP TABLE departure AS
SELECT f.time_hour::TIMESTAMP AS time_hour, f.carrier, f.flight, f.origin, f.dest, f.tailnum, f.distance,
       f.dep_delay, f.arr_delay, f.air_time,
       f.time_hour::TIMESTAMP + to_minutes(f.minute) AS scheduled,
       f.time_hour::TIMESTAMP + to_minutes(f.minute + f.dep_delay) AS departed,
       to_minutes((f.arr_time // 100) * 60 + f.arr_time % 100) AS shown, -- 2400 is 24 hours: the same instants
       a.tzone
FROM read_parquet(getvariable('data') || '/flights.parquet') AS f
LEFT JOIN read_parquet(getvariable('data') || '/airports.parquet') AS a ON a.faa = f.dest;

-- Every instant from the day of the departure to two days after it at which a clock with one
-- of the zone's offsets shows the time; the first one that is later than the departure and at
-- which the zone has that offset is the arrival.
CREATE OR REPLACE TEMP TABLE arrival AS
SELECT time_hour, carrier, flight, min(instant) AS arrived
FROM (
  SELECT d.*, coalesce(z.utc_offset, INTERVAL '-4' HOUR) AS utc_offset,
         date_trunc('day', departed) + to_days(k::INTEGER) + shown - coalesce(z.utc_offset, INTERVAL '-4' HOUR) AS instant
  FROM departure AS d
  LEFT JOIN zone_offset AS z USING (tzone)
  CROSS JOIN range(-2, 4) AS days(k)
  WHERE departed IS NOT NULL AND shown IS NOT NULL
)
WHERE instant > departed
  AND (tzone IS NULL OR (instant AT TIME ZONE 'UTC' AT TIME ZONE tzone) - instant = utc_offset)
GROUP BY ALL;

CREATE OR REPLACE TABLE history AS
SELECT d.*, a.arrived FROM departure AS d LEFT JOIN arrival AS a USING (time_hour, carrier, flight);

-- What is known of each flight at the cut.
CREATE OR REPLACE MACRO happened(t) AS t IS NOT NULL AND (getvariable('until') IS NULL OR t < getvariable('until')::TIMESTAMP);

CREATE OR REPLACE VIEW known AS
SELECT time_hour, carrier, flight,
       greatest(scheduled - INTERVAL 24 HOUR,
                CASE WHEN happened(departed) THEN departed END,
                CASE WHEN happened(arrived) THEN arrived END) AS event_time,
       scheduled, origin, dest, tailnum, distance,
       CASE WHEN happened(departed) THEN departed END AS departed,
       CASE WHEN happened(departed) THEN dep_delay END AS dep_delay,
       CASE WHEN happened(arrived) THEN arrived END AS arrived,
       CASE WHEN happened(arrived) THEN arr_delay END AS arr_delay,
       CASE WHEN happened(arrived) THEN air_time END AS air_time
FROM history
WHERE happened(scheduled - INTERVAL 24 HOUR);
