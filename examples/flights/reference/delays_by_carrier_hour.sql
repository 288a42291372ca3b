SELECT strftime(scheduled, '%Y-%m-%d') AS dt, date_trunc('hour', scheduled) AS window_start, carrier,
       count(*) AS flights, count(departed) AS departed, count(arrived) AS arrived,
       sum(dep_delay) / count(dep_delay) AS avg_delay, max(dep_delay) AS dep_delay_max,
       sum(arr_delay) / count(arr_delay) AS arr_delay_avg,
       count(CASE WHEN arr_delay > 15 THEN 1 END) AS late
FROM known
GROUP BY ALL
ORDER BY ALL;
