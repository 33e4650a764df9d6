"""Which devices a setting names, where it names several."""

from __future__ import annotations

import importlib.util

from retrieval.errors import ConfigurationError, ExtraMissingError, ModelError
from retrieval.processes.process import ModelProcess, ProcessEndedError

ALL = "all"
_IMPORT_LIMIT_S = 300.0


def names_several(device: str | None) -> bool:
    """Whether a model is to run on several devices, in a process for each: "cuda:0,cuda:1", or "all"."""
    return device is not None and (device.strip() == ALL or "," in device)


def split_devices(device: str) -> list[str]:
    """The devices that are named, in order; for "all" every GPU. Raises `ConfigurationError`."""
    if device.strip() == ALL:
        return _all_gpus()
    devices = [part.strip() for part in device.split(",")]
    if "" in devices:
        raise ConfigurationError(f"the device {device!r} has a comma with nothing beside it")
    if "cuda" in devices:
        raise ConfigurationError(
            f"the device {device!r} does not say which GPUs; number them: 'cuda:0,cuda:1', or say '{ALL}'"
        )
    if len({each.partition(":")[0] for each in devices}) > 1:
        raise ConfigurationError(
            f"the device {device!r} names devices of different kinds, of which the slower would hold up the rest"
        )
    return devices


def _all_gpus() -> list[str]:
    """Counted in another process: what torch takes of memory and GPU for that, this one needs for nothing else."""
    if importlib.util.find_spec("torch") is None:
        raise ExtraMissingError("gpu", f"the device '{ALL}'")
    try:
        process = ModelProcess("the GPUs", threads=1)
        try:
            count = process.load("retrieval.torch_models:count_gpus", {}, limit_s=_IMPORT_LIMIT_S)["gpus"]
        finally:
            process.end()
    except ProcessEndedError as exc:
        raise ModelError(f"the process that was to count the GPUs ended ({exc})") from exc
    if not count:
        raise ConfigurationError(
            f"the device '{ALL}' was asked for, but torch sees no GPU here; install a torch build for the GPU's "
            "driver, or set the device to 'cpu'"
        )
    return [f"cuda:{number}" for number in range(count)]
