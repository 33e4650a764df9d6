"""A browser (Debian's Chromium) in front of the page of a real service: uvicorn on a port, Postgres below it."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from ingest.reports import Fate
from service.http.app import create_app
from service.http.broadcast import BroadcastPolicy
from service.identity import Role
from service.ingestion import ingest
from service.keys import create_key
from service.sessions import OneTimeLink
from service.wiring import Footnote
from tests.service.http.wire import Wire

CHROMIUM = Path("/usr/bin/chromium")
IMAGES = Path(__file__).parents[3] / "docs" / "images"
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)
WIDE = (1280, 860)
PHONE = (390, 844)
