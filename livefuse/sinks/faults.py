"""What FFmpeg and the system say when an output fails, as livefuse's own errors."""

from __future__ import annotations

import errno
from pathlib import Path

from livefuse.errors import DiskFull, SinkError, SinkUnwritable

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def file_fault(error: Exception, path: Path) -> SinkError:
    """The SinkError for an exception met while opening or writing `path`."""
    code = getattr(error, "errno", None)
    words = getattr(error, "strerror", None) or str(error)
    if code in _NO_ROOM:
        return DiskFull(
            f"no room left while writing {path}: {words}", hint="free space on that disk or write elsewhere"
        )
    if isinstance(error, FileNotFoundError):
        return SinkUnwritable(f"the folder {path.parent} does not exist", hint=f"mkdir -p {path.parent}")
    if isinstance(error, PermissionError) or code == errno.EROFS:
        return SinkUnwritable(f"not allowed to write in {path.parent}: {words}", hint="choose another folder")
    if isinstance(error, NotADirectoryError):
        return SinkUnwritable(f"{path.parent} is not a folder", hint="check the path")
    return SinkUnwritable(f"cannot write {path}: {words}", hint="check the codec, its options and the file's ending")
