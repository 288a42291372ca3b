-- Each flight with the weather at its origin in the hour of its scheduled departure. Hours
-- without a report, and flights not yet known, keep their flight: an outer join.

CREATE MATERIALIZED TABLE IF NOT EXISTS flights_weather (
  time_hour TIMESTAMP(3), carrier STRING, flight INT, origin STRING, dest STRING,
  departed TIMESTAMP(3), dep_delay INT, arrived TIMESTAMP(3), arr_delay INT,
  temp DOUBLE, humid DOUBLE, wind_speed DOUBLE, precip DOUBLE, visib DOUBLE,
  PRIMARY KEY (time_hour, carrier, flight) NOT ENFORCED
)
WITH ('bucket' = '2')
FRESHNESS = INTERVAL '1' SECOND
AS
SELECT f.time_hour, f.carrier, f.flight, f.origin, f.dest, f.departed, f.dep_delay, f.arrived, f.arr_delay,
       w.temp, w.humid, w.wind_speed, w.precip, w.visib
FROM flights AS f
LEFT JOIN weather AS w ON w.origin = f.origin AND w.time_hour = f.time_hour;
