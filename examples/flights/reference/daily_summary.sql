SELECT strftime(scheduled, '%Y-%m-%d') AS dt, carrier, count(*) AS flights,
       count(CASE WHEN departed IS NULL THEN 1 END) AS cancelled,
       count(CASE WHEN departed IS NOT NULL AND arrived IS NULL THEN 1 END) AS diverted,
       sum(dep_delay) / count(dep_delay) AS dep_delay_avg, sum(arr_delay) / count(arr_delay) AS arr_delay_avg,
       count(CASE WHEN arr_delay > 15 THEN 1 END) AS late
FROM known, (SELECT max(event_time) AS clock FROM known)
-- three at night after the day, and two days more
WHERE date_trunc('day', scheduled) + INTERVAL 75 HOUR <= clock
GROUP BY ALL
ORDER BY ALL;
