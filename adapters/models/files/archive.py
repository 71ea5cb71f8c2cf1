"""The members of a zip archive, unpacked in memory that the archive's own size bounds."""

import struct
import zlib
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

# Unpacked, members may have this many bytes together, and so many times the archive's own.
FREE, TIMES = 2**26, 20
# What zipfile and zlib raise for archives that are damaged, beside ValueError and OSError.
BROKEN = (BadZipFile, NotImplementedError, RuntimeError, EOFError, LookupError, struct.error, zlib.error)


class Archive:
    """An archive's bytes, opened; `names` are those of its members.

    compressed: whether members that are read may be deflated; stored ones can be no larger than the archive.
    Raises ValueError where it is none, or could take more memory than it should.
    """

    def __init__(self, data: bytes, *, compressed: bool) -> None:
        try:
            self.zip = ZipFile(BytesIO(data))
        except BROKEN as error:
            raise ValueError(f"it is no zip archive: {error}") from None
        members = self.zip.infolist()
        self.names = [member.filename for member in members]
        self.methods = (ZIP_STORED, ZIP_DEFLATED) if compressed else (ZIP_STORED,)
        if len(set(self.names)) < len(members):
            raise ValueError("two members of the archive have one name")
        readable = [m for m in members if m.compress_type in self.methods]
        unpacked, most = sum(m.file_size for m in readable), len(data)
        if unpacked > (FREE + TIMES * most if compressed else most):
            raise ValueError(f"its members would be {unpacked} bytes, too many for an archive of {most}")

    def _need_plain(self, member: ZipInfo) -> None:
        if member.compress_type not in self.methods or member.flag_bits & 1:
            raise ValueError(f"member {member.filename} is compressed or encrypted as no such file is")

    def read(self, name: str) -> bytes:
        """A member's bytes. Raises ValueError where there is none, or it is damaged.

        No more is unpacked than the archive says, which was checked, whatever is packed.
        """
        if name not in self.names:
            raise ValueError(f"the archive has no member {name}")
        self._need_plain(self.zip.getinfo(name))
        try:
            with self.zip.open(name) as member:
                return member.read(self.zip.getinfo(name).file_size)
        except BROKEN as error:
            raise ValueError(f"member {name} is damaged: {error}") from None
