-- The flights in the air now, by airline. A diverted flight never arrives: it leaves 24 hours
-- of event time after its departure, when the watermark passes.

CREATE MATERIALIZED TABLE IF NOT EXISTS network_now (
  carrier STRING, airline STRING, in_air BIGINT, longest_since TIMESTAMP(3),
  PRIMARY KEY (carrier) NOT ENFORCED
)
WITH ('bucket' = '1')
FRESHNESS = INTERVAL '1' SECOND
AS
SELECT n.carrier, a.name AS airline, n.in_air, n.longest_since
FROM (
  SELECT carrier, COUNT(*) AS in_air, MIN(departed) AS longest_since
  FROM flights
  WHERE departed IS NOT NULL AND arrived IS NULL
    AND departed + INTERVAL '24' HOUR > CURRENT_WATERMARK(event_time)
  GROUP BY carrier
) AS n
LEFT JOIN airlines AS a ON a.carrier = n.carrier;
