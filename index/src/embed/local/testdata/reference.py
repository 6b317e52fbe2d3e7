# What the reference implementation makes of some texts: reference.py FOLDER OUT.json
import json
import sys

import numpy as np
import sentence_transformers
import torch
import transformers
from sentence_transformers import SentenceTransformer

TEXTS = [
    "a",
    "How do I roll back a release?",
    "Rolling back\n\nTo undo a deployment, run `deploy rollback --to v1.2`.",
    "Größe und Länge: naïve café, 東京タワー, Привет мир, 🦀🚀",
    'fn main() {\n    let x: Option<u32> = "7".parse().ok();\n    println!("{x:?}");\n}\n',
    "| flag | meaning |\n|---|---|\n| `--quiet` | says less |\n| `--json` | for programs |\n",
    " \t white   space \r\n\r\n everywhere \u00a0 ",
    "A text that the model cannot read to its end says so over and over. " * 40,
]


def reference(folder):
    model = SentenceTransformer(folder, device="cpu")
    versions = f"sentence-transformers {sentence_transformers.__version__}, transformers {transformers.__version__}"
    out = {
        "made_by": f"{versions}, PyTorch {torch.__version__.split('+')[0]}, CPU, float32",
        "max_seq_length": model.max_seq_length,
        "texts": TEXTS,
    }
    for kind, encode in (("document", model.encode_document), ("query", model.encode_query)):
        v = np.stack([encode(t, normalize_embeddings=True) for t in TEXTS]).astype(np.float64)
        out[kind] = {"first": [[round(float(x), 6) for x in r[:8]] for r in v],
                     "cosines": [[round(float(a @ b), 6) for b in v] for a in v]}
    return out


if __name__ == "__main__":
    folder, path = sys.argv[1:]
    with open(path, "w") as file:
        json.dump(reference(folder), file, ensure_ascii=False)
        file.write("\n")
