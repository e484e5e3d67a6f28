#!/usr/bin/env python3
"""Opens a sealed file of the vault by docs/vault.md alone: no code of fakd's, nothing but the standard library.

Usage: vault_open.py KEYFILE FILE
Prints one line of JSON: the id, the metadata and the content's digest; of a log its name and the digests of its records. Exits 1 with a sentence when anything is not
as the page says. It is slow and meant for checking, not for use.
"""

import hashlib
import hmac
import json
import pathlib
import struct
import sys
from base64 import b64decode


def quarter(s, a, b, c, d):
    for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & 0xFFFFFFFF
        mixed = s[z] ^ s[x]
        s[z] = ((mixed << turn) | (mixed >> (32 - turn))) & 0xFFFFFFFF


def rounds(state):
    s = list(state)
    for _ in range(10):
        for i in range(4):
            quarter(s, i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(s, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return s


CONSTANT = struct.unpack("<4I", b"expand 32-byte k")


def block(key, counter, nonce):
    state = CONSTANT + struct.unpack("<8I", key) + (counter,) + struct.unpack("<3I", nonce)
    mixed = rounds(state)
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(mixed, state)))


def subkey(key, nonce):
    mixed = rounds(CONSTANT + struct.unpack("<8I", key) + struct.unpack("<4I", nonce))
    return struct.pack("<8I", *(mixed[:4] + mixed[12:]))


def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(message), 16):
        total = (total + int.from_bytes(message[at:at + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def padded(data):
    return data + bytes(-len(data) % 16)


def open_box(key, nonce, with_data, box):
    key, nonce = subkey(key, nonce[:16]), bytes(4) + nonce[16:]
    sealed, tag = box[:-16], box[-16:]
    mac = padded(with_data) + padded(sealed) + struct.pack("<QQ", len(with_data), len(sealed))
    if not hmac.compare_digest(poly1305(block(key, 0, nonce)[:32], mac), tag):
        sys.exit("a box is not authentic")
    stream = b"".join(block(key, 1 + n, nonce) for n in range(-(-len(sealed) // 64)))
    return bytes(a ^ b for a, b in zip(sealed, stream))


def derive(key, what):
    return hmac.new(key, b"fak-vault/1 " + what + b"\1", hashlib.sha256).digest()


def metadata(plain):
    digest, length, count = struct.unpack_from("<32sQH", plain)
    at, holds = 42, []
    for _ in range(count):
        kind, at_us, rules = struct.unpack_from("<BQ32s", plain, at)
        at += 41
        texts = []
        for _ in range(4):
            (size,) = struct.unpack_from("<H", plain, at)
            texts.append(plain[at + 2:at + 2 + size].decode())
            at += 2 + size
        trace, who, tool, reason = texts
        kind = {1: "quarantined", 2: "paged out", 3: "kept answer"}[kind]
        holds.append({"kind": kind, "at_us": at_us, "rules": rules.hex(), "trace": trace, "who": who,
                      "tool": tool, "reason": reason})
    if any(plain[at:]) or len(plain) % 256 or len(plain) - at >= 256:
        sys.exit("the filling is not zeros up to a multiple of 256")
    return digest, length, holds


def open_log(key, path, data):
    magic, version, suite, key_id, name, generation, nonce = struct.unpack_from("<8sHH8s32s16s24s", data)
    if (magic, version, suite) != (b"fakv-log", 1, 1) or len(data) < 384:
        sys.exit("no log of version 1, suite 1")
    if key_id != derive(key, b"key id")[:8]:
        sys.exit("sealed with another key")
    if path.name != name.hex() + ".log":
        sys.exit("the file has another name than its head")
    sealing, checking = derive(key, b"log seal"), derive(key, b"log check")
    plain = open_box(sealing, nonce, data[:92], data[92:384])
    (size,) = struct.unpack_from("<H", plain)
    text = plain[2:2 + size]
    at, records = 384, []
    while at < len(data):
        box_len, index, durable, nonce, check = struct.unpack_from("<IQQ24s16s", data, at)
        head = data[at:at + 60]
        right = hmac.new(checking, name + generation + head[:44], hashlib.sha256).digest()[:16]
        if check != right or index != len(records) or durable > index or (60 + box_len) % 64:
            sys.exit(f"frame {len(records)} is not authentic, or not in its place")
        box = data[at + 60:at + 60 + box_len]
        plain = open_box(sealing, nonce, name + generation + head, box)
        (size,) = struct.unpack_from("<I", plain)
        if any(plain[4 + size:]):
            sys.exit("the filling is not zeros")
        records.append(hashlib.sha256(plain[4:4 + size]).hexdigest())
        at += 60 + box_len
    by_key = hmac.new(derive(key, b"log name"), text, hashlib.sha256).digest() == name
    print(json.dumps({"id": name.hex(), "log": text.decode(), "named_by_this_key": by_key, "records": records},
                     sort_keys=True))


def main():
    key = b64decode(pathlib.Path(sys.argv[1]).read_text())
    path = pathlib.Path(sys.argv[2])
    data = path.read_bytes()
    if data[:8] == b"fakv-log":
        return open_log(key, path, data)
    magic, version, suite, meta_len, body_len, key_id, name, meta_nonce, body_nonce = struct.unpack_from(
        "<8sHHIQ8s32s24s24s", data)
    if (magic, version, suite) != (b"fakvault", 1, 1) or len(data) != 112 + meta_len + body_len:
        sys.exit("no sealed file of version 1, suite 1")
    if key_id != derive(key, b"key id")[:8]:
        sys.exit("sealed with another key")
    if path.name != name.hex() + ".seal":
        sys.exit("the file has another name than its header")
    sealing = derive(key, b"seal")
    head = data[:112 + meta_len]
    digest, length, holds = metadata(open_box(sealing, meta_nonce, head[:112], head[112:]))
    body = open_box(sealing, body_nonce, hashlib.sha256(head).digest(), data[112 + meta_len:])
    if len(body) != length or hashlib.sha256(body).digest() != digest:
        sys.exit("the content is not the one the metadata describes")
    by_key = hmac.new(derive(key, b"name"), digest, hashlib.sha256).digest() == name
    print(json.dumps({"id": name.hex(), "digest": digest.hex(), "len": length, "named_by_this_key": by_key,
                      "holds": holds}, sort_keys=True))


main()
