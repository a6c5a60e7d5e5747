"""The loopback page as a person uses it: it fits, it can be read by everybody, its buttons give files."""

import json
import zipfile
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.browser.callpage import accessible, laid_out
from tests.browser.loopback import check_report
from tests.qa.page import compare_with, loopback, report_of, unfold

pytestmark = pytest.mark.browser

CHECKS = "environment,gateway_view,round_trip,ttfab,frame_age,soak"


async def downloaded(page: Page, button: str, directory: Path) -> Path:
    """What a button gives."""
    async with page.expect_download() as download:
        await page.get_by_role("button", name=button, exact=True).click()
    found = await download.value
    path = directory / found.suggested_filename
    await found.save_as(path)
    return path


async def test_the_page_after_a_run(tmp_path: Path) -> None:
    """Charts with tables, every export a file of its kind, a comparison; nothing cut or covered at any size, nothing
    that axe-core objects to in either scheme, no complaint of the browser."""
    async with loopback(tmp_path, f"?run={CHECKS}&length=short") as page:
        complaints: list[str] = []
        page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
        report = await report_of(page)
        check_report(report)
        await unfold(page)
        assert await page.locator(".chart svg").count() >= 5
        assert await page.locator(".chart").count() == await page.locator(".chart details table").count()
        assert await page.get_by_role("img", name="the very JPEG").is_visible()

        saved = await downloaded(page, "JSON", tmp_path)
        assert json.loads(saved.read_text(encoding="utf-8")) == report
        assert (await downloaded(page, "JUnit", tmp_path)).read_text(encoding="utf-8").startswith("<?xml")
        assert (await downloaded(page, "Markdown", tmp_path)).read_text(encoding="utf-8").startswith("# Loopback:")
        table = (await downloaded(page, "TTFAB (CSV)", tmp_path)).read_text(encoding="utf-8").splitlines()
        assert (table[0].split(",")[:2], len(table)) == (["scene", "ttfab_ms"], 7)
        assert (await downloaded(page, "Sound (WAV)", tmp_path)).stat().st_size > 500_000
        with zipfile.ZipFile(await downloaded(page, "Frames (ZIP)", tmp_path)) as archive:
            assert archive.testzip() is None
            assert all(archive.read(name).startswith(b"\xff\xd8") for name in archive.namelist())
            assert archive.namelist()

        await compare_with(page, saved)
        assert await laid_out(page) == []
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            assert await accessible(page) == []
        assert complaints == []
