"""The sections of a configuration: what each part of livefuse may be told. `config` decodes them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Ground = Literal["self", "licence", "public-domain", "synthetic"]
Fraction01 = Annotated[float, Field(ge=0, le=1)]
PlainWord = Annotated[str, Field(min_length=1)]
Area = Literal["upper-face", "lower-face", "mouth"]
Region = Literal[
    "skin",
    "left-eyebrow",
    "right-eyebrow",
    "left-eye",
    "right-eye",
    "glasses",
    "nose",
    "mouth",
    "upper-lip",
    "lower-lip",
]
Rung = Literal["enhance", "mask", "detect", "boost"]


class Section(BaseModel):
    """Frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class IdentityConfig(Section):
    """The face to put on. Without a ground for consent it is refused."""

    photo: str = Field(
        "", description="photo, folder of photos, video, or the name of a stored identity; `synthetic:SEED` draws one"
    )
    consent: Ground | None = Field(None, description="self, licence, public-domain or synthetic")
    by: str = Field("", description="who says so; the user's login name when empty")
    face: int | None = Field(
        None, ge=0, description="which face of the photo, counted from the left; needed if unclear"
    )


class RoleConfig(IdentityConfig):
    """One part of a cast: who looks like the reference photo wears this identity."""

    like: str = Field(min_length=1, description="photo of the person who wears it")


class DetectConfig(Section):
    """Finding faces."""

    model: str = Field("yunet", description="recipe of the detector; `known` asks a synthetic source for its truth")
    size: int = Field(320, ge=128, le=1280, description="longer side of the detector's input, px")
    every: int = Field(1, ge=1, le=30, description="run the detector on every n-th frame; the tracker predicts between")
    threshold: Fraction01 = Field(0.6, description="least score of a face")
    max_faces: int = Field(8, ge=1, le=64, description="most faces followed at once")


class AlignConfig(Section):
    """Placing landmarks on faces."""

    model: str = Field("openseeface", description="recipe of the landmarker; `none` goes by the detector's five points")


Choice = Literal["one", "all", "largest", "centre", "index", "like"]


class TrackConfig(Section):
    """Following faces over time, and choosing which to swap."""

    faces: Choice = Field(
        "one",
        description="swap the locked face, all, the largest, the one nearest the centre, the `index`-th from the left, or the "
        "one `like` a photo",
    )
    index: int = Field(0, ge=0, description='which face counted from the left, for `faces = "index"`')
    like: str = Field("", description='reference photo of the person to swap, for `faces = "like"`')
    recogniser: str = Field("mobilefacenet", description="recipe that tells people apart, for `like` and the cast")
    verify: bool = Field(False, description="have the recogniser keep tracks from hopping onto somebody else")
    likeness: Fraction01 = Field(0.4, description="least cosine to a reference photo")
    most: int = Field(8, ge=1, le=64, description="most faces swapped at once")
    min_px: int = Field(0, ge=0, description="faces less high than this are not swapped, px")
    hold_frames: int = Field(6, ge=0, le=120, description="frames a face that the detector lost is still swapped")
    min_hits: int = Field(2, ge=1, le=30, description="detections in a row before a new face is swapped")
    smooth: bool = Field(True, description="One-Euro filter on boxes and landmarks")
    look_seconds: float = Field(
        0.7, ge=0, description="how long a choice among several faces waits to see which one moves"
    )
    lock_seconds: float = Field(
        2.0, ge=0, description="how long the locked face may be away before another may take over"
    )


class SwapConfig(Section):
    """Replacing the face."""

    model: str = Field("mesh", description="recipe of the swapper; `mesh` needs no learned weights")
    boost: int = Field(1, ge=1, le=8, description="pixel boost: a learned swapper's face at n times its own size")
    morph: Fraction01 = Field(1.0, description="how far a DFM model that can morph goes to its identity")
    keep_mouth: bool | None = Field(
        None, description="keep the target's own mouth interior; where unsaid the mesh does and learned swappers do not"
    )
    keep_eyes: bool = Field(False, description="keep the target's own eyes")
    seam: Fraction01 = Field(0.5, description="softness of the seam, 0 hard to 1 wide")
    colour: Fraction01 = Field(1.0, description="how far colour and light follow the target")
    fade_frames: int = Field(5, ge=0, le=60, description="frames over which a swap fades in and out")


class ProfileConfig(Section):
    """How a learned swapper's crop goes back into the picture: our way, or exactly another program's."""

    name: Literal["livefuse", "insightface", "facefusion", "deep-live-cam"] = Field(
        "livefuse", description="livefuse, insightface, facefusion or deep-live-cam"
    )
    mask_blur: Fraction01 = Field(0.3, description="facefusion: softness of the box mask")
    mask_padding: tuple[int, int, int, int] = Field(
        (0, 0, 0, 0), description="facefusion: percent of the crop left out at top, right, bottom, left"
    )
    opacity: Fraction01 = Field(1.0, description="deep-live-cam: how much of the swap is seen")
    sharpness: float = Field(0.0, ge=0, le=5, description="deep-live-cam: unsharp masking of the swapped face")
    mouth_mask: float = Field(0.0, ge=0, le=100, description="deep-live-cam: size of the mouth that stays the target's")


