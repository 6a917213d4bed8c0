"""Words: what a page says, in the reader's language or in both.

Pure.  Texts come from the catalogues (texts/), which are trusted; all else that a page says is escaped by `safe`.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from geo_service.errors import BadParameter

Texts = Mapping[str, Mapping[str, object]]

LANGUAGES = ("zh", "en", "both")


@dataclass(frozen=True)
class Words:
    """The catalogues, and the languages a page speaks; the first one leads, the other stands below it."""

    texts: Texts
    languages: tuple[str, ...]

    @property
    def leading(self) -> str:
        """The language of the page as a whole."""
        return self.languages[0]

    def plain(self, key: str, language: str = "", **values: object) -> str:
        """Give a text ("statistics.column.share") in one language, the leading one unless another is named."""
        found: Mapping[str, object] = self.texts[language or self.leading]
        *groups, name = key.split(".")
        for group in groups:
            found = cast("Mapping[str, object]", found[group])
        return str(found[name]).format(**values)

    def each(self, key: str) -> dict[str, str]:
        """Give a text in each language of the page."""
        return {language: self.plain(key, language) for language in self.languages}

    def knows(self, key: str) -> bool:
        """Say whether the catalogues have a text of a group ("class.school")."""
        group, _, name = key.rpartition(".")
        found = self.texts[self.leading].get(group, {})
        return isinstance(found, Mapping) and name in found

    def say(self, key: str, **values: object) -> str:
        """Give a text as HTML, in each language of the page; values are escaped."""
        escaped = {name: safe(value) for name, value in values.items()}
        return self.titled({language: self.plain(key, language, **escaped) for language in self.languages})

    def titled(self, texts: Mapping[str, str]) -> str:
        """Give a text that stands in both languages elsewhere (a colour, a category) as HTML."""
        parts = [f'<span lang="{_TAGS[language]}">{texts[language]}</span>' for language in self.languages]
        return " ".join(parts)


_TAGS = {"zh": "zh-CN", "en": "en"}


def in_languages(texts: Texts, asked: str) -> Words:
    """Give the words of a page in the language asked for: zh, en, or both, Chinese first.

    Raises BadParameter for another one.

    >>> in_languages({"zh": {"day": "天"}, "en": {"day": "day"}}, "both").say("day")
    '<span lang="zh-CN">天</span> <span lang="en">day</span>'
    """
    if asked not in LANGUAGES:
        raise BadParameter(f"language={asked}: expected one of {', '.join(LANGUAGES)}")
    return Words(texts, ("zh", "en") if asked == "both" else (asked,))


def safe(value: object) -> str:
    """Escape what comes from outside, such as a place's name.

    >>> safe('<a "b">')
    '&lt;a &quot;b&quot;&gt;'
    """
    return html.escape(str(value), quote=True)


def joined(parts: Sequence[str]) -> str:
    """Put pieces of HTML one below another."""
    return "\n".join(part for part in parts if part)
