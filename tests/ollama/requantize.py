"""The packaged SmolLM2 in another quantisation: a second, faster tag of the same model.

The wheel has Q4_1, for which llama.cpp has no fast matrix product on x86; Q4_0 has one. Users
pull such a tag (`smollm2:135m-instruct-q4_0`); tests make it from the file they have.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, LlamaFileType
from gguf.quants import dequantize, quantize

NOT_COPIED = ("GGUF.", "general.architecture", "general.file_type")
"""Keys of the file's head, which the writer writes itself."""


def requantize(source: Path, target: Path) -> None:
    """Write the model in `source` to `target` with its matrices as Q4_0, vectors as they were."""
    reader = GGUFReader(source)
    writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
    writer.add_file_type(LlamaFileType.MOSTLY_Q4_0)
    for key, field in reader.fields.items():
        if not key.startswith(NOT_COPIED):
            nested = field.types[1] if field.types[0] is GGUFValueType.ARRAY else None
            writer.add_key_value(key, field.contents(), field.types[0], sub_type=nested)
    kind = GGMLQuantizationType.Q4_0
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        if values.ndim == 1:
            writer.add_tensor(tensor.name, values.astype(np.float32))
        else:
            writer.add_tensor(tensor.name, quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
