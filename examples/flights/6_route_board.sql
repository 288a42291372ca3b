-- The ten routes of each UTC day on which most minutes were lost: a top-N that changes
-- with every arrival.

CREATE MATERIALIZED TABLE IF NOT EXISTS route_board (
  dt STRING, place BIGINT, origin STRING, dest STRING, flights BIGINT, minutes_late INT,
  PRIMARY KEY (dt, place) NOT ENFORCED
)
WITH ('bucket' = '1')
FRESHNESS = INTERVAL '1' SECOND
AS
SELECT dt, place, origin, dest, flights, minutes_late
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY dt ORDER BY minutes_late DESC, origin, dest) AS place
  FROM (
    SELECT DATE_FORMAT(scheduled, 'yyyy-MM-dd') AS dt, origin, dest, COUNT(*) AS flights, SUM(arr_delay) AS minutes_late
    FROM flights
    WHERE arr_delay IS NOT NULL
    GROUP BY DATE_FORMAT(scheduled, 'yyyy-MM-dd'), origin, dest
  )
)
WHERE place <= 10;
