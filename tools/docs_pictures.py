"""The pictures of the documentation, taken from a running demonstration: ``docs/images/*.png``.

    qala up --demo --port 8791                            # and, in it, a real file whose registers fell:
    qala load readings FILE --profile daiad
    python tools/docs_pictures.py http://127.0.0.1:8791   # CHROMIUM names the browser's program

The meter is the first of the file's whose register fell, else one of the demonstration.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
ACCOUNT, PASSWORD = "administrator@demo.qala", "qala-demo-2026"  # of every demonstration, no secret
LARGEST = 150_000  # bytes
ARGUMENTS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def sign_in(page: Page, address: str) -> None:
    page.goto(f"{address}/accounts/login/")
    page.fill('input[name="login"]:visible', ACCOUNT)  # the demonstration's buttons hold hidden ones
    page.fill('input[name="password"]:visible', PASSWORD)
    page.press('input[name="password"]:visible', "Enter")
    page.wait_for_url("**/console/**")


def fallen_meter(page: Page, address: str) -> str | None:
    """Path of the page of the loaded meter whose register fell furthest, at the days around it."""
    load = first_load(page, address)
    if load is None:
        return None
    page.goto(address + load)
    meters = {link.get_attribute("href") or "" for link in page.locator('main a[href*="/console/devices/"]').all()}
    found: list[tuple[float, str]] = []
    for meter in sorted(meters):
        page.goto(address + meter)
        for fall in page.locator("li", has_text="fell from").all():
            told = re.search(
                r"fell from ([\d,]+[.]\d+) to ([\d,]+[.]\d+)", " ".join((fall.text_content() or "").split())
            )
            if told:
                before, after = (float(number.replace(",", "")) for number in told.groups())
                found.append((before - after, meter + (fall.locator("a").first.get_attribute("href") or "")))
    return max(found)[1] if found else None


def first_load(page: Page, address: str) -> str | None:
    """Path of the page of the first load of a file, which brought all of it."""
    page.goto(f"{address}/console/loads/")
    found = page.locator('main a[href*="/console/loads/"]').all()
    paths = [path for link in found if re.search(r"/loads/[0-9a-f-]{36}/$", path := link.get_attribute("href") or "")]
    return paths[-1] if paths else None


def take(page: Page, address: str, path: str, name: str, *, wait: float = 2.0, height: int = 800) -> None:
    """One picture; as PNG, or as JPEG where that is too large."""
    page.set_viewport_size({"width": 1280, "height": height})
    page.goto(address + path)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(wait * 1000)
    for target, options in ((f"{name}.png", {"type": "png"}), (f"{name}.jpg", {"type": "jpeg", "quality": 80})):
        (IMAGES / target).unlink(missing_ok=True)
        picture = page.screenshot(**options)
        if len(picture) <= LARGEST:
            (IMAGES / target).write_bytes(picture)
            print(f"{target}: {len(picture)} bytes, {path}")
            return
    raise SystemExit(f"{name} is larger than {LARGEST} bytes in every form")


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    asked.add_argument("address", help="where the demonstration answers")
    asked.add_argument("--language", default="en", choices=["kk", "ru", "en"])
    given = asked.parse_args()
    address = given.address.rstrip("/")
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=ARGUMENTS)
        context = browser.new_context(
            viewport={"width": 1280, "height": 800}, device_scale_factor=1, locale=given.language, color_scheme="light"
        )
        page = context.new_page()
        sign_in(page, address)
        take(page, address, "/console/", "home")
        take(page, address, "/console/map/", "map", wait=6.0)
        take(page, address, "/console/devices/?q=W-000", "devices")
        take(page, address, fallen_meter(page, address) or "/console/devices/W-00001/", "meter", height=1000)
        load = first_load(page, address)
        if load is not None:
            take(page, address, load, "load")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
