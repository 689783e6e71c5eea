"""
Pure: the ids of a conf, one an item of a list, or as a person pasted them into the trigger form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from reindex.errors import InvalidConf

OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}", re.ASCII)
# What stands around ids in a spreadsheet, a log, a JSON list, mongosh (`ObjectId("…")`) or an
# export of mongoexport (`{"$oid": "…"}`).
_BETWEEN = re.compile(r"""(?:\bObjectId(?=\()|\$oid\b|[\s,;:|"'`“”‘’\[\](){}\u200b\ufeff])+""")
_EXPECTED = "an id of 24 hexadecimal characters"


def doc_ids_of(items: Sequence[object], *, pasted: bool) -> list[str]:
    """
    The ids in lower case, in the order given, also those that are given twice.

    :param pasted: an item may hold any number of ids between commas, spaces, quotes and brackets,
        as a line of the trigger form does; nothing but these separators is dropped
    :raises InvalidConf: names the item and, of one that holds several, the piece that is no id
    """
    return [doc_id for place, item in enumerate(items) for doc_id in _ids_in(place, item, pasted)]


def _ids_in(place: int, item: object, pasted: bool) -> list[str]:
    if not isinstance(item, str):
        raise InvalidConf(f"docIds[{place}]", item, _EXPECTED)
    pieces = [piece for piece in _BETWEEN.split(item) if piece] if pasted else [item]
    for number, piece in enumerate(pieces, 1):
        if not OBJECT_ID.fullmatch(piece):
            which = f" (number {number} of {len(pieces)} in this item)" if len(pieces) > 1 else ""
            raise InvalidConf(f"docIds[{place}]", piece, _EXPECTED + which)
    return [piece.lower() for piece in pieces]
