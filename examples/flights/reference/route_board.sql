WITH lost AS (
  SELECT scheduled::DATE AS d, origin, dest, count(arr_delay) AS flights, sum(arr_delay) AS minutes_late
  FROM known GROUP BY ALL HAVING count(arr_delay) > 0
)
SELECT d::VARCHAR AS dt, rank() OVER day AS place, origin, dest, flights, minutes_late
FROM lost
WINDOW day AS (PARTITION BY d ORDER BY minutes_late DESC, origin, dest)
QUALIFY rank() OVER day < 11
ORDER BY ALL;
