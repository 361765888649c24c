"""Where the embedded store's Unix socket is.

The kernel takes paths of 107 bytes at most (103 on macOS). A state folder with a longer
one gets its socket in a folder of its own under the temporary one, and a link to it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from service.errors import StorageUnavailableError

MAX_PATH_BYTES = 103

_NAME = "store.sock"


def socket_path(state_dir: Path) -> Path:
    """The path to connect to."""
    path = state_dir / _NAME
    # Not `resolve`: the state folder itself may be a link, made because it is short.
    return path.readlink() if path.is_symlink() else path


def socket_path_for_new(state_dir: Path) -> Path:
    """The path to listen at, and a link to it where it lies elsewhere."""
    path = state_dir / _NAME
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        return path
    short = _short_folder(state_dir) / _NAME
    if len(os.fsencode(short)) > MAX_PATH_BYTES:
        raise StorageUnavailableError(
            f"The paths of the state folder {state_dir} and of the temporary folder "
            f"are too long for a socket: set GMM_STATE_DIR to one of at most "
            f"{MAX_PATH_BYTES - len(_NAME) - 1} bytes."
        )
    short.unlink(missing_ok=True)
    path.symlink_to(short)
    return short


def remove_socket(state_dir: Path) -> None:
    """Remove what a dead server left."""
    socket_path(state_dir).unlink(missing_ok=True)
    (state_dir / _NAME).unlink(missing_ok=True)


def _short_folder(state_dir: Path) -> Path:
    """A folder of this user alone, the same for the same state folder."""
    name = hashlib.blake2b(os.fsencode(state_dir), digest_size=8).hexdigest()
    folder = Path(tempfile.gettempdir()) / f"gmm-{os.getuid()}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    # Everybody may write there: somebody else may have made it first.
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise StorageUnavailableError(
            f"The folder {folder} for the store's socket belongs to another user or "
            "is open to others; remove it and start again."
        )
    return folder
