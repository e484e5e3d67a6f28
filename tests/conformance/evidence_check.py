#!/usr/bin/env python3
"""Verifies what fakd signs and proves, with the public key alone: a second implementation, standard library only.

    evidence_check.py KEY checkpoint FILE
    evidence_check.py KEY row FILE              a C2SP tlog-proof
    evidence_check.py KEY growth FILE OLD       the add-checkpoint text of C2SP tlog-witness, and the kept checkpoint

KEY is a verifier key, NAME+ID+BASE64, or a file that holds one. Prints what is proven and ends with 0; ends with 1 and a
sentence when it is not. Written from the specifications: C2SP signed-note, tlog-checkpoint and tlog-proof, RFC 9162
section 2.1.3 and 2.1.4, RFC 8032 section 5.1.7.
"""
import base64
import hashlib
import json
import os
import sys

# --- Ed25519, RFC 8032 section 5.1: the field, the curve, verification.

FIELD = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
CURVE = -121665 * pow(121666, -1, FIELD) % FIELD
ROOT = pow(2, (FIELD - 1) // 4, FIELD)


def add(one, other):
    (x1, y1), (x2, y2) = one, other
    cross = CURVE * x1 * x2 % FIELD * y1 * y2 % FIELD
    x = (x1 * y2 + x2 * y1) * pow(1 + cross, -1, FIELD) % FIELD
    y = (y1 * y2 + x1 * x2) * pow(1 - cross, -1, FIELD) % FIELD
    return x, y


def times(number, point):
    result = (0, 1)
    while number:
        if number & 1:
            result = add(result, point)
        point = add(point, point)
        number >>= 1
    return result


def point_of(data):
    sign, y = data[31] >> 7, int.from_bytes(data, "little") & (2**255 - 1)
    square = (y * y - 1) * pow(CURVE * y * y + 1, -1, FIELD) % FIELD
    x = pow(square, (FIELD + 3) // 8, FIELD)
    if (x * x - square) % FIELD:
        x = x * ROOT % FIELD
    if y >= FIELD or (x * x - square) % FIELD or (x == 0 and sign):
        raise ValueError("no point of the curve")
    return (FIELD - x if x & 1 != sign else x), y


BASE = point_of(bytes([0x58] + [0x66] * 31))


def signed(public, message, signature):
    near, scalar = point_of(signature[:32]), int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or scalar >= ORDER:
        return False
    hashed = hashlib.sha512(signature[:32] + public + message).digest()
    factor = int.from_bytes(hashed, "little") % ORDER
    return times(scalar, BASE) == add(near, times(factor, point_of(public)))


# --- Notes and checkpoints.


class Unproven(Exception):
    pass


def strict_base64(text):
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise Unproven(f"not base64 in its one spelling: {text}")
    return data


def read_key(text):
    if os.path.exists(text):
        text = open(text, encoding="utf-8").read()
    name, number, data = text.strip().split("+", 2)
    data = strict_base64(data)
    wanted = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    if data[0] != 1 or len(data) != 33 or bytes.fromhex(number) != wanted:
        raise Unproven("the key is no Ed25519 key of that name")
    return name, wanted, data[1:]


def open_checkpoint(note, key):
    """The size and the root, when the key has signed them."""
    name, number, public = key
    text, _, lines = note.rpartition("\n\n")
    text += "\n"
    for line in lines.splitlines():
        dash, signer, data = line.split(" ", 2)
        data = strict_base64(data)
        if dash == "\u2014" and signer == name and data[:4] == number:
            if not signed(public, text.encode(), data[4:]):
                raise Unproven("the signature does not fit the text")
            origin, size, root = text.splitlines()[:3]
            if origin != name:
                raise Unproven(f"it is a checkpoint of {origin}")
            return int(size), strict_base64(root)
    raise Unproven("the key has not signed it")


# --- Trees, RFC 9162.


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def inclusion(leaf, index, size, path, root):
    if index >= size:
        return False
    place, last, found = index, size - 1, leaf
    for near in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node(near, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node(found, near)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def consistency(old_size, old_root, new_size, new_root, path):
    if old_size == new_size:
        return not path and old_root == new_root
    if old_size == 0:
        return not path
    if old_size > new_size or not path:
        return False
    if old_size & (old_size - 1) == 0:
        path = [old_root] + path
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for near in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node(near, old), node(near, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node(new, near)
        place, last = place >> 1, last >> 1
    return last == 0 and old == old_root and new == new_root


# --- The three kinds of file.


def check_checkpoint(key, text):
    size, root = open_checkpoint(text, key)
    return f"{size} rows of {key[0]}, root sha256:{root.hex()}"


def check_row(key, text):
    head, _, note = text.partition("\n\n")
    version, extra, index, *path = head.splitlines()
    if version != "c2sp.org/tlog-proof@v1" or not extra.startswith("extra ") or not index.startswith("index "):
        raise Unproven("it is no proof of a row")
    body, index = strict_base64(extra[6:]), int(index[6:])
    size, root = open_checkpoint(note, key)
    leaf = hashlib.sha256(b"\x00" + body).digest()
    if not inclusion(leaf, index, size, [strict_base64(line) for line in path], root):
        raise Unproven("the hashes do not lead to the root")
    if json.loads(body)["seq"] != index + 1:
        raise Unproven("the record carries another number")
    return f"row {index + 1} of {size} of {key[0]}: {body.decode()}"


def check_growth(key, text, kept):
    head, _, note = text.partition("\n\n")
    old, *path = head.splitlines()
    new_size, new_root = open_checkpoint(note, key)
    old_size, old_root = open_checkpoint(kept, key)
    if old != f"old {old_size}":
        raise Unproven(f"it does not begin at {old_size} rows")
    if not consistency(old_size, old_root, new_size, new_root, [strict_base64(line) for line in path]):
        raise Unproven("the journal did not only grow")
    return f"{key[0]} grew from {old_size} rows to {new_size}"


def main(args):
    checks = {"checkpoint": check_checkpoint, "row": check_row, "growth": check_growth}
    if len(args) not in (3, 4) or args[1] not in checks:
        sys.exit(__doc__)
    texts = [open(name, encoding="utf-8").read() for name in args[2:]]
    try:
        print("proven:", checks[args[1]](read_key(args[0]), *texts))
    except (Unproven, ValueError, KeyError) as error:
        print("NOT PROVEN:", error)
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
