"""Everything that can go wrong, as one tree; `livefuse explain CODE` prints a class's docstring.

LivefuseError
├── ConfigError            LF0100  exit 2
│   ├── UnknownKey         LF0101
│   └── BadValue           LF0102
├── SourceError            LF0200  exit 3
│   ├── SourceNotFound     LF0201
│   ├── NotMedia           LF0202
│   ├── SourceForbidden    LF0203
│   ├── SourceLost         LF0204
│   ├── SourceStalled      LF0205
│   ├── EmptySource        LF0206
│   ├── UnsupportedPicture LF0207
│   └── SourceDenied       LF0208
├── SinkError              LF0300  exit 6
│   ├── SinkUnwritable     LF0301
│   ├── DiskFull           LF0302
│   ├── SinkLost           LF0303
│   └── VirtualCameraMissing LF0304
├── IdentityError          LF0400  exit 4
│   ├── NoFace             LF0401
│   ├── SeveralFaces       LF0402
│   ├── NoConsent          LF0403
│   ├── DegenerateFace     LF0404
│   ├── UnknownIdentity    LF0405
│   └── NameTaken          LF0406
├── ModelError             LF0500  exit 4
│   ├── ModelMissing       LF0501
│   ├── ModelCorrupt       LF0502
│   ├── RecipeInvalid      LF0503
│   ├── DownloadFailed     LF0504
│   ├── StoreUnwritable    LF0505
│   ├── LicenceNotAccepted LF0506
│   └── ModelInUse         LF0507
├── EngineError            LF0600  exit 5
│   └── EngineFailed       LF0601
├── SessionError           LF0700  exit 1
│   ├── StageFailed        LF0701
│   ├── Interrupted        LF0702  exit 130
│   ├── NeedsRestart       LF0703
│   └── NotRunning         LF0704
├── PeerError              LF0800  exit 1
│   ├── BadOffer           LF0801
│   └── TooManyPeers       LF0802
├── DaemonError            LF0900  exit 1
│   ├── NotHere            LF0901
│   ├── AlreadyHere        LF0902
│   ├── NotAllowed         LF0903
│   ├── PortTaken          LF0904
│   ├── DaemonUnreachable  LF0905
│   └── JobFailed          LF0906
└── ObsFailed              LF1000  exit 1

Only `cli` exits the process; everything else raises one of these. A message says what happened and the value;
the hint says what to do about it.
"""

from __future__ import annotations

from typing import ClassVar


class LivefuseError(Exception):
    """Something livefuse can explain went wrong."""

    code: ClassVar[str] = "LF0000"
    exit_code: ClassVar[int] = 1
    registry: ClassVar[dict[str, type[LivefuseError]]] = {}

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __init_subclass__(cls) -> None:
        LivefuseError.registry[cls.code] = cls

    def __str__(self) -> str:
        return f"{self.message}\n  Try: {self.hint}" if self.hint else self.message


class ConfigError(LivefuseError):
    """The configuration cannot be used: a file, a flag or an environment variable has a value that makes no sense."""

    code, exit_code = "LF0100", 2


class UnknownKey(ConfigError):
    """A configuration key is not known. Unknown keys are refused, because a silently ignored `privcy = "closed"` would
    show a real face. The message names the nearest key that exists."""

    code = "LF0101"


class BadValue(ConfigError):
    """A known key, flag or URL option has a value outside its range or of the wrong type."""

    code = "LF0102"


class SourceError(LivefuseError):
    """The video source cannot be used."""

    code, exit_code = "LF0200", 3


class SourceNotFound(SourceError):
    """There is no such file, camera or stream. `livefuse devices` lists the cameras that this machine has."""

    code = "LF0201"


class NotMedia(SourceError):
    """The file exists but holds no picture or video that can be decoded: empty, truncated before its index, or of
    another kind altogether."""

    code = "LF0202"


class SourceForbidden(SourceError):
    """The content asks for something its name does not claim. A playlist or concat script that is called `.mp4` would
    make the demuxer open other files of this machine, so containers and protocols are limited to what the URL says."""

    code = "LF0203"


class SourceLost(SourceError):
    """A live source stopped delivering. The session covers the gap with the privacy slate and reconnects by itself;
    this error ends a session only when reconnecting was turned off."""

    code = "LF0204"


class SourceStalled(SourceLost):
    """A live source is still connected but has sent nothing for longer than its time limit."""

    code = "LF0205"


class EmptySource(SourceError):
    """The source opened and ended without a single frame."""

    code = "LF0206"


class UnsupportedPicture(SourceError):
    """The picture's size or pixel format is outside what livefuse works with: at least 16 px a side and at most
    16384 px a side."""

    code = "LF0207"


class SourceDenied(SourceError):
    """The file, camera or stream exists, but may not be opened: no permission (on Linux cameras belong to the group
    `video`), wrong credentials, or another program holds the camera."""

    code = "LF0208"


class SinkError(LivefuseError):
    """An output cannot be used."""

    code, exit_code = "LF0300", 6


class SinkUnwritable(SinkError):
    """The output's folder does not exist, is not writable, or the name's ending names no container that can hold
    video."""

    code = "LF0301"


class DiskFull(SinkError):
    """The disk filled up while writing. The unfinished file was removed; nothing under the final name was touched."""

    code = "LF0302"


class SinkLost(SinkError):
    """An output that was working stopped taking frames (a server hung up, a device was removed). Other outputs go on."""

    code = "LF0303"


