"""The generated documents, each a pure function of the seed and its number.

The number decides what is awkward about a document, in these fixed shares (``NO_UPDATED_AT`` …):

| a document whose number % 50 is | is awkward in that |
| --- | --- |
| 7 | it has no ``updatedAt`` |
| 11 | it has no title: the creator's user has no ``preferredName``, the project no ``title`` |
| 12 | as 11, and the creator's user has no ``fullName`` either |
| 17 | its user is gone (``userId`` / ``ownerId`` names nobody) |
| 21 | its title holds HTML |
| 3, 28 | its title is unicode: emoji sequences, right-to-left, combining marks |
| 5, 30 | its user is newer than itself (of projects: those whose owner's number is such) |

Of the projects every tenth (number % 10 = 4) is a private draft. What is secret or never meant for
a search holds ``NEVER_SENT``, so that a test can look for that one word.
"""

from __future__ import annotations

import hashlib
import random
from datetime import datetime, timedelta, timezone
from typing import Any

from bson import ObjectId

from sandbox import seed_words as words

Document = dict[str, Any]

NEVER_SENT = "never-sent"
CYCLE = 50
NO_UPDATED_AT = (7,)
NO_TITLE = (11, 12)
NO_NAME_AT_ALL = (12,)
USER_GONE = (17,)
HTML_TITLE = (21,)
UNICODE_TITLE = (3, 28)
USER_NEWER = (5, 30)
PRIVATE_DRAFT_EACH, PRIVATE_DRAFT_AT = 10, 4
# The users are the creators' and, of their own numbers, the projects' owners.
OWNER_USERS = 10_000_000
PROJECTS_PER_OWNER = 3

FIRST_CREATED = datetime(2023, 1, 1, tzinfo=timezone.utc)
BETWEEN_DOCUMENTS = timedelta(minutes=7)
MILLISECOND = timedelta(milliseconds=1)
# The longest time between a document's creation and its last update.
DOCUMENT_LIFE = timedelta(days=60)


def awkward(number: int, share: tuple[int, ...]) -> bool:
    """Whether the document of that number belongs to one of the shares above."""
    return number % CYCLE in share


def object_id(seed: int, kind: str, number: int) -> ObjectId:
    """The same on every run, ascending by number, its time that of ``created_at``."""
    seconds = int(created_at(number).timestamp()).to_bytes(4, "big")
    machine = hashlib.sha256(f"{seed}:{kind}".encode()).digest()[:5]
    return ObjectId(seconds + machine + (number % 2**24).to_bytes(3, "big"))


def created_at(number: int) -> datetime:
    """When a document of that number was made; times are whole milliseconds, as in Mongo."""
    return FIRST_CREATED + (number % OWNER_USERS) * BETWEEN_DOCUMENTS


def user(seed: int, number: int) -> Document:
    """A user with the secrets that must never be read. Numbers from OWNER_USERS on own projects."""
    rng = _rng(seed, "user", number)
    document = {
        "_id": object_id(seed, "user", number),
        "preferredName": _preferred_name(rng, number),
        "fullName": f"{rng.choice(words.FIRST_NAMES)} {rng.choice(words.LAST_NAMES)}",
        "role": "owner" if number >= OWNER_USERS else "creator",
        "status": rng.choice(("active", "active", "active", "suspended")),
        "email": f"{NEVER_SENT}-{number}@example.invalid",
        "hashedPassword": f"$2b$12${NEVER_SENT}{rng.getrandbits(160):040x}",
        "twoFA": {"enabled": rng.random() < 0.3, "secret": f"{NEVER_SENT}-{rng.getrandbits(80):x}"},
        "pushTokens": [f"{NEVER_SENT}-{rng.getrandbits(128):032x}" for _ in range(2)],
        "createdAt": created_at(number),
        "updatedAt": _user_updated_at(rng, number),
    }
    if number < OWNER_USERS:
        _drop(document, "preferredName", awkward(number, NO_TITLE))
        _drop(document, "fullName", awkward(number, NO_NAME_AT_ALL))
    return document


def creator(seed: int, number: int) -> Document:
    """A creator's profile, of the user of the same number; about 1.5 KB of BSON."""
    rng = _rng(seed, "creator", number)
    document = {
        "_id": object_id(seed, "creator", number),
        "userId": object_id(seed, _user_kind(number), number),
        "headline": _headline(rng),
        "bio": _prose(rng, 9),
        "skills": rng.sample(words.SKILLS, rng.randint(1, 6)),
        "categories": rng.sample(words.CATEGORIES, rng.randint(1, 3)),
        "availability": rng.choice(("open", "busy", "invite-only")),
        "verified": rng.random() < 0.4,
        "rating": {"average": rng.randint(20, 50) / 10, "count": rng.randint(0, 400)},
        "hourlyRate": {"amount": rng.randint(20, 180), "currency": "EUR"},
        "languages": rng.sample(words.LANGUAGES, rng.randint(1, 3)),
        "locations": [{"city": rng.choice(words.CITIES), "remote": rng.random() < 0.7}],
        "portfolio": [_portfolio_item(rng) for _ in range(3)],
        "payout": {"iban": f"{NEVER_SENT}-{rng.getrandbits(64):x}", "provider": "bank"},
        "moderationNotes": f"{NEVER_SENT}: {_prose(rng, 1)}",
        "createdAt": created_at(number),
        "updatedAt": _updated_at(rng, number),
    }
    return _drop(document, "updatedAt", awkward(number, NO_UPDATED_AT))