class MaskConfig(Section):
    """Which parts of the face are swapped: what is in front of it stays the target's."""

    occlusion: tuple[PlainWord, ...] = Field(
        ("auto",),
        description="what finds hands and things before the face: `estimate` needs no weights, else recipes of occluders; "
        "of several the most careful counts; none with []; `auto` is the estimate, and nothing under another program's profile",
    )
    parser: str = Field("bisenet_resnet_34", description="recipe that tells the parts of a face apart, for `regions`")
    regions: tuple[Region, ...] = Field((), description="parts of the face to swap, by the parser; all when empty")
    areas: tuple[Area, ...] = Field(
        (), description="upper-face, lower-face, mouth: parts to swap, by landmarks; all when empty"
    )
    matte: str = Field("", description="recipe that tells the person from the background; none when empty")
    box: bool = Field(False, description="a soft box as well: `profile.mask_blur` and `profile.mask_padding` say how")
    steady: Fraction01 = Field(0.5, description="how far the edges of masks are held steady over time")
    every: int = Field(1, ge=1, le=30, description="run mask networks on every n-th frame; between, masks move along")


class ColourConfig(Section):
    """Colour and light of the swapped face."""

    method: Literal["auto", "none", "lab", "histogram", "relight"] = Field(
        "auto",
        description="what the swapped face takes of the target: nothing, mean and spread of its colours (lab), their "
        "distribution (histogram), or its smooth shading (relight); `auto` relights learned swappers in our own profile: the "
        "mesh has its own light, other programs have none",
    )
    amount: Fraction01 = Field(1.0, description="how much of it")
    seconds: float = Field(0.4, ge=0, le=10, description="time over which colours follow a change of light")
    seam: Fraction01 = Field(1.0, description="how far colours meet at the seam (livefuse profile)")


class EnhanceConfig(Section):
    """Sharpening the swapped face with a restoring network."""

    model: str = Field("", description="recipe of the enhancer; none when empty")
    every: int = Field(
        2, ge=1, le=30, description="run it on every n-th frame; between, what it added moves with the face"
    )
    blend: Fraction01 = Field(0.8, description="how much of it is seen")
    fidelity: Fraction01 = Field(0.5, description="CodeFormer: 0 sharpest, 1 truest to what went in")
    mask: Literal["face", "box"] = Field("face", description="where: inside the swapped face, or a soft box around it")
    wait: bool | None = Field(
        None, description="whether a frame waits for its network; by default files do and live pictures do not"
    )


class ExpressionConfig(Section):
    """Giving the swapped face the target's own expression back (LivePortrait)."""

    model: str = Field("", description="recipe of the generator; none when empty")
    amount: Annotated[float, Field(ge=0, le=100)] = Field(80.0, description="0 the swap's expression, 100 the target's")
    areas: tuple[Literal["upper-face", "lower-face"], ...] = Field(
        ("upper-face", "lower-face"), description="which part of the face"
    )


class AdaptiveConfig(Section):
    """Keeping the frame rate of live sources by lowering quality step by step, and coming back."""

    enabled: bool = Field(True, description="live sessions only; files are never lowered")
    load: float = Field(0.9, ge=0.3, le=1.0, description="part of the time between frames that work may take")
    settle_s: float = Field(4.0, ge=0.5, le=120, description="quiet time before quality is raised again")
    allowed: tuple[Rung, ...] = Field(
        ("enhance", "mask", "detect", "boost"), description="what may be lowered, the first of them first"
    )


class RuntimeConfig(Section):
    """What runs the models."""

    providers: tuple[str, ...] = Field(
        ("cpu",),
        description="ONNX Runtime's execution providers, preferred first: `cuda`, `cuda:device_id=1`, `coreml`",
    )
    strict: bool = Field(False, description="refuse to start when a provider does not run every node")
    threads: int = Field(0, ge=0, le=256, description="threads of one model's runs; 0 chooses")


class PrivacyConfig(Section):
    """What leaves when a face was not swapped."""

    mode: Literal["closed", "open"] = Field("closed", description="closed: never the real face; open: pass it through")
    cover: Literal["blur", "hold", "slate"] = Field(
        "blur", description="what stands in: blur, last good picture, slate"
    )
    slate: str = Field("", description="picture for the slate; a plain one when empty")


class OverlayConfig(Section):
    """What is drawn over the picture."""

    enabled: bool = Field(False, description="latency overlay")
    badge: bool = Field(True, description='visible "synthetic" badge')


class LiveConfig(Section):
    """Real-time behaviour."""

    deadline_ms: float = Field(
        100.0, gt=0, le=86_400_000, description="a frame older than this is dropped before it costs anything"
    )
    stall_ms: float = Field(
        500.0, gt=0, le=86_400_000, description="after this long without a frame, outputs get the slate"
    )
    lost_ms: float = Field(
        5000.0, gt=0, le=86_400_000, description="after this long without a frame, a live source is opened again"
    )
    idle_s: float = Field(
        10.0, ge=0, le=86_400, description="after this long without anybody looking, the pipeline rests; 0 never"
    )
    reconnect: bool = Field(True, description="reconnect a live source that fails")
    reconnect_max_s: float = Field(10.0, gt=0, le=86_400, description="longest wait between two attempts")
    loop: bool = Field(False, description="a video or picture file begins again when it ends")


class OutputConfig(Section):
    """Encoder settings of file and network sinks; a sink URL's own options win."""

    codec: str = Field("h264", description="h264, hevc or copy-like names that FFmpeg knows")
    crf: int = Field(18, ge=0, le=51, description="quality of files, lower is better")
    preset: str = Field("veryfast", description="x264 preset")
    bitrate: str = Field("", description="e.g. 4M: for network sinks; empty picks by size")
    upscale: str = Field("", description="recipe of an upscaler that enlarges what leaves; none when empty")
