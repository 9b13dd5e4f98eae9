"""Whether lines are OCSF Compliance Findings: checks each against the schema of its version, and takes no other member.

Usage: ocsf_check.py FILE...; prints the number of events of each file, or what is wrong with the first event that is wrong.
"""

import json
import sys

import jsonschema
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

validators = {}


def validator(event):
    """The validator for an event's class, version and profiles."""
    version, profiles = event["metadata"]["version"], event["metadata"].get("profiles", [])
    key = (version, event["class_uid"], *profiles)
    if key not in validators:
        schemas = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=version))
        schema = schemas.get_class_schema(schemas.lookup_class_name_from_uid(event["class_uid"]), profiles)
        if schema["additionalProperties"] is not False:
            sys.exit("the schema would take any member")
        jsonschema.Draft202012Validator.check_schema(schema)
        validators[key] = jsonschema.Draft202012Validator(schema)
    return validators[key]


for name in sys.argv[1:]:
    count = 0
    with open(name, "rb") as lines:
        for count, line in enumerate(lines, 1):
            event = json.loads(line)
            wrong = sorted(validator(event).iter_errors(event), key=lambda error: list(map(str, error.path)))
            if wrong:
                sys.exit(f"{name}:{count}: {'/'.join(map(str, wrong[0].path))}: {wrong[0].message}")
    print(name, count)
