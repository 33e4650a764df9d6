"""Which parser reads a file, told by its name alone, so that a folder can be listed without importing any parser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Literal

ParserKind = Literal[
    "plain",
    "code",
    "markdown",
    "restructuredtext",
    "asciidoc",
    "org",
    "html",
    "xml",
    "json",
    "csv",
    "subtitles",
    "notebook",
    "pdf",
    "image",
    "word",
    "slides",
    "sheet",
    "opendocument",
    "rtf",
    "legacy_office",
    "epub",
    "mail",
    "outlook",
    "unstructured",
]

VERSIONS: Mapping[ParserKind, str] = MappingProxyType(
    {
        "plain": "plain/2",
        "code": "code/1",
        "markdown": "markdown/2",
        "restructuredtext": "restructuredtext/1",
        "asciidoc": "asciidoc/1",
        "org": "org/1",
        "html": "html/2",
        "xml": "xml/1",
        "json": "json/1",
        "csv": "csv/1",
        "subtitles": "subtitles/1",
        "notebook": "notebook/1",
        "pdf": "pdf/2",
        "image": "image/1",
        "word": "word/2",
        "slides": "slides/1",
        "sheet": "sheet/1",
        "opendocument": "opendocument/1",
        "rtf": "rtf/1",
        "legacy_office": "legacy_office/1",
        "epub": "epub/1",
        "mail": "mail/1",
        "outlook": "outlook/1",
        "unstructured": "unstructured/1",
    }
)
"""Name and version of each parser, kept with every revision: when it rises, its files are parsed anew."""

_CODE = (
    "awk bash bat bzl c cc cfg cjs clj cljs cmake cmd conf cpp cs css cu cuh cxx dart diff el elm erl ex exs f f90 "
    "fish for fs fsx gd glsl go gradle graphql groovy h hcl hh hlsl hpp hrl hs hxx ini ino ipp java jl js jsx kt kts "
    "less lisp lua m mjs mk ml mli mm nim nix nut pas patch php pl pm po pp properties proto ps1 psm1 purs py pyi pyx "
    "r rake rb re rkt rs sass sbt scala scm scss sh sol sql sv svelte swift tcl tex tf tfvars thrift toml ts tsx v vb "
    "vbs vhd vhdl vue wgsl yaml yml zig zsh"
)

_XML = "xml nxml atom dbk dita docbook gpx jats kml opml rdf resx rss tei wsdl xlf xliff xsd xsl xslt"

EXTENSIONS: Mapping[str, ParserKind] = MappingProxyType(
    {
        **dict.fromkeys((f".{extension}" for extension in _CODE.split()), "code"),
        **dict.fromkeys((".txt", ".text", ".log"), "plain"),
        **dict.fromkeys((".md", ".markdown", ".mdx", ".mkd", ".qmd", ".rmd"), "markdown"),
        **dict.fromkeys((".rst", ".rest"), "restructuredtext"),
        **dict.fromkeys((".adoc", ".asciidoc", ".asc"), "asciidoc"),
        ".org": "org",
        **dict.fromkeys((".html", ".htm", ".xhtml", ".xht"), "html"),
        **dict.fromkeys((f".{extension}" for extension in _XML.split()), "xml"),
        **dict.fromkeys((".json", ".ndjson", ".jsonl", ".jsonc", ".geojson"), "json"),
        **dict.fromkeys((".csv", ".tsv", ".tab", ".psv"), "csv"),
        **dict.fromkeys((".vtt", ".srt"), "subtitles"),
        ".ipynb": "notebook",
        ".pdf": "pdf",
        **dict.fromkeys((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp"), "image"),
        **dict.fromkeys((".docx", ".docm", ".dotx"), "word"),
        **dict.fromkeys((".pptx", ".pptm", ".ppsx"), "slides"),
        **dict.fromkeys((".xlsx", ".xlsm", ".xlsb"), "sheet"),
        **dict.fromkeys((".odt", ".ott", ".ods", ".ots", ".odp", ".otp"), "opendocument"),
        ".rtf": "rtf",
        **dict.fromkeys((".doc", ".dot", ".ppt", ".pps", ".xls", ".xlt"), "legacy_office"),
        ".epub": "epub",
        **dict.fromkeys((".eml", ".mbox"), "mail"),
        ".msg": "outlook",
    }
)
"""Which parser reads a lower-case extension."""

_PLAIN_NAMES = (
    "authors changelog changes contributing copying faq history install licence license news notice readme thanks todo "
    "version"
)
_CODE_NAMES = (
    "brewfile build caddyfile cmakelists.txt containerfile dockerfile gemfile jenkinsfile justfile makefile procfile "
    "rakefile vagrantfile workspace"
)
_NAMES: Mapping[str, ParserKind] = MappingProxyType(
    {**dict.fromkeys(_PLAIN_NAMES.split(), "plain"), **dict.fromkeys(_CODE_NAMES.split(), "code")}
)
"""Which parser reads a file of a lower-case name that has no extension to tell."""


def parser_kind(file_name: str) -> ParserKind | None:
    """Which parser reads a file of this name; None if none does."""
    path = PurePath(file_name)
    return _NAMES.get(path.name.lower()) or EXTENSIONS.get(path.suffix.lower())
