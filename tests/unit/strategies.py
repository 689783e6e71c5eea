"""What hypothesis draws from: JSON, conf, BSON, ids, answers, counts."""

from __future__ import annotations

import math
import re
import uuid
from datetime import datetime, timedelta, timezone

from bson import (
    SON,
    Binary,
    Code,
    DatetimeMS,
    DBRef,
    Decimal128,
    Int64,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
)
from hypothesis import strategies as st

from reindex.conf import KNOWN_KEYS
from reindex.ledger import Counts
from tests.unit.builders import hex_id

# Stands in every text, pattern and byte string below: where it turns up, content leaked.
SECRET = "s3cr3t"
SECRET_NUMBER = 918273645

LONE_SURROGATES = ("\ud800", "half \udfff pair")

texts = st.text(max_size=12) | st.sampled_from(["", "naïve 名前 🎧", "\x00", *LONE_SURROGATES])
floats = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, 1e308, 5e-324, 0.5])
whole_numbers = st.integers() | st.sampled_from([0, -1, 2**63, 10**30, 10**300])

json_values = st.recursive(
    st.none() | st.booleans() | whole_numbers | floats | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)

hex_ids = st.integers(0, 2**96 - 1).map(hex_id)
any_case_ids = st.tuples(hex_ids, st.booleans()).map(lambda t: t[0].upper() if t[1] else t[0])

# Lines as people paste them: ids, or what is none, between separators.
separators = st.sampled_from(
    [" ", ", ", ",", "\t", "; ", '", "', "', '", "\u00a0", '["', '"]', "\r"]
)
pasted_lines = st.lists(
    separators | any_case_ids | st.sampled_from(["f" * 23, "no-id"]), max_size=7
).map("".join)

_numbers = whole_numbers | floats | st.just(10**400)  # more than a float can hold
_near_valid = st.fixed_dictionaries(
    {},
    optional={
        "docType": st.sampled_from(["creator", "projects", "all", "invalid"]) | json_values,
        "docIds": st.lists(any_case_ids | pasted_lines, max_size=4)
        | st.lists(json_values, max_size=3),
        "updatedSince": st.datetimes(timezones=st.just(timezone.utc)).map(datetime.isoformat)
        | st.sampled_from(["2026-11-20T02:00:00Z", "0001-01-01T00:00:00+23:59", "yesterday"])
        | st.sampled_from([20261120, 2026]),
        "mode": st.sampled_from(["full", "incremental", "partial"]),
        "chunkSize": _numbers,
        "maxInFlight": _numbers,
        "requestsPerSecond": _numbers,
        "failureTolerance": _numbers,
        "jobId": st.from_regex(r"[a-z0-9]{1,24}", fullmatch=True) | json_values,
        "workerId": texts | st.just("worker-1"),
        "redrive": st.just("manual__2026-05-01T12:00:00+00:00") | json_values,
        "logEveryDocument": json_values,
        "allowEmpty": st.booleans(),
        "dryRun": st.booleans() | json_values,
    },
)
_any_conf = st.dictionaries(st.sampled_from(KNOWN_KEYS) | texts, json_values, max_size=5)
confs = _near_valid | _any_conf

_ZONES = (timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-11)))
_bson_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.just(SECRET_NUMBER),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([10**30, -(10**300)]),
    floats,
    texts.map(lambda text: f"{SECRET}{text}"),
    st.just(""),
    st.datetimes(),
    st.datetimes(timezones=st.sampled_from([timezone.utc, *_ZONES])),
    st.sampled_from(
        [
            ObjectId(hex_id(7)),
            Decimal128("918273645.5"),
            Decimal128("NaN"),
            Decimal128("sNaN"),
            Decimal128("-Infinity"),
            Decimal128("1E+6144"),
            Int64(SECRET_NUMBER),
            Binary(SECRET.encode(), 4),
            SECRET.encode(),
            uuid.UUID(int=SECRET_NUMBER),
            Regex(SECRET, "i"),
            re.compile(SECRET),
            Timestamp(SECRET_NUMBER, 1),
            MinKey(),
            MaxKey(),
            DBRef("users", SECRET),
            DatetimeMS(2**62),
            Code(SECRET),
            Code(SECRET, {"x": SECRET}),
        ]
    ),
)
bson_values = st.recursive(
    _bson_scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        | st.lists(st.tuples(st.sampled_from("abc"), inner), max_size=2).map(SON)
    ),
    max_leaves=6,
)
_names = st.lists(_bson_scalars, max_size=3) | _bson_scalars
_roles = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "title": bson_values,
            "slots": st.integers(0, 9) | _bson_scalars,
            "requiredSkills": _names | st.lists(st.sampled_from(["mixing", "vocals"]), max_size=3),
            "assignedUserIds": _names,
        },
    )
    | _bson_scalars,
    max_size=3,
)
_FREE_FIELDS = (
    *("updatedAt", "userId", "ownerId", "availability", "skills", "verified", "headline"),
    *("categories", "rating", "title", "category", "status", "visibility", "collaborationType"),
)
documents = st.fixed_dictionaries(
    {"_id": st.just(ObjectId(hex_id(9))) | _bson_scalars},
    optional={
        **dict.fromkeys(_FREE_FIELDS, bson_values),
        "updatedAt": st.datetimes() | bson_values,
        "roles": _roles | bson_values,
    },
)
users = st.fixed_dictionaries(
    {"_id": st.just(ObjectId(hex_id(3)))},
    optional={
        "preferredName": bson_values,
        "fullName": bson_values,
        "updatedAt": st.datetimes() | bson_values,
    },
)


few = st.integers(0, 40)


@st.composite
def balanced_counts(draw: st.DrawFn) -> Counts:
    """Counts of which none is missing from the columns, and none stands in two."""
    indexed, ignored, failed, unchanged, would_send, missing = (draw(few) for _ in range(6))
    fetched = indexed + ignored + failed + unchanged + would_send
    appeared = draw(st.integers(0, fetched + missing))
    vanished = draw(few)
    expected = fetched + missing - appeared + vanished
    return Counts(
        expected, appeared, vanished, fetched, indexed, ignored, missing, failed, unchanged,
        would_send,
    )  # fmt: skip
