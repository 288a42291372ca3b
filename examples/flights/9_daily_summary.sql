-- One row for each UTC day and airline, two days after the day is over: by then its last
-- flight has landed, or never will. A backfill keeps it: the statement after the table is
-- run at three each night, by the clock of the events, for the days that have become whole.

CREATE TABLE IF NOT EXISTS daily_summary (
  dt STRING, carrier STRING,
  flights BIGINT, cancelled BIGINT, diverted BIGINT,
  dep_delay_avg DOUBLE, arr_delay_avg DOUBLE, late BIGINT,
  PRIMARY KEY (dt, carrier) NOT ENFORCED
)
PARTITIONED BY (dt)
WITH ('bucket' = '1');

CALL sys.create_backfill(
  name     => 'daily_summary',
  cron     => '0 3 * * *',
  clock    => 'watermark:flight_events',
  delay    => '2d',
  catch_up => 'all',
  together => '92',
  start    => '2013-01-01',
  sql      => '
    INSERT OVERWRITE daily_summary
    SELECT DATE_FORMAT(scheduled, ''yyyy-MM-dd'') AS dt, carrier,
           COUNT(*) AS flights,
           COUNT(*) - COUNT(departed) AS cancelled,
           COUNT(departed) - COUNT(arrived) AS diverted,
           AVG(CAST(dep_delay AS DOUBLE)) AS dep_delay_avg,
           AVG(CAST(arr_delay AS DOUBLE)) AS arr_delay_avg,
           COUNT(*) FILTER (WHERE arr_delay > 15) AS late
    FROM flights
    WHERE scheduled >= FLOOR(${start} TO DAY) AND scheduled < FLOOR(${end} TO DAY)
    GROUP BY DATE_FORMAT(scheduled, ''yyyy-MM-dd''), carrier');
