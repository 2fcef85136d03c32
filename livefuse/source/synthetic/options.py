"""What `synthetic:` URLs may say."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from urllib.parse import parse_qsl

from livefuse.errors import BadValue
from livefuse.source.synthetic.blocks import LEAST_HEIGHT_PX, LEAST_WIDTH_PX

_SCHEME = "synthetic:"
_SIZE = re.compile(r"(?:(\d{1,6})x(\d{1,6}))?(?:@(\d{1,6}(?:\.\d{1,6}|/\d{1,6})?))?")
_SMALLEST_PX, _LARGEST_PX, _MOST_FACES = 16, 8192, 8
_HINT = "synthetic:1280x720@30?faces=1&seed=0&frames=0&motion=1&noise=0.3&hand=0&identity=0,1&blocks=0"


@dataclass(frozen=True, slots=True)
class SyntheticOptions:
    """`frames` 0 runs for ever; motion 0 keeps every face still; `identities` names a seed per face (else seed + index).

    `hand` lets a hand pass in front of the first face every few seconds. `blocks` writes each frame's number and capture
    instant into its corner, as `livefuse.source.synthetic.blocks` says, when it is due.
    """

    width: int = 1280
    height: int = 720
    fps: Fraction = field(default_factory=lambda: Fraction(30))
    faces: int = 1
    seed: int = 0
    frames: int = 0
    motion: float = 1.0
    noise: float = 0.3
    hand: bool = False
    identities: tuple[int, ...] = ()
    blocks: bool = False

    def identity_seeds(self) -> tuple[int, ...]:
        given = self.identities[: self.faces]
        return given + tuple(self.seed + i for i in range(len(given), self.faces))

    def url(self) -> str:
        """The URL that says the same."""
        query = f"faces={self.faces}&seed={self.seed}&frames={self.frames}&motion={self.motion:g}&noise={self.noise:g}"
        named = f"&identity={','.join(map(str, self.identities))}" if self.identities else ""
        blocks = "&blocks=1" if self.blocks else ""
        return f"{_SCHEME}{self.width}x{self.height}@{self.fps}?{query}&hand={int(self.hand)}{named}{blocks}"


def parse_synthetic(url: str) -> SyntheticOptions:
    """Options from `synthetic:WIDTHxHEIGHT@FPS?name=value&...`; every part may be left out.

    Raises: BadValue, naming the option, its value and what is allowed.
    """
    if not url.startswith(_SCHEME):
        raise BadValue(f"{url!r} is no synthetic source", hint=f"start it with {_SCHEME!r}, as in {_HINT}")
    head, _, query = url[len(_SCHEME) :].partition("?")
    match = _SIZE.fullmatch(head)
    if match is None:
        raise BadValue(f"cannot read {head!r} in {url!r} as WIDTHxHEIGHT@FPS", hint=f"for example {_HINT}")
    width, height, fps = match.groups()
    known = SyntheticOptions()
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in options:
            raise BadValue(f"{name!r} is given twice in {url!r}", hint="give each option once")
        options[name] = value
    parsed = SyntheticOptions(
        width=_whole("width", width or str(known.width), _SMALLEST_PX, _LARGEST_PX),
        height=_whole("height", height or str(known.height), _SMALLEST_PX, _LARGEST_PX),
        fps=_rate(fps) if fps else known.fps,
        faces=_whole("faces", options.pop("faces", "1"), 0, _MOST_FACES),
        seed=_whole("seed", options.pop("seed", "0"), 0, 2**31 - 1),
        frames=_whole("frames", options.pop("frames", "0"), 0, 2**31 - 1),
        motion=_amount("motion", options.pop("motion", "1")),
        noise=_amount("noise", options.pop("noise", str(known.noise))),
        hand=bool(_whole("hand", options.pop("hand", "0"), 0, 1)),
        identities=_seeds(options.pop("identity", "")),
        blocks=bool(_whole("blocks", options.pop("blocks", "0"), 0, 1)),
    )
    if parsed.blocks and (parsed.width < LEAST_WIDTH_PX or parsed.height < LEAST_HEIGHT_PX):
        raise BadValue(
            f"blocks in {parsed.width}x{parsed.height}", hint=f"they want {LEAST_WIDTH_PX}x{LEAST_HEIGHT_PX} or more"
        )
    if options:
        raise BadValue(f"unknown option {sorted(options)[0]!r} in {url!r}", hint=f"known options: {_HINT}")
    return parsed


def _whole(name: str, text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"\d{1,12}", text) or not low <= int(text) <= high:
        raise BadValue(f"{name}={text!r} in a synthetic URL", hint=f"give a whole number from {low} to {high}")
    return int(text)


def _amount(name: str, text: str) -> float:
    if not re.fullmatch(r"\d{1,3}(\.\d{1,9})?", text) or float(text) > 1:
        raise BadValue(f"{name}={text!r} in a synthetic URL", hint="give an amount from 0 to 1")
    return float(text)


def _rate(text: str) -> Fraction:
    _, _, below = text.partition("/")
    rate = Fraction(0) if below and int(below) == 0 else Fraction(text)
    if not 1 <= rate <= 1000:
        raise BadValue(
            f"{text!r} frames per second in a synthetic URL", hint="give 1 to 1000, such as 30 or 30000/1001"
        )
    return rate


def _seeds(text: str) -> tuple[int, ...]:
    return tuple(_whole("identity", part, 0, 2**31 - 1) for part in text.split(",")) if text else ()
