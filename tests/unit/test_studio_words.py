"""Every word of the studio is in every catalogue, and says the same things."""

from __future__ import annotations

import json
import re

import pytest

from livefuse.web.pages import static_folder

STUDIO = static_folder() / "studio"
LANGUAGES = sorted(path.stem for path in (STUDIO / "lang").glob("*.json"))
_CALLED = re.compile(r"""\bt\(\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)""")
_MARKED = re.compile(r"<[^>]*\bdata-t(?=[\s>])[^>]*>([^<]+)<")
_LABELLED = re.compile(r'<[^>]*\baria-label="([^"]+)"[^>]*\bdata-t-label')
_TITLED = re.compile(r'<[^>]*\btitle="([^"]+)"[^>]*\bdata-t-title')


def words() -> set[str]:
    """What the page may say: literals given to t(), and what the shell marks."""
    found = set()
    for path in sorted(STUDIO.glob("*.js")):
        for literal in _CALLED.findall(path.read_text("utf-8")):
            assert not (literal.startswith("`") and "${" in literal), f"{path.name}: {literal} cannot be looked up"
            found.add(json.loads(f'"{_inner(literal)}"'))
    shell = (STUDIO.parent / "studio.html").read_text("utf-8")
    for pattern in (_MARKED, _LABELLED, _TITLED):
        found |= {text.strip() for text in pattern.findall(shell)}
    return found


def _inner(literal: str) -> str:
    inner = literal[1:-1].replace("\\'", "'").replace("\\`", "`")
    return inner if literal.startswith('"') else inner.replace('"', '\\"')


def test_there_are_languages() -> None:
    assert LANGUAGES == ["de", "es", "fr"]
    assert len(words()) > 100


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_is_translated(language: str) -> None:
    catalogue = json.loads((STUDIO / "lang" / f"{language}.json").read_text("utf-8"))
    assert not words() - catalogue.keys(), "missing"
    assert not catalogue.keys() - words(), "no longer said"
    for english, said in catalogue.items():
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", said)), (english, said)
        assert said.strip(), english
