"""How late livefuse's picture is, and the microphones of OBS that wait for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from livefuse.errors import ObsFailed, SessionError
from livefuse.obs.client import Obs

LEAST_MS, MOST_MS = -950, 20000
"""What OBS takes."""

Via = Literal["auto", "browser", "camera"]
_MICROPHONES = ("mic1", "mic2", "mic3", "mic4")
_KINDS = (
    "wasapi_input_capture", "coreaudio_input_capture", "pulse_input_capture", "alsa_input_capture",
    "pipewire_audio_input_capture", "jack_output_capture",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Delay:
    """Milliseconds from the instant a picture was due at the camera until OBS shows it.

    `measured`: until livefuse hands it on. `network`: half a viewer's measured round trip. `shown`: one frame, which a browser
    takes to decode and paint and OBS takes to pick a camera's picture up; it is an estimate.
    """

    measured: float
    network: float
    shown: float
    via: str

    @property
    def offset_ms(self) -> int:
        return max(LEAST_MS, min(MOST_MS, round(self.measured + self.network + self.shown)))


def delay_of(stats: Mapping[str, Any], via: Via = "auto") -> Delay:
    """Read from a session's statistics: over WebRTC if somebody watches so, else of its first output (p50).

    Raises: SessionError while there is nothing to measure.
    """
    webrtc = stats.get("webrtc", {})
    viewers = webrtc.get("viewers", [])
    p50_ms, fps = stats.get("latency_ms", {}).get("p50", 0.0), stats.get("fps", 0.0)
    if stats.get("state") != "running" or not p50_ms or not fps:
        raise SessionError("the session gives no pictures to measure", hint="start it: `livefuse sessions list`")
    if via == "browser" and not viewers:
        raise SessionError("nobody watches over WebRTC", hint="open the browser source in OBS, or --via camera")
    shown_ms = 1000 / fps
    if viewers and via != "camera":
        round_trips = [one["rtt_ms"] for one in viewers if one.get("rtt_ms")]
        measured_ms = webrtc.get("video_latency_ms") or p50_ms
        return Delay(measured_ms, min(round_trips, default=0.0) / 2, shown_ms, "browser")
    return Delay(p50_ms, 0.0, shown_ms, "camera")


def microphones(obs: Obs, name: str = "") -> dict[str, float]:
    """Offsets in milliseconds of OBS's microphones, or of the named input. Raises: ObsFailed if there is none."""
    names = [name] if name else _found(obs)
    if not names:
        raise ObsFailed(
            "OBS has no microphone", hint="add one there under Settings, Audio; or name an input: --input NAME"
        )
    return {one: obs.ask("GetInputAudioSyncOffset", inputName=one)["inputAudioSyncOffset"] for one in names}


def write_offsets(obs: Obs, names: Mapping[str, float], offset_ms: int) -> None:
    """Raises: ObsFailed."""
    for name in names:
        obs.ask("SetInputAudioSyncOffset", inputName=name, inputAudioSyncOffset=offset_ms)


def _found(obs: Obs) -> list[str]:
    special = obs.ask("GetSpecialInputs")
    named = [special[key] for key in _MICROPHONES if special.get(key)]
    inputs = obs.ask("GetInputList").get("inputs", [])
    return list(dict.fromkeys([*named, *(one["inputName"] for one in inputs if one["unversionedInputKind"] in _KINDS)]))
