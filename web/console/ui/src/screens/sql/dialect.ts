// Words that the editor colours before the service has said which it knows.
export const flinkKeywords = `add all alter analyze and any as asc at between by call case cast catalog catalogs changelog_mode check column columns comment compact constraint
create cross cube cumulate current database databases date delete desc describe descriptor distinct distributed drop else end enforced epoch escape except exists explain extract
fetch filter first following for freshness from full function functions grouping group having hop if in inner insert intersect interval into is jobs job join key last lateral left like limit
materialized metadata minus natural next not null nulls of offset on only options or order outer over overwrite partition partitioned preceding primary range refresh rename replace reset
right rollup row rows select session set sets show similar snapshot some start stop suspend resume system_time table tables tag tablesample temporary then time timestamp to trim true false tumble unbounded
union unique unknown unnest update upsert use using values view views virtual watermark when where window with within without`.replaceAll('\n', ' ')

export const flinkTypes = `array bigint binary boolean bytes char date decimal double float int integer map multiset numeric raw real row smallint string time timestamp timestamp_ltz tinyint varbinary varchar`

