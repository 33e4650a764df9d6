"""What is set, to what, and where that was said; secrets are shown as stars."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from service.settings import PREFIX, Settings, parts_of, said_in_environment, said_in_file

Origin = Literal["default", "file", "environment"]

MASK = "**********"
# An address may carry a name and a password, and a key among its parameters.
_ACCOUNT = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_PARAMETERS = re.compile(r"(?<=\?)\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSetting:
    """A setting by its name in the file and in the environment, with a value that may be shown to anybody."""

    name: str
    variable: str
    value: Any
    origin: Origin

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def show_settings(settings: Settings) -> list[ShownSetting]:
    """Every setting, in the order of docs/settings.md."""
    environment, file = said_in_environment(), said_in_file()
    values = settings.model_dump(mode="json")  # which shows secrets as stars
    shown = []
    for section in Settings.model_fields:
        for part in parts_of(section) or [""]:
            path = (section, part) if part else (section,)
            shown.append(
                ShownSetting(
                    name=".".join(path),
                    variable=f"{PREFIX}{'__'.join(path)}".upper(),
                    value=_masked(_at(values, path)),
                    origin="environment"
                    if _says(environment, path)
                    else "file"
                    if _says(file, path)
                    else "default",
                )
            )
    return shown


def _at(values: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    for name in path:
        values = values[name]
    return values


def _says(said: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Whether a source of settings says anything of the one at `path`."""
    here: Any = said
    for name in path:
        if not isinstance(here, Mapping) or name not in here:
            return False
        here = here[name]
    return True


def _masked(value: Any) -> Any:
    """The value without what addresses in it may hold of secrets."""
    match value:
        case str():
            return _PARAMETERS.sub(MASK, _ACCOUNT.sub(MASK, value)) if "://" in value else value
        case list():
            return [_masked(each) for each in value]
        case dict():
            return {name: _masked(each) for name, each in value.items()}
    return value
