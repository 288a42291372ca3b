-- The stream: each flight becomes up to three events, played back in event time.
--
--   scheduled   known 24 hours before the scheduled departure
--   departed    at the scheduled departure plus the delay; a flight without it is cancelled
--   arrived     at the first instant after departure at which the clock at the destination
--               shows arr_time; a departed flight without it was diverted
--
-- A flight is named by (time_hour, carrier, flight): (year, month, day, carrier, flight) is not unique.

CREATE VIEW IF NOT EXISTS flights_as_events AS
WITH timed AS (
  SELECT f.time_hour, f.carrier, f.flight, f.tailnum, f.origin, f.dest, f.distance, f.dep_delay, f.arr_delay, f.air_time,
         TIMESTAMPADD(MINUTE, f.`minute`, f.time_hour) AS scheduled,
         TIMESTAMPADD(MINUTE, f.`minute` + f.dep_delay, f.time_hour) AS departed,
         -- arr_time as minutes after midnight; 2400 is 0
         MOD(f.arr_time / 100, 24) * 60 + MOD(f.arr_time, 100) AS clock,
         -- four airports of the Caribbean are not in the list; they keep UTC-4 all year
         COALESCE(a.tzone, 'Etc/GMT+4') AS tzone
  FROM flights_file AS f LEFT JOIN airports_file AS a ON a.faa = f.dest
),
-- The destination's distance from UTC in minutes, when the flight departs and two days later:
-- they differ if its clocks are changed in between.
offsets AS (
  SELECT *,
         TIMESTAMPDIFF(MINUTE, departed,
           TO_TIMESTAMP(CONVERT_TZ(DATE_FORMAT(departed, 'yyyy-MM-dd HH:mm:ss'), 'UTC', tzone))) AS before,
         TIMESTAMPDIFF(MINUTE, departed + INTERVAL '2' DAY,
           TO_TIMESTAMP(CONVERT_TZ(DATE_FORMAT(departed + INTERVAL '2' DAY, 'yyyy-MM-dd HH:mm:ss'), 'UTC', tzone))) AS after,
         CAST(EXTRACT(HOUR FROM departed) * 60 + EXTRACT(MINUTE FROM departed) AS INT) AS departed_clock
  FROM timed
  WHERE departed IS NOT NULL AND clock IS NOT NULL
),
-- The first instant after departure at which a clock with either offset shows the time.
candidates AS (
  SELECT *,
         TIMESTAMPADD(MINUTE, MOD(clock - departed_clock - before + 2879, 1440) + 1, departed) AS by_before,
         TIMESTAMPADD(MINUTE, MOD(clock - departed_clock - after + 2879, 1440) + 1, departed) AS by_after
  FROM offsets
),
-- Does the clock at the destination show that time then? Only asked when clocks are changed.
-- A time that is skipped in the night of the change is shown on the next day.
arrivals AS (
  SELECT *,
         CASE WHEN before = after THEN by_before
              WHEN before_shown AND (by_before <= by_after OR NOT after_shown) THEN by_before
              WHEN after_shown THEN by_after
              ELSE by_after + INTERVAL '1' DAY
         END AS arrived
  FROM (
    SELECT *,
           CASE WHEN before = after THEN TRUE ELSE before = TIMESTAMPDIFF(MINUTE, by_before,
             TO_TIMESTAMP(CONVERT_TZ(DATE_FORMAT(by_before, 'yyyy-MM-dd HH:mm:ss'), 'UTC', tzone))) END AS before_shown,
           CASE WHEN before = after THEN TRUE ELSE after = TIMESTAMPDIFF(MINUTE, by_after,
             TO_TIMESTAMP(CONVERT_TZ(DATE_FORMAT(by_after, 'yyyy-MM-dd HH:mm:ss'), 'UTC', tzone))) END AS after_shown
    FROM candidates
  )
)
SELECT time_hour, carrier, flight, scheduled - INTERVAL '24' HOUR AS event_time, 'scheduled' AS event, scheduled,
       origin, dest, tailnum, distance,
       CAST(NULL AS TIMESTAMP(3)) AS departed, CAST(NULL AS INT) AS dep_delay,
       CAST(NULL AS TIMESTAMP(3)) AS arrived, CAST(NULL AS INT) AS arr_delay, CAST(NULL AS INT) AS air_time
FROM timed
UNION ALL
SELECT time_hour, carrier, flight, departed, 'departed', scheduled,
       CAST(NULL AS STRING), CAST(NULL AS STRING), CAST(NULL AS STRING), CAST(NULL AS INT),
       departed, dep_delay,
       CAST(NULL AS TIMESTAMP(3)), CAST(NULL AS INT), CAST(NULL AS INT)
FROM timed WHERE departed IS NOT NULL
UNION ALL
SELECT time_hour, carrier, flight, arrived, 'arrived', scheduled,
       CAST(NULL AS STRING), CAST(NULL AS STRING), CAST(NULL AS STRING), CAST(NULL AS INT),
       CAST(NULL AS TIMESTAMP(3)), CAST(NULL AS INT),
       arrived, arr_delay, air_time
FROM arrivals;

-- One event hour a second; `weir quickstart --speed` sets another pace.
CREATE TABLE IF NOT EXISTS flight_replay (
  time_hour TIMESTAMP(3) NOT NULL, carrier STRING NOT NULL, flight INT NOT NULL,
  event_time TIMESTAMP(3), event STRING, scheduled TIMESTAMP(3),
  origin STRING, dest STRING, tailnum STRING, distance INT,
  departed TIMESTAMP(3), dep_delay INT,
  arrived TIMESTAMP(3), arr_delay INT, air_time INT,
  WATERMARK FOR event_time AS event_time
) WITH (
  'connector' = 'filesystem',
  'replay.query' = 'SELECT * FROM flights_as_events',
  'replay.time' = 'event_time',
  'replay.speed' = '3600'
);

-- Where the events land. Other events may be pushed beside them:
-- POST /v1/tables/default/flight_events/rows
CREATE TABLE IF NOT EXISTS flight_events (
  time_hour TIMESTAMP(3) NOT NULL, carrier STRING NOT NULL, flight INT NOT NULL,
  event_time TIMESTAMP(3), event STRING, scheduled TIMESTAMP(3),
  origin STRING, dest STRING, tailnum STRING, distance INT,
  departed TIMESTAMP(3), dep_delay INT,
  arrived TIMESTAMP(3), arr_delay INT, air_time INT,
  WATERMARK FOR event_time AS event_time
);

SET 'pipeline.name' = 'flight_events';
INSERT INTO flight_events SELECT * FROM flight_replay;
