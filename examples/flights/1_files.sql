-- The year 2013 as files: every flight that left New York City, the airports, airlines,
-- aircraft and the hourly weather (nycflights13, CC0). They are read where they lie.
-- All times are UTC.

CREATE TABLE IF NOT EXISTS flights_file (
  time_hour TIMESTAMP(3),  -- the scheduled departure, cut to the hour
  `minute`  INT,           -- and its minute
  carrier   STRING,
  flight    INT,
  tailnum   STRING,
  origin    STRING,
  dest      STRING,
  distance  INT,           -- miles
  dep_delay INT,           -- minutes; NULL: never departed
  arr_time  INT,           -- hhmm on the clock at the destination, 2400 is midnight; NULL: never arrived
  arr_delay INT,           -- minutes
  air_time  INT            -- minutes
) WITH ('connector' = 'filesystem', 'path' = 'examples/flights/data/flights.parquet', 'format' = 'parquet');

CREATE TABLE IF NOT EXISTS airports_file (
  faa STRING, name STRING, lat DOUBLE, lon DOUBLE, alt INT, tzone STRING
) WITH ('connector' = 'filesystem', 'path' = 'examples/flights/data/airports.parquet', 'format' = 'parquet');

CREATE TABLE IF NOT EXISTS airlines_file (
  carrier STRING, name STRING
) WITH ('connector' = 'filesystem', 'path' = 'examples/flights/data/airlines.parquet', 'format' = 'parquet');

CREATE TABLE IF NOT EXISTS planes_file (
  tailnum STRING, `year` INT, type STRING, manufacturer STRING, model STRING, engines INT, seats INT, engine STRING
) WITH ('connector' = 'filesystem', 'path' = 'examples/flights/data/planes.parquet', 'format' = 'parquet');

CREATE TABLE IF NOT EXISTS weather_file (
  origin STRING, time_hour TIMESTAMP(3), temp DOUBLE, humid DOUBLE, wind_dir INT, wind_speed DOUBLE, precip DOUBLE, visib DOUBLE
) WITH ('connector' = 'filesystem', 'path' = 'examples/flights/data/weather.parquet', 'format' = 'parquet');