def project(seed: int, number: int) -> Document:
    """A project with its roles and milestones; about 1.5 KB of BSON."""
    rng = _rng(seed, "project", number)
    owner = owner_of(number)
    draft = number % PRIVATE_DRAFT_EACH == PRIVATE_DRAFT_AT
    document = {
        "_id": object_id(seed, "project", number),
        "ownerId": object_id(seed, _user_kind(number), owner),
        "title": _project_title(rng, number),
        "description": _prose(rng, 9),
        "category": rng.choice(words.CATEGORIES),
        "visibility": "private" if draft or rng.random() < 0.1 else "public",
        "collaborationType": rng.choice(("open", "invite")),
        "status": "draft" if draft else rng.choice(("active", "paused", "completed", "archived")),
        "roles": [_role(rng, seed) for _ in range(rng.randint(0, 4))],
        "milestones": [_milestone(rng, number) for _ in range(2)],
        "revenueSplits": [{"userId": object_id(seed, "user", owner), "percent": 100}],
        "teamMemberIds": [_member(rng, seed) for _ in range(rng.randint(0, 3))],
        "internalBudget": f"{NEVER_SENT}-{rng.randint(500, 90_000)}",
        "createdAt": created_at(number),
        "updatedAt": _updated_at(rng, number),
    }
    _drop(document, "title", awkward(number, NO_TITLE))
    return _drop(document, "updatedAt", awkward(number, NO_UPDATED_AT))


def owner_of(number: int) -> int:
    """The number of the user who owns the project of that number."""
    return OWNER_USERS + number // PROJECTS_PER_OWNER


def _rng(seed: int, kind: str, number: int) -> random.Random:
    return random.Random(f"{seed}:{kind}:{number}")


def _drop(document: Document, field: str, really: bool) -> Document:
    if really:
        document.pop(field, None)
    return document


def _user_kind(number: int) -> str:
    # An id of another kind is one that no user has.
    return "gone" if awkward(number, USER_GONE) else "user"


def _preferred_name(rng: random.Random, number: int) -> str:
    name = f"{rng.choice(words.FIRST_NAMES)} {rng.choice(words.LAST_NAMES)[0]}."
    if awkward(number, UNICODE_TITLE):
        return rng.choice(words.UNICODE_NAMES)
    return f"<b>{name}</b><script>alert(1)</script>" if awkward(number, HTML_TITLE) else name


def _project_title(rng: random.Random, number: int) -> str:
    adjective, noun = rng.choice(words.ADJECTIVES), rng.choice(words.NOUNS)
    title = f"The {adjective} {noun}: a {rng.choice(words.FORMATS)}"
    if awkward(number, UNICODE_TITLE):
        return f"{rng.choice(words.UNICODE_NAMES)} · {title}"
    return f"<h1>{title}</h1> & more" if awkward(number, HTML_TITLE) else title


def _updated_at(rng: random.Random, number: int) -> datetime:
    lived = rng.randrange(DOCUMENT_LIFE // MILLISECOND)
    return created_at(number) + lived * MILLISECOND


def _user_updated_at(rng: random.Random, number: int) -> datetime:
    # Older than everything that it is joined to, unless it is one of those that are newer.
    jitter = timedelta(milliseconds=rng.randrange(1000))
    if not awkward(number, USER_NEWER):
        return created_at(number) - timedelta(days=1) + jitter
    last = number
    if number >= OWNER_USERS:
        last = (number - OWNER_USERS + 1) * PROJECTS_PER_OWNER - 1
    return created_at(last) + DOCUMENT_LIFE + jitter


def _headline(rng: random.Random) -> str:
    first, second = rng.sample(words.SKILLS, 2)
    return f"{first.capitalize()} and {second} for {rng.choice(words.CATEGORIES)}"


def _prose(rng: random.Random, sentences: int) -> str:
    return " ".join(rng.choice(words.PROSE) for _ in range(sentences))


def _portfolio_item(rng: random.Random) -> Document:
    piece = f"{rng.choice(words.ADJECTIVES)}-{rng.choice(words.NOUNS)}-{rng.getrandbits(32):08x}"
    return {"url": f"https://example.invalid/work/{piece}", "kind": rng.choice(words.FORMATS)}


def _role(rng: random.Random, seed: int) -> Document:
    slots = rng.randint(1, 4)
    assigned = [_member(rng, seed) for _ in range(rng.randint(0, slots))]
    required = rng.sample(words.SKILLS, rng.randint(0, 3))
    return {
        "title": f"{rng.choice(words.SKILLS)} lead",
        "slots": slots,
        "assignedUserIds": assigned,
        "requiredSkills": required,
    }


def _milestone(rng: random.Random, number: int) -> Document:
    due = created_at(number) + timedelta(days=rng.randint(10, 300))
    return {"title": rng.choice(words.PROSE), "dueAt": due, "amount": rng.randint(100, 9000)}


def _member(rng: random.Random, seed: int) -> ObjectId:
    return object_id(seed, "user", rng.randrange(100))
