"""A file as it came → UTF-8 parts of whole lines, each knowing the number of its first line."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from qala.kernel.errors import BadInput, TooMuch, Unavailable

CHUNK = 4 << 20
FIRST_BYTES = 8 << 20  # of a first part, which the lake waits for; each is twice the one before
LONGEST_LINE = 1 << 20
RATIO_FROM_BYTES = 64 << 20  # a small file may be all zeros without harm


@dataclass(frozen=True, slots=True)
class Part:
    """Whole lines of a file, in UTF-8."""

    data: bytes
    first_line: int
    lines: int

    def of_lines(self, wanted: NDArray[np.int64]) -> bytes:
        """Some of its lines, by their numbers in the file."""
        if len(wanted) == self.lines:
            return self.data
        ends = np.flatnonzero(np.frombuffer(self.data, dtype=np.uint8) == 10) + 1
        starts = np.concatenate(([0], ends))
        ends = np.append(ends, len(self.data))
        at = wanted - self.first_line
        pairs = zip(starts[at].tolist(), ends[at].tolist(), strict=True)
        return b"".join([self.data[start:end] for start, end in pairs])


def _one_line_each(lines: bytes) -> bytes:
    """The lines without signs that a reader of CSV could take for other ends of lines or cells than theirs."""
    if b"\r" in lines:
        lines = lines.replace(b"\r\n", b"\n").replace(b"\r", b" ")
    return lines.replace(b"\x1f", "\ufffd".encode()) if b"\x1f" in lines else lines


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a plain, gzip or single-file zip file."""
    with path.open("rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        if magic[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield unpacked  # type: ignore[misc]
        elif magic in (b"PK\x03\x04", b"PK\x05\x06"):
            try:
                with zipfile.ZipFile(raw) as archive:
                    names = [one for one in archive.infolist() if not one.is_dir()]
                    if len(names) != 1:
                        listed = ", ".join(one.filename for one in names[:5]) or "none"
                        raise BadInput(
                            f"{path.name} holds {len(names)} files ({listed}), not one.",
                            fix="Pack the one file of readings alone.",
                        )
                    if names[0].flag_bits & 1:
                        raise BadInput(f"{path.name} is encrypted.", fix="Unpack it first.")
                    with archive.open(names[0]) as unpacked_file:
                        yield unpacked_file
            except zipfile.BadZipFile as error:
                raise BadInput(f"{path.name} is a broken zip file: {error}.", fix="Fetch it again.") from None
            except NotImplementedError as error:
                raise BadInput(f"{path.name} is packed in an unusual way: {error}.", fix="Unpack it first.") from None
        else:
            yield raw


def spool(
    path: Path,
    *,
    encoding: str,
    part_bytes: int,
    max_bytes: int,
    max_ratio: int,
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[Part]:
    """Unpack a text file part by part.

    Parts hold ``part_bytes`` and a little more. What does not decode becomes U+FFFD, so that its row can be refused by line number.

    Raises:
        BadInput: not text (UTF-16 unannounced, NUL bytes, one endless line), or a broken archive.
        TooMuch: it unpacks to more than allowed, or by a ratio that only a zip bomb has.
        Unavailable: it can't be read.
    """
    packed = max(path.stat().st_size, 1)
    is_utf8 = codecs.lookup(encoding).name == "utf-8"
    decoder = codecs.getincrementaldecoder("utf-8-sig" if is_utf8 else encoding)(errors="replace")
    written, lines, pending = 0, 0, b""
    first_line, filled = 1, 0
    part: list[bytes] = []
    enough = min(FIRST_BYTES, part_bytes)
    try:
        with _opened(path) as source:
            while True:
                try:
                    chunk = source.read(CHUNK)
                except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
                    raise BadInput(f"{path.name} is damaged: {error}.", fix="Fetch it again.") from None
                if written == 0 and is_utf8 and chunk[:2] in (b"\xff\xfe", b"\xfe\xff"):
                    raise BadInput(f"{path.name} is UTF-16.", fix='Say encoding = "utf-16" in the profile.')
                written += len(chunk)
                if written > max_bytes:
                    raise TooMuch(
                        f"{path.name} unpacks to more than {max_bytes >> 30} GiB.",
                        fix="Split it, or raise QALA_LOAD_MAX_GIB.",
                    )
                if written > RATIO_FROM_BYTES and written / packed > max_ratio:
                    raise TooMuch(
                        f"{path.name} unpacks to over {max_ratio} times its size: a zip bomb does that.",
                        fix="If it is really a file of readings, unpack it yourself or raise QALA_LOAD_MAX_RATIO.",
                    )
                if is_utf8 and written > len(chunk) and chunk.isascii() and chunk and not decoder.getstate()[0]:
                    text = chunk  # as nearly all of most files is
                else:
                    text = decoder.decode(chunk, final=not chunk).encode()
                if b"\0" in text:
                    raise BadInput(f"{path.name} is not text: it holds NUL bytes.", fix="Export it as CSV or Parquet.")
                data = pending + text
                cut = data.rfind(b"\n") + 1 if chunk else len(data)
                whole, pending = data[:cut], data[cut:]
                if len(pending) > LONGEST_LINE:
                    raise BadInput(
                        f"Line {lines + _ends(whole) + 1} of {path.name} is longer than {LONGEST_LINE >> 20} MiB.",
                        fix="A file of readings has one reading a line.",
                    )
                part.append(_one_line_each(whole))
                filled += len(whole)
                lines += _ends(whole)
                advance(len(chunk))
                may_be_bomb = 2 * packed < written <= RATIO_FROM_BYTES  # nothing of it is loaded before that is known
                if not chunk or (filled >= enough and not may_be_bomb):
                    enough = min(2 * enough, part_bytes)
                    last = lines + (1 if whole and not whole.endswith(b"\n") else 0)
                    held, part = b"".join(part), []
                    yield Part(held, first_line, last - first_line + 1)
                    if not chunk:
                        return
                    first_line, filled = lines + 1, 0
    except OSError as error:
        raise Unavailable(f"{path.name} can't be read: {error.strerror or error}.", fix="Look at its disk.") from error


def _ends(lines: bytes) -> int:
    return int(np.count_nonzero(np.frombuffer(lines, dtype=np.uint8) == 10))
