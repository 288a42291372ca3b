SELECT time_hour, carrier, flight, event_time, scheduled, origin, dest, tailnum, distance, departed, dep_delay, arrived, arr_delay, air_time
FROM known
ORDER BY ALL;
