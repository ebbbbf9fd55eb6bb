"""Make a GGUF file a model's folder, in the Python that has vLLM: convert.py GGUF FOLDER."""

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

gguf, folder = Path(sys.argv[1]), Path(sys.argv[2])
named = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
read = AutoModelForCausalLM.from_pretrained(**named, dtype=torch.bfloat16)
config = read.config.to_dict()
for key in ("quantization_config", "_name_or_path"):
    config.pop(key, None)
plain = LlamaForCausalLM(LlamaConfig(**config)).to(torch.bfloat16)
plain.load_state_dict(read.state_dict())
plain.save_pretrained(folder)
AutoTokenizer.from_pretrained(**named).save_pretrained(folder)