class VirtualCameraMissing(SinkError):
    """No virtual camera driver was found. `livefuse doctor` prints the exact command for this system."""

    code = "LF0304"


class IdentityError(LivefuseError):
    """The identity (the face to put on) cannot be used."""

    code, exit_code = "LF0400", 4


class NoFace(IdentityError):
    """No face was found in the identity photo. A frontal, well-lit face of at least 80 px works best."""

    code = "LF0401"


class SeveralFaces(IdentityError):
    """The identity photo shows several faces and none is clearly the main one. Crop it, or choose one by its index."""

    code = "LF0402"


class NoConsent(IdentityError):
    """Nobody has said on what ground this face may be used, so it is not used. Grounds: `self` (it is me), `licence` (the
    person agreed or I hold a licence), `public-domain` (an old painting or the like), `synthetic` (nobody real)."""

    code = "LF0403"


class DegenerateFace(IdentityError):
    """The landmarks of a face nearly coincide: the face is too small or the detection is wrong."""

    code = "LF0404"


class UnknownIdentity(IdentityError):
    """The word names neither a photo, folder or video nor a stored identity. `livefuse identity list` shows what is
    stored."""

    code = "LF0405"


class NameTaken(IdentityError):
    """There is a stored identity of that name, whatever its case. Take another name, or replace it with `--replace`."""

    code = "LF0406"


class ModelError(LivefuseError):
    """A model file or its recipe cannot be used."""

    code, exit_code = "LF0500", 4


class ModelMissing(ModelError):
    """A model is not on this machine yet. `livefuse models pull NAME` fetches it; `LIVEFUSE_MODEL_MIRROR` names a folder
    or a URL to fetch it from instead of its public address."""

    code = "LF0501"


class ModelCorrupt(ModelError):
    """A model file's sha256 is not the one its recipe states (it was not kept: a wrong model is worse than none), or the
    file cannot be read as the format it should have."""

    code = "LF0502"


class RecipeInvalid(ModelError):
    """A recipe (TOML) lacks a field, has one of the wrong type, or has one nobody knows."""

    code = "LF0503"


class DownloadFailed(ModelError):
    """A model could not be downloaded from any of its addresses. What arrived is kept, the next pull resumes there."""

    code = "LF0504"


class StoreUnwritable(ModelError):
    """The folder of models cannot be written: it is read-only, the disk is full, or another process holds it.
    `LIVEFUSE_HOME` moves all of livefuse's folders elsewhere."""

    code = "LF0505"


class LicenceNotAccepted(ModelError):
    """The model may be used for non-commercial purposes only, and nobody has accepted that on this machine yet.
    `livefuse models pull NAME --accept-licence` does so once."""

    code = "LF0506"


class ModelInUse(ModelError):
    """A session runs this model, or it is being fetched: its file stays until that has ended."""

    code = "LF0507"


class EngineError(LivefuseError):
    """A model could not be made ready to run, or failed while running."""

    code, exit_code = "LF0600", 5


class EngineFailed(EngineError):
    """The runtime refused the model or failed while running it; the message carries the runtime's own words."""

    code = "LF0601"


class SessionError(LivefuseError):
    """The running session failed."""

    code, exit_code = "LF0700", 1


class StageFailed(SessionError):
    """A stage of the pipeline failed on many frames in a row. Single failures are covered (never the real face when
    privacy is closed) and counted."""

    code = "LF0701"


class Interrupted(SessionError):
    """A file job was stopped before its end. Nothing was written: an output appears only when it is complete."""

    code, exit_code = "LF0702", 130


class NeedsRestart(SessionError):
    """A change cannot be made while the session runs, such as a source of another size. The daemon restarts the session for
    it, and its viewers stay."""

    code = "LF0703"


class NotRunning(SessionError):
    """The session does not run just now, and what was asked wants one that does: start it, or wait until it has begun."""

    code = "LF0704"


class PeerError(LivefuseError):
    """A WebRTC peer could not be served."""

    code, exit_code = "LF0800", 1


class BadOffer(PeerError):
    """The session description (SDP) that a peer sent cannot be used: it is no SDP, is too large, or offers no codec that
    livefuse has (H.264 or VP8 for pictures, Opus for sound)."""

    code = "LF0801"


class TooManyPeers(PeerError):
    """The session has as many viewers as `webrtc.max_viewers` allows."""

    code = "LF0802"


class DaemonError(LivefuseError):
    """The daemon cannot do what it was asked."""

    code, exit_code = "LF0900", 1


class NotHere(DaemonError):
    """There is no session, preset, job or other thing of that name."""

    code = "LF0901"


class AlreadyHere(DaemonError):
    """The name is taken, or the thing is already in the state that was asked for."""

    code = "LF0902"


class NotAllowed(DaemonError):
    """The request does not carry the token, or comes from a page or by a name that this daemon does not know. Where the
    token is kept is printed by `livefuse serve`."""

    code = "LF0903"


class PortTaken(DaemonError):
    """No port could be opened to listen on."""

    code = "LF0904"


class DaemonUnreachable(DaemonError):
    """No daemon answers. Start one with `livefuse serve`, or name another with --daemon."""

    code = "LF0905"


class JobFailed(DaemonError):
    """A queued job failed; the message carries its own error."""

    code = "LF0906"


class ObsFailed(LivefuseError):
    """OBS Studio could not be asked, or refused: it does not run, its WebSocket server is off, the password is another
    one, or there is no such input. `livefuse obs status` shows what it says."""

    code, exit_code = "LF1000", 1
