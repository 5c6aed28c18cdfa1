"""Pictures that people hand in: what is refused, what is left of them, and what is cleaned away."""

from __future__ import annotations

import io
import os
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.test import RequestFactory
from PIL import Image, PngImagePlugin

from qala.kernel import media
from qala.kernel.downloads import picture_answer
from qala.kernel.errors import BadInput, NotFound, TooMuch
from qala.kernel.ids import new_id
from qala.kernel.models import MediaFile

NOW = datetime(2026, 5, 12, 6, tzinfo=UTC)


def picture(form: str = "JPEG", size: tuple[int, int] = (400, 300), mode: str = "RGB", **more: object) -> bytes:
    out = io.BytesIO()
    made = Image.new(mode, size, (200, 30, 30) if mode == "RGB" else (200, 30, 30, 0))
    made.paste((20, 20, 200) if mode == "RGB" else (20, 20, 200, 255), (0, 0, size[0] // 2, size[1] // 2))
    made.save(out, form, **more)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_it_is_drawn_anew(form: str) -> None:
    found = media.read_picture(picture(form, (3000, 1500)))
    assert (found.width, found.height) == (2048, 1024)
    assert opened(found.data).format == opened(found.thumbnail).format == "JPEG"
    assert opened(found.thumbnail).size == (320, 160)


def test_nothing_of_its_words_is_left() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    exif[0x010F] = "SECRETMAKER"
    exif.get_ifd(0x8825)[2] = (43.0, 14.0, 0.0)  # where it was taken
    data = picture(exif=exif, comment=b"SECRETCOMMENT", icc_profile=b"SECRETPROFILE")
    assert b"SECRETMAKER" in data and b"SECRETCOMMENT" in data
    found = media.read_picture(data)
    assert (found.width, found.height) == (300, 400), "upright"
    assert b"SECRET" not in found.data + found.thumbnail
    assert dict(opened(found.data).getexif()) == {} and "icc_profile" not in opened(found.data).info
    words = PngImagePlugin.PngInfo()
    words.add_text("Comment", "SECRETTEXT")
    assert b"SECRET" not in media.read_picture(picture("PNG", pnginfo=words)).data
    tail = media.read_picture(picture() + b"<script>SECRETTAIL</script>")
    assert b"SECRET" not in tail.data


def test_what_is_transparent_becomes_white() -> None:
    found = opened(media.read_picture(picture("PNG", mode="RGBA")).data)
    assert min(found.getpixel((390, 290))) > 250  # type: ignore[arg-type]


def bomb(width: int, height: int) -> bytes:
    """A small PNG that says it is enormous."""
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    chunk = (13).to_bytes(4, "big") + header + zlib.crc32(header).to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n" + chunk + picture("PNG")[33:]


@pytest.mark.parametrize("data", [bomb(20_000, 20_000), bomb(2**31 - 1, 2**31 - 1), b"x" * (media.MOST_BYTES + 1)])
def test_bombs_are_not_decoded(data: bytes) -> None:
    with pytest.raises((TooMuch, BadInput)):
        media.read_picture(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"no picture", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", b"%PDF-1.7", b"GIF89a" + b"\0" * 20,
     picture()[:300], picture("PNG")[:120], b"\xff\xd8\xff" + os.urandom(2000), picture("TIFF")],
)  # fmt: skip
def test_what_is_no_whole_picture_is_refused(data: bytes) -> None:
    with pytest.raises(BadInput):
        media.read_picture(data)


@pytest.mark.django_db
def test_files_lie_under_their_digest_once() -> None:
    found = media.read_picture(picture(size=(410, 300)))
    with transaction.atomic():
        first, second = (media.keep(found, owner=new_id(), now=NOW) for _ in range(2))
    assert first.sha256 == second.sha256 == found.sha256 and first.owner != second.owner
    assert media.path_of(first.sha256).read_bytes() == found.data
    assert media.path_of(first.sha256, thumbnail=True).read_bytes() == found.thumbnail
    assert [one for one in media.path_of(first.sha256).parent.iterdir() if one.name.startswith(".")] == []


@pytest.mark.django_db
def test_what_nothing_shows_is_cleaned_away() -> None:
    found = media.read_picture(picture(size=(420, 300)))
    with transaction.atomic():
        media.keep(found, owner=None, now=NOW)
    path = media.path_of(found.sha256)
    media.clean(NOW + timedelta(hours=1))
    assert path.exists() and MediaFile.objects.count() == 1, "somebody may be about to point at it"
    os.utime(path, (0, 0))
    media.clean(NOW + timedelta(days=2))
    assert not path.exists() and MediaFile.objects.count() == 0
    media.clean(NOW + timedelta(days=2))


@pytest.mark.django_db
def test_it_is_answered_for_one_browser_and_as_nothing_but_a_picture() -> None:
    found = media.read_picture(picture(size=(430, 300)))
    with transaction.atomic():
        kept = media.keep(found, owner=None, now=NOW)
    asked = RequestFactory()
    answer = picture_answer(asked.get("/"), kept.sha256, thumbnail=False)
    assert b"".join(answer.streaming_content) == found.data  # type: ignore[attr-defined]
    assert answer["Content-Type"] == "image/jpeg" and answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"].startswith("private") and "sandbox" in answer["Content-Security-Policy"]
    again = picture_answer(asked.get("/", headers={"If-None-Match": answer["ETag"]}), kept.sha256, thumbnail=False)
    assert again.status_code == 304
    with pytest.raises(NotFound):
        picture_answer(asked.get("/"), "0" * 64, thumbnail=True)
