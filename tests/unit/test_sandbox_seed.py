"""The generated data: the same for a seed, and the awkward ones in their stated shares."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import bson
import pytest

from sandbox import seed_documents as documents
from sandbox.seed import generate

COLLECTIONS = ("creatorprofiles", "users", "projects")
CREATORS, PROJECTS = 400, 600
Document = dict[str, Any]


def generated(collection: str, seed: int = 1) -> list[Document]:
    return list(generate(collection, CREATORS, PROJECTS, seed))


def share(collection: list[Document], numbers: tuple[int, ...]) -> list[Document]:
    return [each for number, each in enumerate(collection) if documents.awkward(number, numbers)]


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_seed_gives_the_same_documents(collection: str) -> None:
    assert generated(collection) == generated(collection)
    other = generated(collection, seed=2)
    pairs = zip(generated(collection), other, strict=True)
    assert all(one["_id"] != two["_id"] and one != two for one, two in pairs)


def test_a_document_does_not_change_when_there_are_more_of_them() -> None:
    few = list(generate("projects", 10, 20, 1))
    assert generated("projects")[:20] == few


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_ids_are_distinct_and_times_whole_milliseconds(collection: str) -> None:
    made = generated(collection)
    assert len({each["_id"] for each in made}) == len(made)
    back = [bson.decode(bson.encode(each), options) for each in made]
    assert back == made


options: Any = bson.CodecOptions(tz_aware=True, tzinfo=timezone.utc)


@pytest.mark.parametrize("collection", ["creatorprofiles", "projects"])
def test_ids_ascend_and_say_when_the_document_was_made(collection: str) -> None:
    made = generated(collection)
    assert [each["_id"] for each in made] == sorted(each["_id"] for each in made)
    assert all(each["_id"].generation_time == each["createdAt"] for each in made)


def test_the_size_of_a_document() -> None:
    for collection in ("creatorprofiles", "projects"):
        sizes = [len(bson.encode(each)) for each in generated(collection)]
        assert 1300 < sum(sizes) / len(sizes) < 1800


@pytest.mark.parametrize("collection", ["creatorprofiles", "projects"])
def test_no_updated_at(collection: str) -> None:
    made = generated(collection)
    without = [each for each in made if "updatedAt" not in each]
    assert without == share(made, documents.NO_UPDATED_AT)
    assert len(without) == len(made) // documents.CYCLE


def test_no_title() -> None:
    projects = generated("projects")
    untitled = [each for each in projects if "title" not in each]
    assert untitled == share(projects, documents.NO_TITLE) != []
    users = generated("users")[:CREATORS]
    nameless = [each for each in users if "preferredName" not in each]
    assert nameless == share(users, documents.NO_TITLE) != []
    anonymous = [each for each in nameless if "fullName" not in each]
    assert anonymous == share(users, documents.NO_NAME_AT_ALL) != []


@pytest.mark.parametrize(
    ("collection", "reference"), [("creatorprofiles", "userId"), ("projects", "ownerId")]
)
def test_the_user_is_there_unless_it_is_gone(collection: str, reference: str) -> None:
    users = {each["_id"] for each in generated("users")}
    made = generated(collection)
    orphans = [each for each in made if each[reference] not in users]
    assert orphans == share(made, documents.USER_GONE) != []


def test_titles_that_are_unicode_or_html() -> None:
    for titles in (
        [each.get("preferredName", "") for each in generated("users")[:CREATORS]],
        [each.get("title", "") for each in generated("projects")],
    ):
        exotic = [number for number, title in enumerate(titles) if not title.isascii()]
        marked = [number for number, title in enumerate(titles) if "<" in title]
        assert {number % documents.CYCLE for number in exotic} == set(documents.UNICODE_TITLE)
        assert {number % documents.CYCLE for number in marked} == set(documents.HTML_TITLE)
        assert len(exotic) == len(titles) // documents.CYCLE * len(documents.UNICODE_TITLE)


def newest_first(made: list[Document], reference: str) -> list[int]:
    """The numbers of the documents whose user is newer than themselves."""
    users = {each["_id"]: each for each in generated("users")}
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    return [
        number
        for number, each in enumerate(made)
        if users.get(each[reference], {}).get("updatedAt", epoch)
        > each.get("updatedAt", each["createdAt"])
    ]


def test_users_that_are_newer_than_the_profile() -> None:
    newer = newest_first(generated("creatorprofiles"), "userId")
    assert len(newer) == CREATORS // documents.CYCLE * len(documents.USER_NEWER)
    assert {number % documents.CYCLE for number in newer} == set(documents.USER_NEWER)


def test_users_that_are_newer_than_their_projects() -> None:
    newer = newest_first(generated("projects"), "ownerId")
    owners = {number // documents.PROJECTS_PER_OWNER % documents.CYCLE for number in newer}
    assert owners == set(documents.USER_NEWER)


def test_private_drafts() -> None:
    projects = generated("projects")
    drafts = [number for number, each in enumerate(projects) if each["status"] == "draft"]
    assert drafts == list(range(4, PROJECTS, 10))
    assert {projects[number]["visibility"] for number in drafts} == {"private"}
    assert {each["visibility"] for each in projects} == {"public", "private"}


def test_what_is_never_sent_is_marked() -> None:
    for user in generated("users"):
        for secret in ("email", "hashedPassword", "twoFA", "pushTokens"):
            assert documents.NEVER_SENT in json.dumps(user[secret])
    searchable = {"headline", "skills", "categories", "availability", "verified", "rating"}
    for profile in generated("creatorprofiles"):
        assert profile.keys() >= searchable
        shown = json.dumps({field: profile[field] for field in searchable})
        assert documents.NEVER_SENT not in shown
        assert documents.NEVER_SENT in json.dumps(profile, default=str)
