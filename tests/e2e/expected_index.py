"""
What the index must hold, worked out from the contract's table and the generated documents, by
code that shares nothing with the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from pymongo import MongoClient

from sandbox.seed import DATABASE

Expected = dict[str, tuple[dict[str, Any], str]]


def expected_index(mongo_uri: str) -> dict[str, Expected]:
    """By document type and id: the payload and ``updatedAt``."""
    client: MongoClient[dict[str, Any]] = MongoClient(mongo_uri)
    with client:
        database = client[DATABASE]
        users = {user["_id"]: user for user in database["users"].find()}
        return {
            "creator": {
                str(each["_id"]): _creator(each, users.get(each.get("userId")))
                for each in database["creatorprofiles"].find()
            },
            "project": {
                str(each["_id"]): _project(each, users.get(each.get("ownerId")))
                for each in database["projects"].find()
            },
        }


def _creator(profile: Mapping[str, Any], user: Mapping[str, Any] | None) -> tuple[Any, str]:
    payload = {
        "title": _name(user) or "Untitled",
        "skills": profile.get("skills"),
        "verified": profile.get("verified"),
        "status": profile.get("availability"),
        "headline": profile.get("headline"),
        "categories": profile.get("categories"),
        "rating": profile.get("rating"),
    }
    return payload, _updated_at(profile, user)


def _project(project: Mapping[str, Any], owner: Mapping[str, Any] | None) -> tuple[Any, str]:
    roles = project.get("roles") or []
    skills: list[str] = []
    for role in roles:
        skills += [skill for skill in role["requiredSkills"] if skill not in skills]
    payload = {
        "title": project.get("title") or "Untitled",
        "category": project.get("category"),
        "status": project.get("status"),
        "visibility": project.get("visibility"),
        "collaborationType": project.get("collaborationType"),
        "skills": skills,
        "ownerName": _name(owner),
        "roleCounts": {
            "totalSlots": sum(role["slots"] for role in roles),
            "openSlots": sum(
                max(0, role["slots"] - len(role.get("assignedUserIds", []))) for role in roles
            ),
        },
    }
    return payload, _updated_at(project, owner)


def _name(user: Mapping[str, Any] | None) -> Any:
    return None if user is None else user.get("preferredName") or user.get("fullName")


def _updated_at(document: Mapping[str, Any], user: Mapping[str, Any] | None) -> str:
    times: list[datetime] = [
        document.get("updatedAt") or document["_id"].generation_time.replace(tzinfo=None)
    ]
    if user is not None and user.get("updatedAt"):
        times.append(user["updatedAt"])
    newest = max(times).replace(tzinfo=timezone.utc)
    return newest.isoformat(timespec="milliseconds").replace("+00:00", "Z")
