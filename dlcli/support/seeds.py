"""Seeds: every use of random numbers derives its own from the one seed of the run, instead of sharing a generator."""

import hashlib
import json


def derive(seed: int, *path: str | int) -> int:
    """Derive a seed in [0, 2**63) for the use that `path` names, such as `"member", 3, "init"`.

    SHA-256 makes the streams of different paths and seeds independent, and adding a use changes no other.
    """
    digest = hashlib.sha256(json.dumps([seed, *path]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
