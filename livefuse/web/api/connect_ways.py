"""All ways in and out of a session, each with a value that can be copied as it is.

Commands name the token as $LIVEFUSE_TOKEN: what is typed at a prompt is read by others who use the machine, and kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Item(NamedTuple):
    """`secret` values hold the token: they are shown only when asked for."""

    kind: str
    label: str
    value: str
    note: str = ""
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Called:
    """`page` is how the caller came, `programs` what programs beside it should call, `network` the way for phones.
    `free`: watching needs no token, so that addresses without one do."""

    page: str
    programs: str
    network: str
    ssh: str
    token: str
    ca_file: str
    free: bool

    @property
    def fragment(self) -> str:
        return f"#token={self.token}" if self.token else ""

    def watched(self, kind: str, label: str, url: str, note: str = "") -> Item:
        """An address of a page that shows pictures."""
        carried = "" if self.free else self.fragment
        return Item(kind, label, url + carried, note, bool(carried))


def watch(name: str, at: Called) -> list[Item]:
    whep = f"{at.programs}/{name}/whep"
    return [
        at.watched("player", "Player", f"{at.page}/{name}"),
        *([at.watched("player-network", "Player, for another computer", f"{at.network}/{name}")] if at.network else []),
        Item("whep", "WHEP", whep, "bearer token: only where watching is not free"),
        Item(
            "gstreamer-out", "GStreamer",
            f"gst-launch-1.0 whepsrc whep-endpoint={whep} use-link-headers=true "
            'video-caps="application/x-rtp,media=video,encoding-name=H264,payload=127,clock-rate=90000" '
            "! rtph264depay ! decodebin ! autovideosink",
        ),
        Item(
            "ffmpeg-out", "FFmpeg",
            f"livefuse sessions sink add {name} udp://127.0.0.1:5004 && "
            "ffplay -fflags nobuffer -flags low_delay udp://127.0.0.1:5004",
            "on the daemon's machine",
        ),
        Item("rtsp-out", "RTSP output", f"rtsp://127.0.0.1:8554/{name}", "add it under Outputs; a media server listens there"),
        Item("rtmp-out", "RTMP output", "rtmp://HOST/app/STREAM_KEY", "add it under Outputs, with your own host and key"),
        Item("srt-out", "SRT output", "srt://HOST:9000", "where FFmpeg has SRT; the wheels of PyAV have not"),
    ]  # fmt: skip


def publish(name: str, at: Called) -> list[Item]:
    whip = f"{at.programs}/{name}/whip"
    return [
        Item("publish", "This browser's camera", f"{at.page}/{name}/publish"),
        Item("whip", "WHIP", whip),
        Item("bearer", "Bearer token", at.token, secret=True),
        Item(
            "ffmpeg-in", "FFmpeg 8",
            "ffmpeg -re -i clip.mp4 -c:v libx264 -profile:v baseline -preset veryfast -tune zerolatency -bf 0 -g 60 "
            "-pix_fmt yuv420p -c:a libopus -ar 48000 -ac 2 -strict experimental "
            f'-f whip -authorization "$LIVEFUSE_TOKEN" {whip}',
        ),
        Item(
            "gstreamer-in", "GStreamer",
            "gst-launch-1.0 v4l2src ! videoconvert ! video/x-raw,format=I420 "
            "! x264enc tune=zerolatency speed-preset=superfast bitrate=2500 ! video/x-h264,profile=baseline "
            f'! whipclientsink signaller::whip-endpoint={whip} signaller::auth-token="$LIVEFUSE_TOKEN"',
        ),
        Item("rtmp-in", "RTMP source", f"rtmp://0.0.0.0:1935/live/{name}?listen=1&video_size=1280x720&framerate=30", _WAITS),
        Item("rtsp-in", "RTSP source", f"rtsp://0.0.0.0:8554/{name}?rtsp_flags=listen", _WAITS),
        Item("srt-in", "SRT source", "srt://0.0.0.0:9000?mode=listener", "where FFmpeg has SRT; the wheels of PyAV have not"),
    ]  # fmt: skip


_WAITS = "choose it as the source; it waits until somebody sends"


def obs(name: str, at: Called) -> list[Item]:
    trust = "OBS has to trust the certificate" if at.programs.startswith("https:") else ""
    return [
        at.watched("obs-browser", "Browser source", f"{at.programs}/{name}?clean=1", trust),
        Item("obs-service", "Service", "WHIP", "Settings, Stream"),
        Item("obs-server", "Server", f"{at.programs}/{name}/whip", trust),
        Item("obs-bearer", "Bearer Token", at.token, secret=True),
        Item(
            "obs-output", "Output", "x264, zerolatency, baseline, keyframe interval 2 s", "Settings, Output, Advanced"
        ),
        Item("obs-sync", "Sound in step with the picture", f"livefuse obs sync --session {name} --watch"),
    ]


def phone(name: str, at: Called) -> list[Item]:
    """Nothing where no other device can reach the daemon."""
    if not at.network:
        return []
    camera = Item("phone", "The phone as the camera", f"{at.network}/{name}/publish{at.fragment}", secret=True)
    items = [
        *([camera] if at.network.startswith("https:") else []),  # without HTTPS it would open a page without a camera
        at.watched("phone-watch", "Watch on the phone", f"{at.network}/{name}"),
        Item("phone-studio", "Control from the phone", f"{at.network}/{at.fragment}", secret=True),
    ]
    if at.ca_file:
        plain = at.network.replace("https://", "http://", 1)
        items.append(Item("ca", "Certificate to trust first", f"{plain}/ca.crt"))
    return items


def command(name: str, at: Called) -> list[Item]:
    trust = f" --cacert {at.ca_file}" if at.ca_file and at.programs.startswith("https:") else ""
    bearer = '-H "Authorization: Bearer $LIVEFUSE_TOKEN"'
    return [
        Item("token", "The token, for the commands here", f"export LIVEFUSE_TOKEN={at.token}", secret=True),
        Item("panic", "Panic", f"curl{trust} -X POST {bearer} {at.programs}/api/sessions/{name}/panic"),
        Item("resume", "Resume", f"curl{trust} -X POST {bearer} {at.programs}/api/sessions/{name}/resume"),
        Item("list", "Sessions", f"livefuse sessions list --daemon {at.programs}"),
        Item("ssh", "Tunnel", at.ssh, "then http://localhost has the camera; pictures still go by UDP to the daemon"),
    ]


GROUPS = {"watch": watch, "publish": publish, "obs": obs, "phone": phone, "command": command}
