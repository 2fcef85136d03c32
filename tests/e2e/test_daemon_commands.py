"""A real daemon, talked to by the commands of a terminal, and published to by FFmpeg's own WHIP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.e2e.conftest import Run
from tests.e2e.serving import Daemon, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Serve = Callable[[str], Daemon]

DRAWN = '[identity]\nphoto = "synthetic:7"\nconsent = "synthetic"\n'
PUBLISH = """
import sys, time
from fractions import Fraction
import av, numpy as np
url, token, certificate, key = sys.argv[1:]
options = {"strict": "experimental", "authorization": token, "cert_file": certificate, "key_file": key}
out = av.open(url, "w", format="whip", container_options=options)
video = out.add_stream("libx264", rate=15, options={"profile": "baseline", "preset": "superfast", "tune": "zerolatency"})
video.width, video.height, video.pix_fmt, video.gop_size = 320, 240, "yuv420p", 15
sound = out.add_stream("libopus", rate=48000)
sound.layout = "stereo"
began, told = time.monotonic(), 0
for number in range(15 * 30):
    frame = av.VideoFrame.from_ndarray(np.full((240, 320, 3), number % 200, np.uint8), "rgb24")
    frame.pts, frame.time_base = number, Fraction(1, 15)
    out.mux(video.encode(frame))
    while told < (number + 1) * 3200:
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1920), np.int16), "s16", "stereo")
        silence.sample_rate, silence.pts, silence.time_base = 48000, told, Fraction(1, 48000)
        out.mux(sound.encode(silence))
        told += 960
    time.sleep(max(0.0, began + (number + 1) / 15 - time.monotonic()))
"""


def test_a_daemon_is_run_from_a_terminal(daemon: Serve, livefuse: Run, tmp_path: Path) -> None:
    served = daemon('source = "synthetic:320x240@10"\n' + DRAWN)
    said = livefuse("health")
    assert (said.returncode, said.stdout) == (0, f"{served.url} is well\n")

    listed = json.loads(livefuse("sessions", "list", "--json").stdout)["sessions"]
    assert [(one["name"], one["state"]) for one in listed] == [("live", "running")]

    changed = livefuse("sessions", "set", "live", "detect.size=160", "overlay.enabled=true")
    assert changed.stderr == "live: took effect while it runs: detect.size, overlay.enabled\n"
    assert "restarted" in livefuse("sessions", "set", "live", "privacy.cover=slate").stderr
    assert served.session()["config"]["privacy"]["cover"] == "slate"

    made = livefuse("sessions", "create", "guest", "--set", "source=synthetic:160x120@10", "--no-start")
    assert (made.returncode, served.session("guest")["state"]) == (0, "stopped")
    assert livefuse("sessions", "restart", "guest").returncode == 0
    out = tmp_path / "guest.mkv"
    assert livefuse("sessions", "sink", "add", "guest", f"file:{out}").returncode == 0
    sink = next(name for name in served.session("guest")["sinks"] if name.startswith("file"))
    until(lambda: _frames(livefuse) > 5, "some frames leave")
    assert livefuse("sessions", "sink", "remove", "guest", sink).returncode == 0
    with av.open(str(out)) as written:
        assert sum(1 for _ in written.decode(video=0)) > 0
    assert livefuse("sessions", "remove", "guest").returncode == 0


def _frames(livefuse: Run) -> int:
    record = json.loads(livefuse("sessions", "stats", "guest", "--json").stdout)
    return int(record["frames"]["out"])


def test_what_a_command_meets_is_told_as_everywhere(daemon: Serve, livefuse: Run) -> None:
    served = daemon('source = "synthetic:160x120@5"\n' + DRAWN)
    missing = livefuse("sessions", "show", "nobody")
    assert (missing.returncode, missing.stderr.splitlines()[0]) == (1, "LF0901 there is no session `nobody`")
    misspelt = livefuse("sessions", "set", "live", "privcy.mode=open")
    assert (misspelt.returncode, misspelt.stderr.partition(" ")[0]) == (2, "LF0101")
    stranger = livefuse("sessions", "stop", "live", LIVEFUSE_TOKEN="wrong-token-of-some-length")
    assert (stranger.returncode, stranger.stderr.partition(" ")[0]) == (1, "LF0903")
    assert served.session()["state"] == "running"
    served.kill()  # whose note in the state folder stays behind
    gone = livefuse("health")
    assert (gone.returncode, gone.stderr.splitlines()[0]) == (1, "LF0905 no daemon runs here")


def test_a_hangup_has_the_configuration_read_again(daemon: Serve, livefuse: Run, tmp_path: Path) -> None:
    served = daemon('source = "synthetic:160x120@5"\n[serve]\nreload = false\n' + DRAWN)
    served._config.write_text(served._config.read_text() + "[detect]\nsize = 160\n")
    pid = json.loads(next((tmp_path / "home" / "state").glob("daemon-*.json")).read_text())["pid"]
    os.kill(pid, signal.SIGHUP)
    until(lambda: served.session()["config"]["detect"]["size"] == 160, "the change takes effect")
    assert "live:" not in livefuse("sessions", "reload").stderr  # it is in force already


@pytest.mark.skipif("whip" not in av.formats_available, reason="this FFmpeg has no WHIP")
def test_ffmpeg_publishes(daemon: Serve, tmp_path: Path) -> None:
    served = daemon('source = "webrtc:?video_size=320x240&framerate=15"\n' + DRAWN)
    certificate, key = _certificate(tmp_path)
    words = [f"{served.url}/live/whip", served.token, str(certificate), str(key)]
    with subprocess.Popen([sys.executable, "-c", PUBLISH, *words], stderr=subprocess.PIPE, text=True) as ffmpeg:
        try:
            until(lambda: served.api("GET", "/sessions/live/stats").get("frames", {}).get("out", 0) > 30, "it arrives")
            assert served.session()["publisher"] is True
        finally:
            ffmpeg.kill()
            said = ffmpeg.stderr.read() if ffmpeg.stderr else ""
    assert "Traceback" not in said


def _certificate(folder: Path) -> tuple[Path, Path]:
    """On P-256: FFmpeg with GnuTLS, as PyAV brings it, would make one on P-224, which OpenSSL and browsers refuse."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whip")]), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    signed = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(signed.public_bytes(pem))
    files[1].write_bytes(key.private_bytes(pem, private, serialization.NoEncryption()))
    return files
