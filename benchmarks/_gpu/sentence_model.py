"""A sentence model with random weights, in the files in which such models are distributed."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LAYERS = (
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
)
MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
"""The architecture of all-MiniLM-L6-v2."""
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}


def write_model(folder: Path, words: Sequence[str], sizes: dict[str, int], *, longest: int = 32) -> None:
    """Write a BERT whose vectors are means over tokens.

    Args:
        folder: Where to; it must not exist.
        words: The vocabulary besides the special tokens; pieces within a word start with ##.
        sizes: Of the network, as `BertConfig` names them.
        longest: Tokens after which a text is truncated.
    """
    import tokenizers
    from transformers import BertConfig, BertModel

    tokens = [*SPECIAL, *words]
    tokenizer = tokenizers.BertWordPieceTokenizer({token: number for number, token in enumerate(tokens)})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        # Ten times BERT's own 0.02, so that texts differ; at 0.5 attention saturates, which bfloat16 does not follow to 0.01.
        config = BertConfig(vocab_size=len(tokens), max_position_embeddings=longest + 8, initializer_range=0.2, **sizes)
        network = BertModel(config)
    network.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").write_text("\n".join(tokens))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "model_max_length": longest + 8})
    )
    (folder / "modules.json").write_text(json.dumps(LAYERS))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": longest, "do_lower_case": False}))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": sizes["hidden_size"], "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
