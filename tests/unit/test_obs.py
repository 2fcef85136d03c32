"""Sound and picture of OBS in step, against a small OBS that speaks its protocol."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livefuse.cli.app import run_command
from livefuse.errors import ObsFailed, SessionError
from livefuse.obs.client import Obs, proof
from livefuse.obs.sync import delay_of, microphones, write_offsets
from tests.unit.obs_fake import CHALLENGE, SALT, FakeOBS

PASSWORD = "supersecretpassword"


def stats(p50: float = 80.0, *, video: float = 0.0, rtt: float | None = None, fps: float = 25.0) -> dict[str, Any]:
    viewers = [] if rtt is None else [{"rtt_ms": rtt}, {"rtt_ms": None}]
    webrtc = {"viewers": viewers, "video_latency_ms": video}
    return {"state": "running", "fps": fps, "latency_ms": {"p50": p50}, "webrtc": webrtc}


@pytest.fixture
def obs() -> Iterator[FakeOBS]:
    with FakeOBS(PASSWORD).running() as fake:
        yield fake


# --- the protocol


def test_the_proof_is_that_of_the_protocols_own_example() -> None:
    assert proof(PASSWORD, SALT, CHALLENGE) == "1Ct943GAT+6YQUUX47Ia/ncufilbe6+oD6lY+5kaCu4="


def test_requests_are_answered_and_events_passed_over(obs: FakeOBS) -> None:
    with Obs(obs.url, PASSWORD) as client:
        assert client.ask("GetVersion")["obsVersion"] == "31.0.2"
        assert client.ask("GetInputAudioSyncOffset", inputName="Second mic") == {"inputAudioSyncOffset": 20}


@pytest.mark.parametrize(("password", "words"), [("", "wants a password"), ("wrong", "password is not that of OBS")])
def test_a_wrong_password_is_said_with_where_the_right_one_is(obs: FakeOBS, password: str, words: str) -> None:
    with pytest.raises(ObsFailed, match=words) as caught:
        Obs(obs.url, password)
    assert "Show Connect Info" in caught.value.hint
    assert PASSWORD not in str(caught.value)


def test_no_password_is_needed_where_none_is_asked() -> None:
    with FakeOBS().running() as fake, Obs(fake.url) as client:
        assert client.ask("GetVersion")


def test_another_protocol_version_is_said(obs: FakeOBS) -> None:
    obs.rpc = 2
    with pytest.raises(ObsFailed, match="another version"):
        Obs(obs.url, PASSWORD)


def test_nobody_there_is_said_with_what_to_start() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ObsFailed, match="does not answer") as caught:
        Obs(f"ws://127.0.0.1:{port}")
    assert "WebSocket Server Settings" in caught.value.hint
    with pytest.raises(ObsFailed, match="no address"):
        Obs("http://127.0.0.1:4455")


def test_something_else_at_the_port_is_not_taken_for_obs(monkeypatch: pytest.MonkeyPatch) -> None:
    from websockets.sync.server import ServerConnection

    def babble(self: FakeOBS, socket: ServerConnection) -> None:
        socket.send("hello?")

    monkeypatch.setattr(FakeOBS, "_talk", babble)
    with FakeOBS().running() as fake, pytest.raises(ObsFailed, match="is not OBS"):
        Obs(fake.url)


def test_hanging_up_is_said(obs: FakeOBS) -> None:
    obs.hang_up_at = "GetVersion"
    with Obs(obs.url, PASSWORD) as client, pytest.raises(ObsFailed, match=r"hung up \(1001\)"):
        client.ask("GetVersion")


def test_silence_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    left = threading.Event()
    monkeypatch.setattr("livefuse.obs.client._ANSWER_S", 0.2)
    monkeypatch.setattr(FakeOBS, "_talk", lambda *_: left.wait(10))
    with FakeOBS().running() as fake:
        with pytest.raises(ObsFailed, match="did not answer in time"):
            Obs(fake.url)
        left.set()


def test_a_refusal_names_the_request_and_the_reason(obs: FakeOBS) -> None:
    with Obs(obs.url, PASSWORD) as client:
        with pytest.raises(ObsFailed, match=r"inputName 'Mik'.*No source was found") as caught:
            microphones(client, "Mik")
        assert "livefuse obs status" in caught.value.hint
        with pytest.raises(ObsFailed, match="out of range"):
            write_offsets(client, {"Mic/Aux": 0}, 99999)
        with pytest.raises(ObsFailed, match="code 204"):
            client.ask("MakeCoffee", inputName="Music")


# --- what is measured


def test_over_webrtc_the_network_and_one_frame_come_on_top() -> None:
    delay = delay_of(stats(80, video=95, rtt=12))
    assert (delay.via, delay.measured, delay.network, delay.shown) == ("browser", 95, 6, 40)
    assert delay.offset_ms == 141


def test_a_camera_has_no_network() -> None:
    assert delay_of(stats(80)).offset_ms == delay_of(stats(80, video=95, rtt=12), "camera").offset_ms == 120


def test_what_cannot_be_measured_is_said() -> None:
    with pytest.raises(SessionError, match="no pictures"):
        delay_of(stats(0.0))
    with pytest.raises(SessionError, match="no pictures"):
        delay_of({"state": "stopped"})
    with pytest.raises(SessionError, match="nobody watches"):
        delay_of(stats(80), "browser")


def test_it_stays_within_what_obs_takes() -> None:
    assert delay_of(stats(90000.0)).offset_ms == 20000


def test_microphones_are_found_and_other_inputs_left(obs: FakeOBS) -> None:
    with Obs(obs.url, PASSWORD) as client:
        assert microphones(client) == {"Mic/Aux": 0, "Second mic": 20}
        assert microphones(client, "Music") == {"Music": 0}
        del obs.offsets["Mic/Aux"], obs.offsets["Second mic"]
        with pytest.raises(ObsFailed, match="no microphone"):
            microphones(client)


# --- the command


class Told:
    """A daemon whose statistics a test says."""

    url = "http://127.0.0.1:7853"

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)

    def get(self, path: str) -> dict[str, Any]:
        assert path == "/api/sessions/live/stats"
        if not self.answers:
            raise KeyboardInterrupt
        return self.answers.pop(0)

    def __enter__(self) -> Told:
        return self

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Told:
    told = Told(stats(80))
    monkeypatch.setattr("livefuse.cli.obs.connect", lambda _: told)
    monkeypatch.setattr("livefuse.cli.obs._LOOK_S", 0.0)
    monkeypatch.setattr("livefuse.cli.obs._AGAIN_S", 0.0)
    monkeypatch.setenv("OBS_PASSWORD", PASSWORD)
    return told


def test_sync_writes_all_microphones(obs: FakeOBS, daemon: Told, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["obs", "sync", "--url", obs.url, "--add", "25", "--json"]) == 0
    assert obs.offsets == {"Mic/Aux": 145, "Second mic": 145, "Music": 0}
    told = json.loads(capsys.readouterr().out)
    assert told["offset_ms"] == 145
    assert told["before_ms"] == {"Mic/Aux": 0, "Second mic": 20}
    assert told["delay"] == {"via": "camera", "measured_ms": 80.0, "network_ms": 0.0, "shown_ms": 40.0}


def test_sync_writes_the_named_input_with_a_password_from_a_file(
    obs: FakeOBS, daemon: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OBS_PASSWORD")
    (tmp_path / "pw").write_text(PASSWORD + "\n")
    arguments = ["obs", "sync", "--url", obs.url, "--password-file", str(tmp_path / "pw"), "--input", "Music"]
    assert run_command(arguments) == 0
    assert obs.offsets == {"Mic/Aux": 0, "Second mic": 20, "Music": 120}
    assert "Music: 120 ms (by camera: measured 80 + shown 40 ms)" in capsys.readouterr().err
    assert run_command([*arguments[:-3], str(tmp_path / "missing")]) == 2


def test_watching_follows_changes_of_more_than_ten_milliseconds(obs: FakeOBS, daemon: Told) -> None:
    daemon.answers = [stats(80), stats(88), stats(90), stats(95)]
    assert run_command(["obs", "sync", "--url", obs.url, "--watch", "--input", "Music"]) == 130
    assert obs.offsets["Music"] == 135
    assert obs.asked.count("SetInputAudioSyncOffset") == 2, "8 and 10 ms more are left, 15 are not"


def test_watching_comes_back_when_obs_does(
    obs: FakeOBS, daemon: Told, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers = [stats(80), stats(200), stats(200)]
    original = FakeOBS._answer

    def once(self: FakeOBS, told: dict[str, Any]) -> dict[str, Any]:
        if told["requestType"] == "SetInputAudioSyncOffset":
            self.hang_up_at = "GetInputAudioSyncOffset" if self.connections == 1 else ""
        return original(self, told)

    monkeypatch.setattr(FakeOBS, "_answer", once)
    real = FakeOBS._greet

    def greet(self: FakeOBS, socket: Any) -> None:
        self.hang_up_at = ""
        real(self, socket)

    monkeypatch.setattr(FakeOBS, "_greet", greet)
    assert run_command(["obs", "sync", "--url", obs.url, "--watch", "--input", "Music"]) == 130
    assert obs.connections == 2
    assert obs.offsets["Music"] == 240
    assert "hung up (1001); trying again" in capsys.readouterr().err


def test_a_first_failure_ends_the_watch(daemon: Told, obs: FakeOBS) -> None:
    assert run_command(["obs", "sync", "--url", obs.url, "--watch", "--input", "Mik"]) == 1
    assert obs.connections == 1


def test_status_shows_offsets_and_what_is_wanted(
    obs: FakeOBS, daemon: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["obs", "status", "--url", obs.url, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["inputs"] == {"Mic/Aux": 0, "Second mic": 20}
    assert told["wanted_ms"] == 120
    daemon.answers = [{"state": "stopped"}]
    assert run_command(["obs", "status", "--url", obs.url]) == 0
    shown = capsys.readouterr()
    assert "Second mic" in shown.out
    assert "no pictures to measure" in shown.err
    assert "SetInputAudioSyncOffset" not in obs.asked
