WITH weather AS (SELECT *, time_hour::TIMESTAMP AS reported FROM read_parquet(getvariable('data') || '/weather.parquet'))
SELECT known.time_hour, carrier, flight, known.origin, dest, departed, dep_delay, arrived, arr_delay,
       temp, humid, wind_speed, precip, visib
FROM weather RIGHT JOIN known ON reported = known.time_hour AND weather.origin = known.origin
ORDER BY ALL;
