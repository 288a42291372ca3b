WITH now AS (SELECT max(event_time) AS clock FROM known)
SELECT carrier, any_value(name) AS airline, count(*) AS in_air, min(departed) AS longest_since
FROM known LEFT JOIN read_parquet(getvariable('data') || '/airlines.parquet') USING (carrier), now
WHERE arrived IS NULL AND clock - departed < INTERVAL 24 HOUR
GROUP BY carrier
ORDER BY ALL;
