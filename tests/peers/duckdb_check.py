"""What DuckDB reads: a table of comma-separated values, or stored lines of JSON in zstd.

Usage: duckdb_check.py FILE...; prints one JSON object for each file: its columns, the number of rows, and of the column
`resource` or `id`, where there is one, every value.
"""

import json
import sys

import duckdb

for name in sys.argv[1:]:
    quoted = name.replace("'", "''")
    if name.endswith(".zst"):
        source = f"read_json('{quoted}', format='newline_delimited', compression='zstd', maximum_object_size=268435456)"
    else:
        # As a spreadsheet would: every cell is text, and nothing is skipped.
        source = f"read_csv('{quoted}', header=true, all_varchar=true, delim=',', quote='\"', escape='\"', strict_mode=true)"
    table = duckdb.sql(f"SELECT * FROM {source}")
    columns = table.columns
    named = next((column for column in ("resource", "id") if column in columns), None)
    values = [row[0] for row in duckdb.sql(f'SELECT "{named}" FROM {source}').fetchall()] if named else []
    print(json.dumps({"file": name, "columns": columns, "rows": len(table), "named": values}))
