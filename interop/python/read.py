"""pypaimon as a peer: prints the rows of the table in a folder of local disk.

    read.py read PATH [SNAPSHOT] [option=value]...

Rows are JSON lines in weir's row encoding: columns in table order, BIGINT as a number,
DECIMAL and times as strings with exactly their digits, binary in base64, maps as sorted
pairs. Without arguments it takes one command a line from its input, as a JSON array of
strings, and ends each answer with {"_end":"ok"} or {"_end":"error","message":".."}.
"""

import base64
import datetime
import decimal
import json
import math
import re
import sys
import traceback

import numpy
from pypaimon.schema.data_types import ArrayType, MapType, MultisetType, RowType
from pypaimon.table.file_store_table import FileStoreTable

EPOCH = datetime.date(1970, 1, 1)
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # per second


def quote(text):
    return json.dumps(text, ensure_ascii=False)


def number(text, lowest, value):
    """Lays out shortest digits as Go's encoding/json does."""
    if math.isnan(value) or math.isinf(value):
        return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'
    sign, digits, exp = decimal.Decimal(text).normalize(decimal.Context(prec=40)).as_tuple()
    mark = "-" if sign else ""
    if value == 0:
        return mark + "0"
    if lowest <= abs(value) < type(value)(1e21):
        plain = format(decimal.Decimal((0, digits, exp)), "f")
        return mark + plain
    digits = "".join(map(str, digits))
    exp += len(digits) - 1
    point = "." + digits[1:] if len(digits) > 1 else ""
    return "%s%s%se%s%d" % (mark, digits[0], point, "-" if exp < 0 else "+", abs(exp))


def fraction(part, per_second, precision):
    if precision == 0:
        return ""
    return "." + str(part * 10**9 // per_second).zfill(9)[:precision]


def clock(seconds):
    return "%02d:%02d:%02d" % (seconds // 3600, seconds // 60 % 60, seconds % 60)


def timestamp(scalar, precision):
    per_second = UNITS[scalar.type.unit]
    seconds, part = divmod(scalar.value, per_second)
    days, seconds = divmod(seconds, 86400)
    date = EPOCH + datetime.timedelta(days=days)
    return "%s %s%s" % (date.isoformat(), clock(seconds), fraction(part, per_second, precision))


def time_of_day(scalar, precision):
    per_second = UNITS[scalar.type.unit]
    seconds, part = divmod(scalar.value, per_second)
    return clock(seconds) + fraction(part, per_second, precision)


def precision_of(text, default):
    found = re.search(r"\((\d+)", text)
    return int(found.group(1)) if found else default


def atomic(text):
    """Returns the function that prints a scalar, not null, of the type."""
    text = re.sub(r"\s+NOT NULL$", "", text.upper())
    name = re.match(r"[A-Z]+", text).group(0)
    if name == "BOOLEAN":
        return lambda s: "true" if s.as_py() else "false"
    if name in ("TINYINT", "SMALLINT", "INT", "INTEGER", "BIGINT"):
        return lambda s: str(s.as_py())
    if name == "FLOAT":
        return lambda s: number(str(numpy.float32(s.as_py())), numpy.float32(1e-6), numpy.float32(s.as_py()))
    if name == "DOUBLE":
        return lambda s: number(repr(s.as_py()), 1e-6, s.as_py())
    if name in ("CHAR", "VARCHAR", "STRING"):
        return lambda s: quote(s.as_py())
    if name in ("BINARY", "VARBINARY", "BYTES", "BLOB"):
        return lambda s: quote(base64.b64encode(s.as_py()).decode())
    if name in ("DECIMAL", "NUMERIC", "DEC"):
        return lambda s: quote(format(s.as_py(), "f"))
    if name == "DATE":
        return lambda s: quote(s.as_py().isoformat())
    if name == "TIME":
        p = precision_of(text, 0)
        return lambda s: quote(time_of_day(s, p))
    if name in ("TIMESTAMP", "TIMESTAMP_LTZ"):
        p = precision_of(text, 6)
        zone = "Z" if "LOCAL TIME ZONE" in text or name.endswith("LTZ") else ""
        return lambda s: quote(timestamp(s, p) + zone)
    raise ValueError("type %s has no row encoding" % text)


def encoder(kind):
    """Returns the function that prints an Arrow scalar of the Paimon type."""
    show = not_null(kind)
    return lambda s: show(s) if s.is_valid else "null"


def not_null(kind):
    if isinstance(kind, RowType):
        fields = [(quote(f.name) + ":", f.name, encoder(f.type)) for f in kind.fields]
        return lambda s: "{" + ",".join(head + show(s[name]) for head, name, show in fields) + "}"
    if isinstance(kind, ArrayType):
        item = encoder(kind.element)
        return lambda s: "[" + ",".join(item(v) for v in s.values) + "]"
    if isinstance(kind, (MapType, MultisetType)):
        key = encoder(kind.key if isinstance(kind, MapType) else kind.element)
        value = encoder(kind.value) if isinstance(kind, MapType) else atomic("INT")
        pair = lambda e: "[" + key(e["key"]) + "," + value(e["value"]) + "]"
        return lambda s: "[" + ",".join(sorted((pair(e) for e in s.values), key=utf16)) + "]"
    return atomic(kind.type)


def utf16(text):
    return text.encode("utf-16-be")


def read(path, args, out):
    options = {}
    if args and args[0].isdigit():
        options["scan.snapshot-id"] = args[0]
        args = args[1:]
    options.update(a.split("=", 1) for a in args)
    table = FileStoreTable.from_path(path)
    if options:
        table = table.copy(options)
    builder = table.new_read_builder()
    arrow = builder.new_read().to_arrow(builder.new_scan().plan().splits())
    if arrow is None:  # a table without files
        return
    fields = [(quote(f.name) + ":", encoder(f.type)) for f in table.fields]
    for batch in arrow.to_batches():
        columns = [[head + show(s) for s in column] for (head, show), column in zip(fields, batch.columns)]
        for cells in zip(*columns):
            out.write("{" + ",".join(cells) + "}\n")


def run(args, out):
    if len(args) < 2 or args[0] != "read":
        raise ValueError("want read PATH [SNAPSHOT] [option=value]..., got %s" % args)
    read(args[1], args[2:], out)


def main():
    # What libraries print is not an answer.
    out, sys.stdout = open(sys.stdout.fileno(), "w", encoding="utf-8", closefd=False), sys.stderr
    if len(sys.argv) > 1:
        run(sys.argv[1:], out)
        out.flush()
        return
    for line in sys.stdin:
        try:
            run(json.loads(line), out)
            out.write('{"_end":"ok"}\n')
        except BaseException:  # the caller must get an answer
            out.write('{"_end":"error","message":%s}\n' % quote(traceback.format_exc()))
        out.flush()


main()
