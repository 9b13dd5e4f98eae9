"""Draws a sample again and follows each proof to the signed statement, with nothing of ours: hashlib, json, zstd.

Usage: sample_check.py SAMPLE.json FINDINGS.jsonl STORE. FINDINGS.jsonl is what `evidenced findings` prints of the run.
Ends with an assertion where anything differs; prints how much it checked.
"""

import base64
import hashlib
import json
import pathlib
import subprocess
import sys

sample = json.loads(pathlib.Path(sys.argv[1]).read_text())
findings = [json.loads(line) for line in pathlib.Path(sys.argv[2]).read_text().split("\n") if line]
store = pathlib.Path(sys.argv[3])


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def place(item):
    return "/".join(item["scope"][part] for part in ("provider", "account", "region"))


# The population: everything that the control's checks judged, but what none of them applied to.
members = {}
for finding in findings:
    if finding["check"] in sample["checks"]:
        member = (finding["kind"], place(finding), finding["resource"])
        members[member] = members.get(member, False) or finding["verdict"] != "not_applicable"
population = [member for member, applies in members.items() if applies]
assert sample["population"]["count"] == len(population), (sample["population"], len(population))
assert sample["population"]["not_applicable"] == len(members) - len(population)
names = sorted(sha256("\n".join(member).encode()) for member in population)
assert sample["population"]["sha256"] == sha256("".join(name + "\n" for name in names).encode())

# The draw.
ordered = sorted((sha256("\n".join((sample["seed"], *member)).encode()), member) for member in population)
expected = ordered[: sample["asked"]]
drawn = [(one["key"], (one["kind"], place(one), one["id"])) for one in sample["drawn"]]
assert drawn == expected, (drawn, expected)


def stored(path):
    return (store / path).read_bytes()


def unpacked(path):
    return subprocess.run(["zstd", "-dcq", store / path], check=True, capture_output=True).stdout


def root_of(leaf, index, size, path):
    """RFC 9162, section 2.1.3.2."""
    at, last, root = index, size - 1, leaf
    for step in map(bytes.fromhex, path):
        assert last > 0
        if at % 2 == 1 or at == last:
            root = hashlib.sha256(b"\x01" + step + root).digest()
            while at % 2 == 0 and at != 0:
                at, last = at // 2, last // 2
        else:
            root = hashlib.sha256(b"\x01" + root + step).digest()
        at, last = at // 2, last // 2
    assert last == 0
    return root.hex()


def check(proved):
    text, proof = proved["line"].encode(), proved["proof"]
    line = proof["line"]
    assert unpacked(line["object"]).split(b"\n")[line["number"] - 1] == text
    assert sha256(text + b"\n") == line["line_sha256"]
    assert sha256(stored(line["object"])) == line["sha256"]
    leaf = hashlib.sha256(b"\x00" + text).digest()
    assert leaf.hex() == line["leaf"]
    assert root_of(leaf, line["number"] - 1, line["of"], line["path"]) == line["root"]
    digest, root = line["sha256"], line["root"]
    for tree in proof["trees"]:
        assert sha256(stored(tree["object"])) == tree["sha256"]
        entry = json.loads(unpacked(tree["object"]))["entries"][tree["number"] - 1]
        assert entry == tree["entry"] and entry["digest"] == digest and entry["lines"] == root
        canonical = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        leaf = hashlib.sha256(b"\x00" + canonical).digest()
        root = root_of(leaf, tree["number"] - 1, tree["of"], tree["path"])
        assert root == tree["root"]
        digest = tree["sha256"]
    envelope = json.loads(stored(proof["statement"]))
    statement = json.loads(base64.b64decode(envelope["payload"]))
    subjects = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
    assert subjects[proof["side"]] == digest


proved = 0
for one in sample["drawn"]:
    assert sha256(stored(one["statement"])) == one["statement_sha256"]
    wanted = {finding["check"] for finding in findings if finding["resource"] == one["id"]
              and finding["kind"] == one["kind"] and place(finding) == place(one)} & set(sample["checks"])
    assert {finding["id"] for finding in one["findings"]} == wanted
    for line in [one["reading"], *one["findings"]]:
        if line:
            check(line)
            proved += 1
    assert one["reading"] or one["kind"].startswith("place."), one["id"]
print(f"population={len(population)} drawn={len(drawn)} proved={proved}")
