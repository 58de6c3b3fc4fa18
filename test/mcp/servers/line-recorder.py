"""A small MCP-like server that reads lines as many Python programs do, and writes down all it sees.

Standard library only. Text stdin with universal newlines: a carriage return ends a line here. Every line is taken
apart once more by str.splitlines, which also ends lines at U+0085, U+2028, U+2029 and some control characters.
Each piece is read by several readers: the last of two equal keys wins, the first wins, keys compared without case.
"""

import json
import sys
import unicodedata


def fold(key):
    return unicodedata.normalize("NFKC", key).lower()


def last_wins(pairs):
    return dict(pairs)


def first_wins(pairs):
    seen = {}
    for key, value in pairs:
        seen.setdefault(key, value)
    return seen


def folded_last(pairs):
    return {fold(key): value for key, value in pairs}


def folded_first(pairs):
    seen = {}
    for key, value in pairs:
        seen.setdefault(fold(key), value)
    return seen


READERS = {
    "last": last_wins,
    "first": first_wins,
    "folded_last": folded_last,
    "folded_first": folded_first,
}


def calls_in(message):
    """The tools a message calls, batches included."""
    messages = message if isinstance(message, list) else [message]
    calls = []
    for one in messages:
        if not isinstance(one, dict):
            continue
        method = one.get("method")
        if isinstance(method, str) and fold(method).strip() == "tools/call":
            params = one.get("params")
            name = params.get("name") if isinstance(params, dict) else None
            calls.append(name if isinstance(name, str) else repr(name))
    return calls


def answer(message):
    if isinstance(message, dict) and "method" in message and "id" in message:
        result = {"content": [{"type": "text", "text": "done"}]}
        reply = {"jsonrpc": "2.0", "id": message["id"], "result": result}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


def main():
    seen = {"lines": [], "calls": {name: [] for name in READERS}, "ended": False}
    for line in sys.stdin:
        seen["lines"].append(line)
        for piece in line.splitlines():
            for name, reader in READERS.items():
                try:
                    message = json.loads(piece, object_pairs_hook=reader)
                except (ValueError, RecursionError):
                    continue
                seen["calls"][name].extend(calls_in(message))
                if name == "last":
                    answer(message)
    seen["ended"] = True
    with open(sys.argv[1], "w", encoding="ascii") as record:
        json.dump(seen, record)


main()
