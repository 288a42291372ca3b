"""openlineage-python as a peer: takes weir's events as the client's own classes and sends them on.

    lineageevents.py EVENTS.jsonl URL [SPEC]

Each line must fit the client's classes exactly: a member that they do not know, or one that is missing, is an error.
It is then sent with the client to URL. With SPEC, a folder with the JSON schemas of the specification, each event is
besides validated against the schema that it names, and each facet against its own. Prints the number of events.
"""

import enum
import json
import pathlib
import sys
import types
import typing

import attr
from openlineage.client import OpenLineageClient, event_v2, facet_v2
from openlineage.client.serde import Serde
from openlineage.client.transport.http import HttpConfig, HttpTransport

FACETS = {
    "processing_engine": facet_v2.processing_engine_run.ProcessingEngineRunFacet,
    "errorMessage": facet_v2.error_message_run.ErrorMessageRunFacet,
    "jobType": facet_v2.job_type_job.JobTypeJobFacet,
    "sql": facet_v2.sql_job.SQLJobFacet,
    "schema": facet_v2.schema_dataset.SchemaDatasetFacet,
    "version": facet_v2.dataset_version_dataset.DatasetVersionDatasetFacet,
    "symlinks": facet_v2.symlinks_dataset.SymlinksDatasetFacet,
    "columnLineage": facet_v2.column_lineage_dataset.ColumnLineageDatasetFacet,
}


def fit(kind, value, place):
    """The value as the type, or an error that names the place."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        rest = [a for a in args if a is not type(None)]
        return fit(rest[0], value, place) if len(rest) == 1 else value
    if origin is list:
        return [fit(args[0], v, f"{place}[{i}]") for i, v in enumerate(value)]
    if origin is dict:
        return {k: facet(k, v, f"{place}.{k}") if place.endswith("acets") else fit(args[1], v, f"{place}.{k}") for k, v in value.items()}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(value)
    if attr.has(kind):
        return build(kind, value, place)
    if kind in (str, int, bool) and not isinstance(value, kind):
        raise TypeError(f"{place}: {value!r} is no {kind.__name__}")
    return value


def build(cls, value, place):
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in attr.fields(cls)}
    known, later = {}, {}
    for name, v in value.items():
        if name not in fields:
            raise TypeError(f"{place}: {cls.__name__} has no member {name}")
        got = fit(hints[name], v, f"{place}.{name}")
        (known if fields[name].init else later)[fields[name].alias.lstrip("_") if fields[name].init else name] = got
    out = cls(**known)
    for name, v in later.items():
        if getattr(out, name) != v:
            setattr(out, name, v)
    return out


def facet(name, value, place):
    cls = FACETS[name]
    if value["_schemaURL"] != cls._get_schema():
        raise ValueError(f"{place}: schema {value['_schemaURL']}, the client has {cls._get_schema()}")
    return build(cls, value, place)


def checker(spec):
    """A function that validates events against the official schemas."""
    import jsonschema
    import referencing

    schemas = [json.loads(p.read_text()) for p in pathlib.Path(spec).rglob("*.json")]
    registry = referencing.Registry().with_resources((s["$id"], referencing.Resource.from_contents(s)) for s in schemas)

    def validate(url, value):
        jsonschema.Draft202012Validator({"$ref": url}, registry=registry, format_checker=jsonschema.FormatChecker()).validate(value)

    def check(event):
        validate(event["schemaURL"].split("#")[0], event)
        validate(event["schemaURL"], event)
        holders = [event["run"], event["job"], *event["inputs"], *event["outputs"]]
        for f in (f for h in holders for f in h.get("facets", {}).values()):
            validate(f["_schemaURL"], f)

    return check


def main():
    events, url = sys.argv[1:3]
    check = checker(sys.argv[3]) if len(sys.argv) > 3 else lambda event: None
    client = OpenLineageClient(transport=HttpTransport(HttpConfig(url=url)))
    n = 0
    for line in pathlib.Path(events).read_text().splitlines():
        event = json.loads(line)
        if event["schemaURL"] != event_v2.RunEvent._get_schema():
            raise ValueError(f"schema {event['schemaURL']}, the client has {event_v2.RunEvent._get_schema()}")
        check(event)
        own = build(event_v2.RunEvent, event, f"event {n}")
        if prune(json.loads(Serde.to_json(own))) != prune(event):
            raise ValueError(f"event {n}: the client makes {Serde.to_json(own)} of {line}")
        client.emit(own)
        n += 1
    print(n)


def prune(value):
    """Without empty members, which the client adds and leaves out as it likes."""
    if isinstance(value, dict):
        pruned = {k: prune(v) for k, v in value.items()}
        return {k: v for k, v in pruned.items() if v not in ({}, [])}
    if isinstance(value, list):
        return [prune(v) for v in value]
    return value


if __name__ == "__main__":
    main()
