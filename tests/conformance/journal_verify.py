#!/usr/bin/env python3
"""Verifies a fakd journal: a second implementation of docs/journal-format.md, standard library only.

    journal_verify.py FILE [--head SEQ:sha256:HEX]

FILE is a journal database, live or a copy, or an export of one (JSON lines). With --head, a head that
was kept elsewhere must be part of the chain. Exit status: 0 sound, 1 the first bad row is named,
2 there is nothing to verify.
"""

import hashlib
import json
import os
import re
import sqlite3
import sys
import urllib.parse

DOMAIN = b"fak-journal/v1\n"
APPLICATION_ID = 0x66616B4A
FORMATS = (1, 2)
NUMBER_MAX = 2**53 - 1
TEXT_BYTES_MAX = 1024

NUMBERS = {"args_bytes", "count", "generation", "pid", "took_us"}
NUMBERS_ALWAYS = {"seq", "ts_us"}
DIGESTS = {"args_digest", "policy", "result_digest"}
TEXTS = {
    "by", "call", "disposition", "note", "profile", "reason", "subject", "tool", "trace", "verdict",
    "who", "would_deny",
}
KINDS = {
    "START", "STOP", "POLICY", "DECIDE", "DENY", "ADMIT", "QUARANTINE", "EFFECT", "EVICT", "LEASE",
    "SESSION", "REFUSED", "GAP", "CHECKPOINT",
}
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Bad(Exception):
    """What is wrong with a row, or with the file."""


def unique(pairs):
    if len({key for key, _ in pairs}) != len(pairs):
        raise Bad("a key for the second time")
    return dict(pairs)


def decode(body):
    """The record in a body, or Bad."""
    try:
        record = json.loads(body.decode("utf-8"), object_pairs_hook=unique)
    except ValueError as error:
        raise Bad(f"its body is not JSON: {error}") from None
    if not isinstance(record, dict):
        raise Bad("its body is not an object")
    for key, value in record.items():
        number = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= NUMBER_MAX
        text = isinstance(value, str) and 0 < len(value.encode()) <= TEXT_BYTES_MAX
        if key == "pid":
            fits = number and 0 < value < 2**32
        elif key in NUMBERS:
            fits = number and value > 0
        elif key in NUMBERS_ALWAYS:
            fits = number
        elif key in DIGESTS:
            fits = text and DIGEST.fullmatch(value)
        elif key == "kind":
            fits = value in KINDS
        else:
            fits = key in TEXTS and text
        if not fits:
            raise Bad(f"its field {key!r} is none of this format's")
    missing = (NUMBERS_ALWAYS | {"kind"}) - record.keys()
    if missing:
        raise Bad(f"its fields {sorted(missing)} are missing")
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if canonical.encode() != body:
        raise Bad("its body is not in canonical form")
    return record


def rows_of_database(path):
    """(seq, body, hash) from the table, in order."""
    uri = "file:" + urllib.parse.quote(os.path.abspath(path)) + "?mode=ro"
    conn = sqlite3.connect(uri, uri=True)
    conn.text_factory = bytes
    conn.execute("PRAGMA cell_size_check = ON")
    (application,) = conn.execute("PRAGMA application_id").fetchone()
    (version,) = conn.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID or version not in FORMATS:
        raise Bad(f"not a journal of the formats {FORMATS}")
    query = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'records'"
    if not conn.execute(query).fetchone():
        raise Bad("no table of records")
    yield from conn.execute("SELECT seq, body, hash FROM records ORDER BY seq")


def rows_of_export(path):
    """(seq, body, hash) from lines of JSON; the body is cut out as it stands."""
    shape = re.compile(rb'\{"seq":([0-9]+),"hash":"sha256:([0-9a-f]{64})","record":(\{.*\})\}\n?')
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            match = shape.fullmatch(line)
            if not match:
                raise Bad(f"line {number} is not a row")
            yield int(match[1]), match[3], bytes.fromhex(match[2].decode())


def verify(rows, kept):
    """(number of rows, head), or the first bad row as (seq, words)."""
    head, expected = bytes(32), 1
    rows = iter(rows)
    while True:
        try:
            seq, body, stored = next(rows)
        except StopIteration:
            break
        except sqlite3.DatabaseError as error:
            return (expected, f"it cannot be read: {error}"), None
        if seq != expected:
            return (seq, f"the next row has to be number {expected}"), None
        head = hashlib.sha256(DOMAIN + head + body).digest()
        if stored != head:
            return (seq, "its hash does not fit its body and the row before it"), None
        try:
            record = decode(body)
        except Bad as error:
            return (seq, str(error)), None
        if record["seq"] != seq:
            return (seq, f"its record says it is row {record['seq']}"), None
        if kept and kept[0] == seq and kept[1] != head:
            return (seq, "it is not the row whose hash was kept elsewhere"), None
        expected += 1
    if kept and kept[0] >= expected:
        return (kept[0], f"it was kept elsewhere, and the journal ends at row {expected - 1}"), None
    return None, (expected - 1, head)


def main(arguments):
    kept = None
    if "--head" in arguments:
        at = arguments.index("--head")
        seq, _, digest = arguments[at + 1].partition(":sha256:")
        kept = (int(seq), bytes.fromhex(digest))
        del arguments[at : at + 2]
    if len(arguments) != 1:
        print(__doc__)
        return 2
    path = arguments[0]
    if not os.path.exists(path):
        print(f"missing: {path}")
        return 2
    with open(path, "rb") as file:
        database = file.read(16) == b"SQLite format 3\0"
    try:
        fault, found = verify(rows_of_database(path) if database else rows_of_export(path), kept)
    except Bad as error:
        print(f"unreadable: {path}: {error}")
        return 2
    if fault:
        print(f"row {fault[0]}: {fault[1]}")
        return 1
    print(f"sound: {found[0]} rows, head sha256:{found[1].hex()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
