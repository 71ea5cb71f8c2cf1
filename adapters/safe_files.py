"""Files read with care and written whole."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from tempfile import TemporaryDirectory


def read(path: Path, most: int) -> bytes:
    """The bytes of a regular file; no other is opened, as that could wait for ever or do something.

    Raises OSError, or ValueError for anything else and for a file of more than `most` bytes.
    """
    size = size_of(path)
    if not 0 < size <= most:
        raise ValueError(f"it has {size} bytes, needs from 1 to {most}")
    with path.open("rb") as file:
        return file.read(size)


def read_part(path: Path, offset: int, length: int) -> bytes:
    """Some bytes of a regular file from an offset on. Raises OSError, or ValueError if there are too few."""
    size = size_of(path)
    if not 0 <= offset <= offset + length <= size:
        raise ValueError(f"it has {size} bytes, needs {length} from {offset} on")
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def size_of(path: Path) -> int:
    """The size of a regular file in bytes. Raises OSError, or ValueError for anything else."""
    status = path.stat()
    if not S_ISREG(status.st_mode):
        raise ValueError("it is no regular file")
    return status.st_size


def write(path: Path, data: bytes) -> None:
    """Write a file, all of it or nothing; folders are made. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as new:
        new.write_bytes(data)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to, in a new folder beside and of the same name; that file takes this one's place.

    Where the path is a link, that of the file it leads to. Where an error is raised, everything stays as it
    was. Raises OSError.
    """
    file = behind_links(path)
    with TemporaryDirectory(dir=file.parent, prefix=".") as folder:
        new = Path(folder, path.name)
        yield new
        new.replace(file)


def behind_links(path: Path) -> Path:
    """The regular file that a path leads to, which need not be there yet.

    Raises OSError where it leads to anything else, or to nowhere.
    """
    file = Path(os.path.realpath(path))
    try:
        if not S_ISREG(file.stat().st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
    except FileNotFoundError:
        if path.is_symlink() and not file.parent.is_dir():
            raise OSError(errno.ENOENT, f"it is a link to {file}, whose folder does not exist") from None
    return file
