-- One row a flight. Each event fills its columns (partial-update): what an event does not
-- know is NULL in it and leaves the row's value alone, so events may come in any order.
-- event_time is that of the newest event.

CREATE TABLE IF NOT EXISTS flights (
  time_hour TIMESTAMP(3), carrier STRING, flight INT,
  event_time TIMESTAMP(3), scheduled TIMESTAMP(3),
  origin STRING, dest STRING, tailnum STRING, distance INT,
  departed TIMESTAMP(3), dep_delay INT,
  arrived TIMESTAMP(3), arr_delay INT, air_time INT,
  PRIMARY KEY (time_hour, carrier, flight) NOT ENFORCED,
  WATERMARK FOR event_time AS event_time
) WITH ('bucket' = '2', 'merge-engine' = 'partial-update', 'changelog-producer' = 'input');

SET 'pipeline.name' = 'flights';
INSERT INTO flights
SELECT time_hour, carrier, flight, event_time, scheduled, origin, dest, tailnum, distance,
       departed, dep_delay, arrived, arr_delay, air_time
FROM flight_events;
