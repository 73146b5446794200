"""Turns CSV with a head line into JSON, one object for each row; with ?lines one on each line, as they are read."""

import csv
import io
import json


def handle(event, context):
    text = event.text
    try:
        dialect = csv.Sniffer().sniff(text[:4096], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel  # one column
    rows = csv.DictReader(io.StringIO(text), dialect=dialect, restkey="more")
    if "lines" in event.query_string:
        return 200, {"Content-Type": "application/x-ndjson"}, (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return 200, {"Content-Type": "application/json"}, json.dumps(list(rows), ensure_ascii=False) + "\n"
