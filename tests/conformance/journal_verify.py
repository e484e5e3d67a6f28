#!/usr/bin/env python3
"""Verifies a fakd journal: a second implementation of docs/journal-format.md, standard library only.

    journal_verify.py FILE [--head SEQ:sha256:HEX] [--root SIZE:HEX]

FILE is a journal database, live or a copy, or an export of one (JSON lines). With --head, a head that
was kept elsewhere must be part of the chain; with --root, the Merkle tree over the first SIZE rows must
have the root that was kept elsewhere. Both may be given more than once. Exit status: 0 sound, 1 the
first bad row or tile is named, 2 there is nothing to verify.
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

TILE_HASHES = 256

NUMBERS = {"args_bytes", "count", "generation", "pid", "result_bytes", "took_us", "until_us"}
NUMBERS_ALWAYS = {"seq", "ts_us"}
DIGESTS = {"args_digest", "policy", "result_digest", "root"}
TEXTS = {
    "by", "call", "disposition", "note", "profile", "reason", "subject", "taint", "tool", "trace", "verdict",
    "who", "would_deny",
}
KINDS = {
    "START", "STOP", "POLICY", "DECIDE", "DENY", "ADMIT", "QUARANTINE", "EFFECT", "EVICT", "LEASE",
    "SESSION", "REFUSED", "GAP", "CHECKPOINT", "KEY", "WITNESS", "BACKUP", "EMERGENCY", "CLEAR",
    "APPROVE", "REVOKE",
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


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(hashes):
    """The root over some hashes, as RFC 9162, section 2.1.1, defines it."""
    if not hashes:
        return hashlib.sha256().digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return node(root_of(hashes[:split]), root_of(hashes[split:]))


class Tree:
    """A growing Merkle tree: the hashes of the incomplete tile of every level."""

    def __init__(self):
        self.size = 0
        self.levels = []

    def push(self, body):
        """Takes the next body; yields the tiles it completes as (level, index, hashes, root)."""
        self.size += 1
        completed, level = [], 0
        digest = hashlib.sha256(b"\0" + body).digest()
        while True:
            if level == len(self.levels):
                self.levels.append([])
            hashes = self.levels[level]
            hashes.append(digest)
            if len(hashes) < TILE_HASHES:
                return completed
            index = self.size // TILE_HASHES ** (level + 1) - 1
            digest = root_of(hashes)
            completed.append((level, index, b"".join(hashes), digest))
            hashes.clear()
            level += 1

    def root(self):
        # A level's hashes are complete subtrees; what is right of them is the root of the levels below.
        right = None
        for hashes in self.levels:
            subtrees = list(hashes)
            while subtrees:
                # The last power of two in their number is the rightmost subtree.
                width = len(subtrees) & -len(subtrees)
                left = root_of(subtrees[-width:])
                del subtrees[-width:]
                right = left if right is None else node(left, right)
        return root_of([]) if right is None else right


class Database:
    """A journal in its file."""

    def __init__(self, path):
        uri = "file:" + urllib.parse.quote(os.path.abspath(path)) + "?mode=ro"
        self.conn = sqlite3.connect(uri, uri=True)
        self.conn.text_factory = bytes
        self.conn.execute("PRAGMA cell_size_check = ON")
        (application,) = self.conn.execute("PRAGMA application_id").fetchone()
        (version,) = self.conn.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID or version not in FORMATS:
            raise Bad(f"not a journal of the formats {FORMATS}")
        if not self.has_table("records"):
            raise Bad("no table of records")
        self.tiles = self.has_table("tree_tiles")

    def has_table(self, name):
        query = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?"
        return bool(self.conn.execute(query, (name,)).fetchone())

    def rows(self):
        """(seq, body, hash) from the table, in order."""
        yield from self.conn.execute("SELECT seq, body, hash FROM records ORDER BY seq")

    def tile_fault(self, level, index, hashes, root):
        """What is wrong with what is stored of a tile, or None."""
        if not self.tiles:
            return None
        query = "SELECT hashes, root FROM tree_tiles WHERE level = ? AND idx = ?"
        try:
            stored = self.conn.execute(query, (level, index)).fetchone()
        except sqlite3.DatabaseError as error:
            return f"cannot be read: {error}"
        if stored is None:
            return "is missing"
        return None if stored == (hashes, root) else "is not the one of the rows it covers"


class Export:
    """A journal as lines of JSON; it has no tiles."""

    def __init__(self, path):
        self.path = path

    def rows(self):
        return rows_of_export(self.path)

    def tile_fault(self, *_):
        return None


def rows_of_export(path):
    """(seq, body, hash) from lines of JSON; the body is cut out as it stands."""
    shape = re.compile(rb'\{"seq":([0-9]+),"hash":"sha256:([0-9a-f]{64})","record":(\{.*\})\}\n?')
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            match = shape.fullmatch(line)
            if not match:
                raise Bad(f"line {number} is not a row")
            yield int(match[1]), match[3], bytes.fromhex(match[2].decode())


def verify(journal, heads, roots):
    """(number of rows, head, root), or the first bad row as (seq, words)."""
    head, expected, tree, bad_tile = bytes(32), 1, Tree(), None
    if 0 in roots and roots[0] != tree.root():
        return (0, "the tree without rows has another root than the one that was kept elsewhere"), None
    rows = iter(journal.rows())
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
        if heads.get(seq, head) != head:
            return (seq, "it is not the row whose hash was kept elsewhere"), None
        for level, index, hashes, root in tree.push(body):
            why = journal.tile_fault(level, index, hashes, root)
            if why and not bad_tile:
                bad_tile = (seq, f"the tile {level}/{index} of the tree {why}; it is derived data")
        if seq in roots and roots[seq] != tree.root():
            return (seq, "the tree up to it has another root than the one that was kept elsewhere"), None
        expected += 1
    for kept in sorted({*heads, *roots}):
        if kept >= expected:
            return (kept, f"it was kept elsewhere, and the journal ends at row {expected - 1}"), None
    return bad_tile, (expected - 1, head, tree.root())


def take(arguments, name):
    """Removes every `name NUMBER:HEX` from the arguments; yields them as a dictionary."""
    kept = {}
    while name in arguments:
        at = arguments.index(name)
        number, _, digest = arguments[at + 1].partition(":")
        kept[int(number)] = bytes.fromhex(digest.removeprefix("sha256:"))
        del arguments[at : at + 2]
    return kept


def main(arguments):
    try:
        heads, roots = take(arguments, "--head"), take(arguments, "--root")
    except (IndexError, ValueError):
        arguments = []
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
        journal = Database(path) if database else Export(path)
        fault, found = verify(journal, heads, roots)
    except (Bad, sqlite3.DatabaseError) as error:
        print(f"unreadable: {path}: {error}")
        return 2
    if fault:
        print(f"row {fault[0]}: {fault[1]}")
        return 1
    rows, head, root = found
    print(f"sound: {rows} rows, head sha256:{head.hex()}, root {root.hex()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
