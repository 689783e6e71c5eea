"""What a creator and a project are: what is read of them, and what search gets to know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import reindex.doc_types
from reindex.doc_types import CREATOR, DOC_TYPES, PROJECT, DocType, UnreadableField, doc_type_names
from reindex.errors import InvalidDocType

SECRETS = ("email", "hashedPassword", "twoFA", "pushTokens")
# Fields of the collections that search never sees, beside the users' secrets.
UNSEEN = ("hourlyRate", "languages", "locations", "milestones", "revenueSplits", "teamMemberIds")


def all_fields(doc_type: DocType) -> list[str]:
    return [*doc_type.fields, *(name for join in doc_type.joins for name in join.fields)]


def project_payload(**fields: object) -> dict[str, object]:
    return PROJECT.payload(fields, {})


def roles(*roles: dict[str, object]) -> dict[str, object]:
    return {"roles": list(roles)}


@pytest.mark.parametrize(
    ("doc_type", "name", "plural", "collection", "join"),
    [
        (CREATOR, "creator", "creators", "creatorprofiles", ("user", "userId", "users")),
        (PROJECT, "project", "projects", "projects", ("owner", "ownerId", "users")),
    ],
)
def test_a_doc_type_lives_where_the_contract_says(
    doc_type: DocType, name: str, plural: str, collection: str, join: tuple[str, str, str]
) -> None:
    assert (doc_type.name, doc_type.plural, doc_type.collection) == (name, plural, collection)
    assert [(each.name, each.local_field, each.collection) for each in doc_type.joins] == [join]
    assert DOC_TYPES[name] is doc_type


@pytest.mark.parametrize("doc_type", DOC_TYPES.values(), ids=str)
def test_no_secret_of_a_user_is_ever_in_a_projection(doc_type: DocType) -> None:
    read = all_fields(doc_type)
    assert not set(read) & {*SECRETS, *UNSEEN}
    # A parent would bring its children along, an empty projection everything.
    assert all(name and "." not in name and "$" not in name for name in read)
    assert all(join.fields == ("preferredName", "fullName") for join in doc_type.joins)


@pytest.mark.parametrize("doc_type", DOC_TYPES.values(), ids=str)
def test_what_the_payload_reads_is_projected_and_nothing_else(doc_type: DocType) -> None:
    source = Path(reindex.doc_types.__file__).read_text(encoding="utf-8")
    function = source.split(f"def {doc_type.payload.__name__}(")[1].split("\n\n\n")[0]
    read = set(re.findall(r"(?:profile|project)\.get\(\"(\w+)\"\)", function))
    assert read | {join.local_field for join in doc_type.joins} == set(doc_type.fields)


def test_a_creators_payload_has_the_fields_of_the_contract() -> None:
    profile = {
        "skills": ["mixing"],
        "verified": True,
        "availability": "open",
        "headline": "Hi",
        "categories": ["audio"],
        "rating": {"average": 4.5, "count": 2},
        "hourlyRate": 99,
    }
    user = {"preferredName": "Ama", "fullName": "Ama Owusu", **dict.fromkeys(SECRETS, "s3cr3t")}
    assert CREATOR.payload(profile, {"user": user}) == {
        "title": "Ama",
        "skills": ["mixing"],
        "verified": True,
        "status": "open",
        "headline": "Hi",
        "categories": ["audio"],
        "rating": {"average": 4.5, "count": 2},
    }


def test_a_projects_payload_has_the_fields_of_the_contract() -> None:
    project = {
        "title": "An album",
        "category": "music",
        "status": "draft",
        "visibility": "private",
        "collaborationType": "invite",
        "description": "not for search",
        **roles(
            {"slots": 3, "requiredSkills": ["mixing", "vocals"], "assignedUserIds": ["x"]},
            {"slots": 1, "requiredSkills": ["vocals", "cello"]},
        ),
    }
    owner = {"fullName": "Ama Owusu", **dict.fromkeys(SECRETS, "s3cr3t")}
    assert PROJECT.payload(project, {"owner": owner}) == {
        "title": "An album",
        "category": "music",
        "status": "draft",
        "visibility": "private",
        "collaborationType": "invite",
        "skills": ["mixing", "vocals", "cello"],
        "ownerName": "Ama Owusu",
        "roleCounts": {"totalSlots": 4, "openSlots": 3},
    }


@pytest.mark.parametrize(
    ("user", "title"),
    [
        ({"preferredName": "Ama", "fullName": "Ama Owusu"}, "Ama"),
        ({"preferredName": "", "fullName": "Ama Owusu"}, "Ama Owusu"),
        ({"preferredName": None, "fullName": "Ama Owusu"}, "Ama Owusu"),
        ({"fullName": ""}, None),
        ({}, None),
        (None, None),
    ],
)
def test_a_person_is_called_by_the_preferred_name_then_the_full_one(
    user: dict[str, object] | None, title: str | None
) -> None:
    joined = {} if user is None else {"user": user, "owner": user}
    assert CREATOR.payload({}, joined)["title"] == (title or "Untitled")
    assert (PROJECT.payload({}, joined)["ownerName"] or None) == title


@pytest.mark.parametrize("title", [None, ""])
def test_a_project_without_a_title_is_untitled(title: str | None) -> None:
    assert project_payload(title=title)["title"] == project_payload()["title"] == "Untitled"


@pytest.mark.parametrize(
    ("doc_type", "empty"),
    [
        (CREATOR, {"title": "Untitled"}),
        (
            PROJECT,
            {
                "title": "Untitled",
                "skills": [],
                "roleCounts": {"totalSlots": 0, "openSlots": 0},
            },
        ),
    ],
    ids=["creator", "project"],
)
def test_a_field_that_the_document_lacks_is_sent_as_null_not_left_out(
    doc_type: DocType, empty: dict[str, object]
) -> None:
    payload = doc_type.payload({}, {})
    assert payload == dict.fromkeys(payload) | empty
    assert len(payload) == {"creator": 7, "project": 8}[doc_type.name]


@pytest.mark.parametrize(
    ("role", "counts"),
    [
        ({"slots": 2}, (2, 2)),
        ({"slots": 2, "assignedUserIds": ["a"]}, (2, 1)),
        ({"slots": 1, "assignedUserIds": ["a", "b", "c"]}, (1, 0)),
        ({"slots": 2.0}, (2, 2)),
        ({"slots": None, "assignedUserIds": None}, (0, 0)),
        ({}, (0, 0)),
    ],
)
def test_slots_are_counted_and_those_not_taken_are_open(
    role: dict[str, object], counts: tuple[int, int]
) -> None:
    total, open_slots = counts
    assert project_payload(**roles(role, {"slots": 10}))["roleCounts"] == {
        "totalSlots": total + 10,
        "openSlots": open_slots + 10,
    }


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"roles": {"0": {}}}, "roles is a dict, expected a list of objects"),
        ({"roles": "x"}, "roles is a str, expected a list of objects"),
        ({"roles": [{}, "x"]}, "roles[1] is a str, expected an object"),
        (roles({"requiredSkills": "x"}), "roles[0].requiredSkills is a str, expected a list"),
        (
            roles({}, {"requiredSkills": ["x", 5]}),
            "roles[1].requiredSkills is a int, expected a list of texts",
        ),
        (roles({"slots": "2"}), "roles[0].slots is a str, expected a whole number"),
        (roles({"slots": True}), "roles[0].slots is a bool, expected a whole number"),
        (roles({"slots": 1.5}), "roles[0].slots is a float, expected a whole number"),
        (roles({}, {"slots": float("nan")}), "roles[1].slots is a float, expected a whole number"),
        (roles({"slots": float("inf")}), "roles[0].slots is a float, expected a whole number"),
        (roles({"assignedUserIds": 3}), "roles[0].assignedUserIds is a int, expected a list"),
        (roles({"assignedUserIds": 0}), "roles[0].assignedUserIds is a int, expected a list"),
    ],
)
def test_a_field_that_cannot_be_read_is_named_by_its_path(
    fields: dict[str, object], message: str
) -> None:
    with pytest.raises(UnreadableField) as refused:
        project_payload(**fields)
    assert str(refused.value) == message


def test_all_is_every_doc_type_and_nothing_else_is() -> None:
    assert doc_type_names("all") == tuple(DOC_TYPES) == ("creator", "project")
    with pytest.raises(InvalidDocType, match=r"^InvalidDocType: ALL \(docType must be one of"):
        doc_type_names("ALL")
