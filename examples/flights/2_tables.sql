-- What does not stream: airports, airlines, aircraft and weather as tables of the warehouse.

CREATE TABLE IF NOT EXISTS airports (
  faa STRING, name STRING, lat DOUBLE, lon DOUBLE, alt INT, tzone STRING,
  PRIMARY KEY (faa) NOT ENFORCED
) WITH ('bucket' = '1');

INSERT INTO airports SELECT faa, name, lat, lon, alt, tzone FROM airports_file;

CREATE TABLE IF NOT EXISTS airlines (
  carrier STRING, name STRING,
  PRIMARY KEY (carrier) NOT ENFORCED
) WITH ('bucket' = '1');

INSERT INTO airlines SELECT carrier, name FROM airlines_file;

CREATE TABLE IF NOT EXISTS planes (
  tailnum STRING, `year` INT, type STRING, manufacturer STRING, model STRING, engines INT, seats INT, engine STRING,
  PRIMARY KEY (tailnum) NOT ENFORCED
) WITH ('bucket' = '1');

INSERT INTO planes SELECT tailnum, `year`, type, manufacturer, model, engines, seats, engine FROM planes_file;

CREATE TABLE IF NOT EXISTS weather (
  origin STRING, time_hour TIMESTAMP(3), temp DOUBLE, humid DOUBLE, wind_dir INT, wind_speed DOUBLE, precip DOUBLE, visib DOUBLE,
  PRIMARY KEY (origin, time_hour) NOT ENFORCED
) WITH ('bucket' = '1');

INSERT INTO weather SELECT origin, time_hour, temp, humid, wind_dir, wind_speed, precip, visib FROM weather_file;
