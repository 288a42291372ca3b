-- How late is each airline, hour by hour of the scheduled departure? A tumbling window
-- that is corrected as flights depart and arrive.

CREATE MATERIALIZED TABLE IF NOT EXISTS delays_by_carrier_hour (
  dt STRING, window_start TIMESTAMP(3), carrier STRING,
  flights BIGINT, departed BIGINT, arrived BIGINT,
  avg_delay DOUBLE, dep_delay_max INT, arr_delay_avg DOUBLE, late BIGINT,
  PRIMARY KEY (dt, window_start, carrier) NOT ENFORCED
)
PARTITIONED BY (dt)
WITH ('bucket' = '1')
FRESHNESS = INTERVAL '1' SECOND
AS
SELECT DATE_FORMAT(window_start, 'yyyy-MM-dd') AS dt, window_start, carrier,
       COUNT(*) AS flights, COUNT(departed) AS departed, COUNT(arrived) AS arrived,
       AVG(CAST(dep_delay AS DOUBLE)) AS avg_delay, MAX(dep_delay) AS dep_delay_max,
       AVG(CAST(arr_delay AS DOUBLE)) AS arr_delay_avg,
       COUNT(*) FILTER (WHERE arr_delay > 15) AS late
FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(scheduled), INTERVAL '1' HOUR))
GROUP BY window_start, window_end, carrier;
