"""Models on torch: where they run, what identifies their files, and how sequences become batches.

The embedder and the cross-encoder adapter share this. It is imported by them alone, since it imports torch.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import torch
import transformers
from huggingface_hub.utils.tqdm import disable_progress_bars
from numpy.typing import NDArray
from tokenizers import Tokenizer

from retrieval.errors import ConfigurationError, ModelError, WeightsError
from retrieval.tokenizing import TextTokenizer

_log = logging.getLogger(__name__)

Features = dict[str, Any]
"""Tensors by name, as a sentence-transformers module takes them."""


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
        transformers.utils.logging.disable_progress_bar()
        try:
            return load(
                self.location,
                revision=self.revision,
                local_files_only=self.revision is None,
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
    return ModelFiles(
        location=name,
        revision=snapshot.name,
        name=name,
        fingerprint=snapshot.name,
        has_modules=(snapshot / "modules.json").is_file(),
    )


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


def private_tokenizer(model: Any, *, max_tokens: int | None = None) -> tuple[TextTokenizer, int]:
    """A copy of the model's tokenizer that threads may share, and the longest input in tokens.

    (transformers sets truncation on its own copy at every call, which two threads cannot do at once.)
    """
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise WeightsError(
            f"the tokenizer {type(model.tokenizer).__name__} has no tokenizer.json, which this adapter needs"
        )
    limits = (max_tokens, model.max_seq_length, getattr(model.config, "max_position_embeddings", None))
    longest = min(limit for limit in limits if limit is not None)
    return TextTokenizer(Tokenizer.from_str(backend.to_str()), max_tokens=longest), longest


class BatchRunner:
    """Runs sequences of token ids in batches of similar length, with at most a number of padded tokens in each.

    `forward` gets a batch's tensors on the device and returns one row a sequence. Where the GPU runs out of memory,
    the batch is halved and the budget of later batches with it, which is logged. Threads may share a runner.
    """

    def __init__(
        self, forward: Callable[[Features], Any], *, device: str, pad_id: int, tokens_per_batch: int
    ) -> None:
        self._forward = forward
        self._device = torch.device(device)
        self._pad_id = pad_id
        self._tokens_per_batch = tokens_per_batch

    def run(
        self, sequences: Sequence[Sequence[int]], segments: Sequence[Sequence[int]] | None = None
    ) -> NDArray[np.float32]:
        """Run all sequences; float32 rows in the order given. Raises `ModelError`."""
        sequences = [sequence or [self._pad_id] for sequence in sequences]
        # The longest first: if memory is short, it shows at once.
        order = sorted(range(len(sequences)), key=lambda index: -len(sequences[index]))
        lengths = [len(sequences[index]) for index in order]
        outputs = []
        try:
            with torch.inference_mode():
                start = 0
                while start < len(order):
                    stop = start + max(1, self._tokens_per_batch // lengths[start])
                    outputs.append(self._run_batch(order[start:stop], sequences, segments))
                    start = stop
                # Only here does the host wait for the device.
                stacked = torch.cat(outputs).float().cpu().numpy()
        except RuntimeError as exc:
            raise ModelError(f"the model failed on {self._device} ({_first_line(exc)})") from exc
        rows: NDArray[np.float32] = np.empty_like(stacked)
        rows[order] = stacked
        if not np.isfinite(rows).all():
            raise ModelError(
                "the model returned values that are not finite; set the precision to bf16 or fp32"
            )
        return rows

    def _run_batch(
        self,
        batch: Sequence[int],
        sequences: Sequence[Sequence[int]],
        segments: Sequence[Sequence[int]] | None,
    ) -> Any:
        try:
            features = {
                "input_ids": self._tensor([sequences[index] for index in batch], self._pad_id),
                "attention_mask": self._tensor([[1] * len(sequences[index]) for index in batch], 0),
            }
            if segments is not None:
                features["token_type_ids"] = self._tensor([segments[index] for index in batch], 0)
            return self._forward(features)
        except torch.OutOfMemoryError as exc:
            if len(batch) == 1:
                raise ModelError(
                    f"a single text of {len(sequences[batch[0]])} tokens does not fit into the GPU's memory"
                ) from exc
        half = len(batch) // 2
        self._tokens_per_batch = min(self._tokens_per_batch, len(sequences[batch[0]]) * half)
        _log.warning(
            "out of GPU memory with %d texts in a batch; going on with %d tokens a batch",
            len(batch),
            self._tokens_per_batch,
        )
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        halves = (batch[:half], batch[half:])
        return torch.cat([self._run_batch(part, sequences, segments) for part in halves])

    def _tensor(self, rows: Sequence[Sequence[int]], filler: int) -> Any:
        """Pad to the longest row; on a GPU to a multiple of 8, which its attention kernels want."""
        width = max(map(len, rows))
        if self._device.type == "cuda":
            width = -(-width // 8) * 8
        padded = np.full((len(rows), width), filler, dtype=np.int64)
        for index, row in enumerate(rows):
            padded[index, : len(row)] = row
        tensor = torch.from_numpy(padded)
        if self._device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self._device, non_blocking=True)
