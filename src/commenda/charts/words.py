"""The words of a report, in Chinese and English, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

LANGUAGES = ("zh-CN", "en")

Texts = Mapping[str, tuple[str, str]]
"""What is said by key, in each of LANGUAGES."""

COMMON: Texts = MappingProxyType(
    {
        "theme": ("明 / 暗", "Light / dark"),
        "colours": ("红涨 / 绿涨", "Red up / green up"),
        "language": ("English", "中文"),
        "rows": ("{count} 行", "rows: {count}"),
    }
)
"""What every page says."""


@dataclass(frozen=True, slots=True)
class Words:
    """A report's words in one language."""

    language: str
    texts: Texts
    names: Texts

    def say(self, key: str, **values: object) -> str:
        versions = COMMON[key] if key in COMMON else self.texts[key]
        return versions[LANGUAGES.index(self.language)].format(**values)

    def name(self, name: str) -> str:
        """What a state, kind or profile is called; another name stands as it is."""
        return self.names[name][LANGUAGES.index(self.language)] if name in self.names else name
