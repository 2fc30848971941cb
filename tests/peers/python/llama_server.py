"""llama.cpp's server, from PyPI xllamacpp, with a small model of random weights. Ends when its stdin is closed."""

import string
import sys
import tempfile
from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType
from xllamacpp import CommonParams, Server

LAYERS, WIDTH, HEADS, INNER, CONTEXT = 2, 64, 4, 128, 8192
CHAT = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
# Every byte can be read; only what can be printed is said.
PRINTABLE = [character for character in string.printable[:95] if character != " "] + ["\u2581"]
SPECIAL = {"<unk>": TokenType.UNKNOWN, "<s>": TokenType.CONTROL, "</s>": TokenType.CONTROL}
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
TOKENS = [*SPECIAL, *BYTES, *PRINTABLE]


def write_model(path: Path) -> None:
    random = np.random.default_rng(7)

    def weights(*shape: int) -> np.ndarray:
        return random.standard_normal(shape, dtype=np.float32) / np.float32(np.sqrt(shape[-1]))

    writer = GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(TOKENS)
    writer.add_token_scores([0.0] * len(TOKENS))
    kinds = [*SPECIAL.values(), *[TokenType.BYTE] * len(BYTES), *[TokenType.NORMAL] * len(PRINTABLE)]
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(CHAT)

    said = weights(len(TOKENS), WIDTH) * 4
    said[: len(SPECIAL) + len(BYTES)] = 0
    ones = np.ones(WIDTH, dtype=np.float32)
    tensors = {"token_embd.weight": weights(len(TOKENS), WIDTH) * 8, "output.weight": said, "output_norm.weight": ones}
    for layer in range(LAYERS):
        of_layer = {f"attn_{name}": weights(WIDTH, WIDTH) for name in ["q", "k", "v", "output"]}
        of_layer |= {"ffn_gate": weights(INNER, WIDTH), "ffn_up": weights(INNER, WIDTH)}
        of_layer |= {"ffn_down": weights(WIDTH, INNER), "attn_norm": ones, "ffn_norm": ones}
        tensors |= {f"blk.{layer}.{name}.weight": values for name, values in of_layer.items()}
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


with tempfile.TemporaryDirectory() as folder:
    model = Path(folder) / "random.gguf"
    write_model(model)
    params = CommonParams()
    params.model.path = str(model)
    params.model_alias = {"random"}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = CONTEXT
    params.n_parallel = 1
    params.warmup = False
    server = Server(params)
    print(f"listening on {server.listening_address}", flush=True)
    sys.stdin.read()
