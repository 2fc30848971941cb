#!/usr/bin/env python3
"""Writes golden.json, the byte vectors that every implementation of Farthing's protocol must reproduce.

An implementation of its own, from docs/protocol.md and not from the Rust sources, so that the two check
each other. Needs the package `cryptography`. Run it only when the protocol gets a new magic; the tests
read the committed file.
"""
import hashlib
import json
import pathlib
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58(data):
    number = int.from_bytes(data, "big")
    text = ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def seed(label):
    """32 bytes that nobody mistakes for a secret: their derivation is public."""
    return hashlib.sha256(b"farthing golden vector: " + label.encode()).digest()


def domain(program, genesis_hash, channel, opened_slot):
    tag = b"farthing:channel:v1"
    return hashlib.sha256(tag + program + genesis_hash + channel + struct.pack("<Q", opened_slot)).digest()


def voucher(domain_, lane, generation, authorized):
    return b"FV\x01" + domain_ + struct.pack("<HHQ", lane, generation, authorized)


def statement(domain_, entries):
    hashed = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHQ", *entry) for entry in entries)
    return b"FS\x01" + domain_ + hashlib.sha256(hashed).digest()


def state_query(domain_, lane, generation, unix_seconds):
    return b"FQ\x01" + domain_ + struct.pack("<HHQ", lane, generation, unix_seconds)


def price(input_per_million, output_per_million, per_request, minimum, input_tokens, output_tokens):
    tokens = -(-(input_per_million * input_tokens + output_per_million * output_tokens) // 1_000_000)
    total = tokens + per_request
    return None if total >= 2**64 else max(total, minimum)


def main():
    key = Ed25519PrivateKey.from_private_bytes(seed("lane key"))
    public = key.public_key().public_bytes_raw()
    maximum = 2**64 - 1
    signed = lambda message: {"message_hex": message.hex(), "signature": base58(key.sign(message))}
    channels = []
    for label, slot in (("a", 0), ("b", 1), ("c", 345_678_901), ("d", maximum)):
        program, genesis, channel = seed("program " + label), seed("genesis " + label), seed("channel " + label)
        channels.append((program, genesis, channel, slot, domain(program, genesis, channel, slot)))
    first, last = channels[0][4], channels[-1][4]
    vouchers = [(first, 0, 0, 0), (first, 1, 0, 1), (first, 513, 258, 0x0807060504030201), (last, 65_535, 65_535, maximum)]
    queries = [(first, 0, 0, 0), (first, 513, 258, 1_790_000_000), (last, 65_535, 65_535, maximum)]
    statements = [
        (first, [(0, 0, 0)]),
        (first, [(0, 0, 1), (1, 7, 2), (513, 258, 0x0807060504030201)]),
        (last, [(lane, lane % 3, lane * 1_000_003) for lane in range(0, 88 * 7, 7)]),
        (last, [(65_535, 65_535, maximum)]),
    ]
    prices = [
        (0, 0, 0, 0, 0, 0),
        (150_000, 600_000, 0, 0, 1, 0),
        (150_000, 600_000, 0, 0, 1_000_000, 1_000_000),
        (150_000, 600_000, 10, 500, 37, 11),
        (1, 1, 0, 0, 999_999, 2),
        (0, 0, maximum, 0, 0, 0),
        (0, 0, maximum, 0, 1, 1),
        (1, 0, maximum, 0, 1, 0),
        (maximum, maximum, 0, 0, 500_000, 500_000),
        (maximum, maximum, 0, 0, 1_000_000, 1),
        (maximum, maximum, maximum, maximum, maximum, maximum),
    ]
    names = ("input_per_million", "output_per_million", "per_request", "minimum", "input_tokens", "output_tokens")
    text = lambda value: None if value is None else str(value)
    vectors = {
        "about": "Golden vectors of docs/protocol.md. Keys, hashes and signatures are base58, amounts decimal strings.",
        "lane_key": {"seed_hex": seed("lane key").hex(), "public": base58(public)},
        "domains": [
            {"program": base58(p), "genesis_hash": base58(g), "channel": base58(c), "opened_slot": str(s), "domain": base58(d)}
            for p, g, c, s, d in channels
        ],
        "vouchers": [
            {"domain": base58(d), "lane": l, "generation": g, "authorized": str(a), **signed(voucher(d, l, g, a))}
            for d, l, g, a in vouchers
        ],
        "statements": [
            {
                "domain": base58(d),
                "entries": [{"lane": l, "generation": g, "debit_to": str(t)} for l, g, t in entries],
                **signed(statement(d, entries)),
            }
            for d, entries in statements
        ],
        "state_queries": [
            {"domain": base58(d), "lane": l, "generation": g, "unix_seconds": str(t), **signed(state_query(d, l, g, t))}
            for d, l, g, t in queries
        ],
        "prices": [{**dict(zip(names, map(str, case))), "price": text(price(*case))} for case in prices],
    }
    path = pathlib.Path(__file__).with_name("golden.json")
    path.write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    main()
