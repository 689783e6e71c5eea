"""The vocabulary of the generated data."""

from __future__ import annotations

SKILLS = (
    "video editing", "colour grading", "sound design", "mixing", "illustration", "typography",
    "motion graphics", "3D modelling", "animation", "photography", "copywriting", "screenwriting",
    "translation", "voice-over", "set design", "lighting", "drone piloting", "podcasting",
    "web design", "game design", "composition", "community management", "research", "subtitling",
)  # fmt: skip
CATEGORIES = ("film", "music", "design", "writing", "games", "photography", "education", "stage")
LANGUAGES = ("en", "de", "fr", "es", "pt", "it", "ja", "ar", "he", "hi", "pl", "uk")
CITIES = ("Lisbon", "Kraków", "Nairobi", "Osaka", "Montréal", "Recife", "Tbilisi", "Hyderabad")
FIRST_NAMES = (
    "Amara", "Bela", "Chidi", "Dagny", "Emre", "Farah", "Goran", "Hana", "Ines", "Jonas", "Kofi",
    "Leila", "Mateo", "Nadia", "Oskar", "Priya", "Quentin", "Rosa", "Selim", "Tova",
)  # fmt: skip
LAST_NAMES = (
    "Adeyemi", "Bianchi", "Castillo", "Dvorak", "Eriksen", "Ferreira", "Gupta", "Haddad", "Ito",
    "Jansen", "Kowalski", "Lindqvist", "Moreau", "Nakamura", "Okafor", "Petrov", "Rossi", "Silva",
)  # fmt: skip
ADJECTIVES = ("quiet", "northern", "electric", "hidden", "slow", "paper", "second", "borrowed")
NOUNS = ("river", "archive", "kitchen", "signal", "orchard", "atlas", "harbour", "winter")
FORMATS = ("documentary", "album", "short film", "podcast", "exhibition", "game", "magazine")
PROSE = (
    "We start with a week of research and end with something that people can hold.",
    "The material is there; what is missing is somebody who can give it a shape.",
    "Expect long calls in the beginning and quiet work afterwards.",
    "Everything that is made stays with the people who made it.",
    "The budget is small and known, the calendar is honest.",
    "A first version exists and was shown to forty people last spring.",
    "Working language is English, drafts may come in any other.",
    "Deliverables are listed in the milestones and nothing else is expected.",
)
# An emoji of several code points, right-to-left text, combining marks, a plane beyond the first.
UNICODE_NAMES = (
    "👩🏽‍🎤 Zoë",
    "نور الهدى",
    "רותם לוי",
    "Zu\u0308le\u0304yha\u0301",
    "山田 𠮷郎",
    "क्षितिज",
)
