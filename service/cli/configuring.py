"""`footnote config`: what is set, and whether it can be."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Any

import typer

from service.cli.display import count, note, print_json, show_table
from service.cli.options import JsonOption
from service.configuration import Origin, ShownSetting, show_settings
from service.settings import load_settings, settings_file

_CONFIG_HELP = "What is set, to what, and where that was said."


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    config = typer.Typer(help=_CONFIG_HELP, no_args_is_help=True)
    config.command("show")(show)
    config.command("check")(check)
    app.add_typer(config, name="config")


def show(
    changed: Annotated[
        bool, typer.Option("--changed", help="Only what the environment or the file says.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Every setting with its value and where that comes from. Secrets are shown as stars."""
    settings = [
        setting for setting in show_settings(load_settings()) if not changed or setting.origin != "default"
    ]
    if as_json:
        print_json({"file": _file(), "settings": [setting.as_json() for setting in settings]})
        return 0
    show_table(
        ("setting", "value", "from"),
        [(setting.name, _shown(setting.value), setting.origin) for setting in settings],
    )
    note(f"The file is '{_file()}'." if _file() else "There is no file of settings.")
    return 0


def check(as_json: JsonOption = False) -> int:
    """Read all settings and say what is wrong with them; exit status 2 where something is. Reaches for nothing: whether
    servers answer is told by /health/ready."""
    settings = show_settings(load_settings())
    origins = Counter(setting.origin for setting in settings)
    if as_json:
        print_json({"ok": True, "file": _file(), "settings": dict(origins)})
    else:
        note(_in_order(settings, origins))
    return 0


def _in_order(settings: list[ShownSetting], origins: Counter[Origin]) -> str:
    file = f"{origins['file']} from '{_file()}'" if _file() else "no file"
    return (
        f"The settings are in order: {count(len(settings), 'setting')}, {file}, {origins['environment']} from the "
        f"environment, {origins['default']} as they are by default."
    )


def _file() -> str | None:
    file = settings_file()
    return None if file is None else str(file)


def _shown(value: Any) -> str:
    """As it would be written in the file; nothing where nothing is set."""
    return "" if value is None else json.dumps(value, ensure_ascii=False)
