"""Models on torch: where they run, and what identifies their files.

The embedder and the cross-encoder adapter share this. It is imported by them alone, since it imports torch.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import torch
import transformers
from huggingface_hub.utils.tqdm import disable_progress_bars
from tokenizers import Tokenizer
from transformers import CONFIG_MAPPING

from retrieval.errors import ConfigurationError, WeightsError
from retrieval.processes.worker import Served
from retrieval.tokenizing import TextTokenizer

_log = logging.getLogger(__name__)

_HOW_TO_POINT = (
    "Where the Hugging Face hub cannot be reached, copy the model's whole repository into a folder "
    "and give that folder's path as the model."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """Where a model's files are, and what identifies them.

    location is a folder or a hub name, revision the hub's commit (None for a folder), name what people call it;
    fingerprint is the commit, or for a folder the sha256 of the weights.
    """

    location: str
    revision: str | None
    name: str
    fingerprint: str
    has_modules: bool

    def load(self, load: Callable[..., Any], *, device: str, precision: str, **options: Any) -> Any:
        """Call a sentence-transformers class with these files. Raises `WeightsError`."""
        dtype = choose_dtype(precision)
        if (reason := slow_precision(precision, device=device)) is not None:
            _log.warning("%s: %s", self.name, reason)
        transformers.utils.logging.disable_progress_bar()
        try:
            return load(
                self.location,
                revision=self.revision,
                local_files_only=self.revision is None,
                trust_remote_code=False,
                device=device,
                model_kwargs={"dtype": dtype},
                **options,
            )
        except Exception as exc:  # every library below raises its own root: safetensors, pickle, json, hub
            raise WeightsError(
                f"the model {self.location} cannot be loaded ({_first_line(exc)}). {_HOW_TO_POINT}"
            ) from exc


def find_model(model: str, *, organization: str) -> ModelFiles:
    """Resolve a folder or a hub name, which belongs to `organization` where it names none.

    Raises `ConfigurationError` and `WeightsError`.
    """
    if not model:
        raise ConfigurationError("no model is named; set it to a folder or to a name on the Hugging Face hub")
    folder = Path(model).expanduser()
    if folder.is_dir():
        _refuse_own_code(folder, model)
        return ModelFiles(
            location=str(folder),
            revision=None,
            name=folder.resolve().name,
            fingerprint=_weights_fingerprint(folder),
            has_modules=(folder / "modules.json").is_file(),
        )
    if model.startswith(("/", ".", "~")) or model.count("/") > 1:
        raise WeightsError(f"the model {model!r} is neither a folder nor the name of a model on the hub")
    return _find_on_hub(model if "/" in model else f"{organization}/{model}")


def _find_on_hub(name: str) -> ModelFiles:
    if not sys.stderr.isatty():
        disable_progress_bars()
    _log.info("looking up the model %s on the Hugging Face hub", name)
    try:
        snapshot = Path(
            huggingface_hub.snapshot_download(name, allow_patterns=["config.json", "modules.json"])
        )
    except (huggingface_hub.errors.HfHubHTTPError, OSError, ValueError) as exc:
        raise WeightsError(
            f"the model {name} cannot be had from the Hugging Face hub ({_first_line(exc)}). {_HOW_TO_POINT}"
        ) from exc
    _refuse_own_code(snapshot, name)
    return ModelFiles(
        location=name,
        revision=snapshot.name,
        name=name,
        fingerprint=snapshot.name,
        has_modules=(snapshot / "modules.json").is_file(),
    )


def _refuse_own_code(folder: Path, name: str) -> None:
    """Raise `WeightsError` for a model that is computed by code among its own files: none such is ever run."""
    modules = _read_json(folder / "modules.json")
    kinds = (
        [each.get("type") for each in modules if isinstance(each, dict)] if isinstance(modules, list) else []
    )
    foreign = [kind for kind in kinds if not str(kind).startswith("sentence_transformers.")]
    for place in (folder, folder / "0_Transformer"):
        config = _read_json(place / "config.json")
        if (
            isinstance(config, dict)
            and "auto_map" in config
            and config.get("model_type") not in CONFIG_MAPPING
        ):
            foreign.append(config.get("model_type"))
    if foreign:
        raise WeightsError(
            f"the model {name} is computed by code of its own ({foreign[0]}), which Footnote does not run; "
            "choose a model whose architecture is part of transformers"
        )


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        raise WeightsError(f"{path} cannot be read ({type(exc).__name__})") from exc


def _weights_fingerprint(folder: Path) -> str:
    """sha256 of the one weights file, or of the sorted sha256 of several (shards, dense layers on top)."""
    files = sorted(folder.rglob("*.safetensors")) or sorted(folder.rglob("*.bin"))
    if not files:
        raise WeightsError(f"the folder {folder} holds no model weights (*.safetensors)")
    digests = []
    for file in files:
        with file.open("rb") as opened:
            digests.append(hashlib.file_digest(opened, "sha256").hexdigest())
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _first_line(exc: BaseException) -> str:
    lines = str(exc).strip().splitlines()
    return f"{type(exc).__name__}: {lines[0][:300]}" if lines else type(exc).__name__


def choose_device(asked: str | None) -> str:
    """The device to run on: the one asked for, else the first GPU, else the CPU. Raises `ConfigurationError`."""
    if asked is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(asked).type
    except RuntimeError as exc:
        raise ConfigurationError(f"torch knows no device {asked!r}; use 'cuda', 'cuda:1' or 'cpu'") from exc
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(
            f"the device {asked!r} was asked for, but torch {torch.__version__} sees no GPU here; "
            "install a torch build for the GPU's driver, or set the device to 'cpu'"
        )
    return asked


def count_gpus(orders: Mapping[str, Any]) -> Served:
    """How many GPUs torch sees, for a process that is asked nothing else (`retrieval.processes`)."""
    return Served(facts={"gpus": torch.cuda.device_count()}, answer=lambda _: np.empty(0, dtype=np.float32))


def choose_dtype(precision: str) -> torch.dtype:
    """The torch type of "fp32", "bf16" or "fp16". Raises `ConfigurationError`."""
    match precision:
        case "fp32":
            return torch.float32
        case "bf16":
            return torch.bfloat16
        case "fp16":
            return torch.float16
        case _:
            raise ConfigurationError(f"there is no precision {precision!r}; use fp32, bf16 or fp16")


_NATIVE = {"bf16": {"avx512_bf16", "amx_bf16", "bf16"}, "fp16": {"avx512_fp16", "amx_fp16", "asimdhp"}}
"""Any of these among a processor's features means that it multiplies in this precision, by Linux' names for them."""


def slow_precision(precision: str, *, device: str, processor: Path = Path("/proc/cpuinfo")) -> str | None:
    """Why a precision is slower than fp32 on this device, where that is known: a CPU without instructions for it.

    It is computed all the same, and rightly: an index that was made on a GPU can be asked on such a machine.
    """
    if device != "cpu" or precision not in _NATIVE:
        return None
    try:
        told = processor.read_text()
    except OSError:  # not Linux
        return None
    lines = [line.partition(":") for line in told.splitlines()]
    features = {
        word for name, _, words in lines if name.strip() in {"flags", "Features"} for word in words.split()
    }
    if not features or features & _NATIVE[precision]:
        return None
    return (
        f"this CPU has no instructions for {precision}, so the model takes several times as long as in fp32; "
        "set the precision to fp32, unless the index was made with another on a GPU"
    )


def private_tokenizer(model: Any, *, max_tokens: int | None = None) -> tuple[TextTokenizer, int]:
    """A copy of the model's tokenizer that threads may share, and the longest input in tokens.

    (transformers sets truncation on its own copy at every call, which two threads cannot do at once.)
    """
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise WeightsError(
            f"the tokenizer {type(model.tokenizer).__name__} has no tokenizer.json, which this adapter needs"
        )
    limits = (
        max_tokens,
        model.max_seq_length,
        getattr(model.config, "max_position_embeddings", None),
        _positions(model[0].auto_model),
    )
    longest = min(limit for limit in limits if limit is not None)
    return TextTokenizer(Tokenizer.from_str(backend.to_str()), max_tokens=longest), longest


def _positions(model: Any) -> int | None:
    """How many tokens have a position of their own: RoBERTa's kind counts from behind its padding token's id."""
    table: Any = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    padding_id = getattr(table, "padding_idx", None)
    return None if padding_id is None else int(table.num_embeddings - padding_id - 1)
