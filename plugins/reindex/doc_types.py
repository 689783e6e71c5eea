"""
What a creator and a project are: where they live, what is read, what search gets to know.

The one file to touch for a new document type. Fields and payloads follow the platform's
contract ("Source collections", "What is sent"). A field that the document does not hold is sent
as ``null``: the index merges payloads, and a key left out would keep its old value there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reindex.errors import InvalidDocType

Document = Mapping[str, object]
Joined = Mapping[str, Document]
Payload = dict[str, object]

ALL = "all"
UNTITLED = "Untitled"


class UnreadableField(ValueError):
    """
    A field holds what cannot be sent.

    :param field: path in the document, such as ``roles[2].slots``
    :param found: the type that was found; never the value, which may be personal
    """

    def __init__(self, field: str, found: object, expected: str) -> None:
        super().__init__(f"{field} is a {type(found).__name__}, expected {expected}")


@dataclass(frozen=True)
class Join:
    """A document of another collection that the payload needs: ``local_field`` is its ``_id``."""

    name: str
    local_field: str
    collection: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class DocType:
    """
    One kind of document.

    ``fields`` is the projection (``_id`` and ``updatedAt`` come by themselves); ``payload`` gets
    the document and, by ``Join.name``, those of the joined documents that exist.
    """

    name: str
    plural: str
    collection: str
    fields: tuple[str, ...]
    joins: tuple[Join, ...]
    payload: Callable[[Document, Joined], Payload]


# Only the two names: the rest of a user (email, hashedPassword, twoFA, pushTokens) is never read.
_PERSON = ("preferredName", "fullName")


def _person_name(person: Document | None) -> object:
    return (person.get("preferredName") or person.get("fullName")) if person else None


def _creator_payload(profile: Document, joined: Joined) -> Payload:
    return {
        "title": _person_name(joined.get("user")) or UNTITLED,
        "skills": profile.get("skills"),
        "verified": profile.get("verified"),
        "status": profile.get("availability"),
        "headline": profile.get("headline"),
        "categories": profile.get("categories"),
        "rating": profile.get("rating"),
    }


def _project_payload(project: Document, joined: Joined) -> Payload:
    skills, role_counts = _from_roles(_list_of_objects(project.get("roles"), "roles"))
    return {
        "title": project.get("title") or UNTITLED,
        "category": project.get("category"),
        "status": project.get("status"),
        "visibility": project.get("visibility"),
        "collaborationType": project.get("collaborationType"),
        "skills": skills,
        "ownerName": _person_name(joined.get("owner")),
        "roleCounts": role_counts,
    }


def _list_of_objects(value: object, field: str) -> list[Document]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise UnreadableField(field, value, "a list of objects")
    for place, item in enumerate(value):
        # An exact dict is what a Mongo document is: a Mapping takes five times as long to tell.
        if type(item) is not dict and not isinstance(item, Mapping):
            raise UnreadableField(f"{field}[{place}]", item, "an object")
    return value


def _from_roles(roles: list[Document]) -> tuple[list[str], Payload]:
    """
    ``skills``: every role's ``requiredSkills``, each once, in the order of their first mention.
    ``roleCounts``: ``totalSlots``, and of these ``openSlots``, not taken by an assigned user.
    """
    skills: dict[str, None] = {}
    total = open_slots = 0
    for place, role in enumerate(roles):
        slots = role.get("slots")
        if type(slots) is not int:
            slots = 0 if slots is None else _whole(slots, f"roles[{place}].slots")
        assigned = _list_in(role, place, "assignedUserIds")
        total += slots
        open_slots += max(0, slots - len(assigned))
        for skill in _list_in(role, place, "requiredSkills"):
            if type(skill) is not str:  # a bson Code is a subclass, and no text
                field = f"roles[{place}].requiredSkills"
                raise UnreadableField(field, skill, "a list of texts")
            skills[skill] = None
    return list(skills), {"totalSlots": total, "openSlots": open_slots}


def _list_in(role: Document, place: int, field: str) -> list[object]:
    value = role.get(field)
    if type(value) is list:
        return value
    if value is not None:
        raise UnreadableField(f"roles[{place}].{field}", value, "a list")
    return []


def _whole(value: object, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1:
        raise UnreadableField(field, value, "a whole number")
    return int(value)


CREATOR = DocType(
    name="creator",
    plural="creators",
    collection="creatorprofiles",
    fields=("userId", "availability", "skills", "verified", "headline", "categories", "rating"),
    joins=(Join("user", "userId", "users", _PERSON),),
    payload=_creator_payload,
)

PROJECT = DocType(
    name="project",
    plural="projects",
    collection="projects",
    fields=(
        "ownerId",
        "title",
        "category",
        "status",
        "visibility",
        "collaborationType",
        "roles",
    ),
    joins=(Join("owner", "ownerId", "users", _PERSON),),
    payload=_project_payload,
)

DOC_TYPES: dict[str, DocType] = {kind.name: kind for kind in (CREATOR, PROJECT)}


def doc_type_names(value: object) -> tuple[str, ...]:
    """
    The document types that a conf's ``docType`` means: one, or every one for ``all``.

    :raises InvalidDocType: for anything else than a name, a plural or ``all``
    """
    for kind in DOC_TYPES.values():
        if value in (kind.name, kind.plural):
            return (kind.name,)
    if value == ALL:
        return tuple(DOC_TYPES)
    allowed = [name for kind in DOC_TYPES.values() for name in (kind.name, kind.plural)]
    raise InvalidDocType("docType", value, f"one of {', '.join([*allowed, ALL])}")
