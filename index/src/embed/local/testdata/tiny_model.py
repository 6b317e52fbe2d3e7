# A random XLM-RoBERTa with cls pooling and prompts, as sentence-transformers saves it: tiny-xlm-roberta.
import torch
from transformers import XLMRobertaConfig, XLMRobertaModel, PreTrainedTokenizerFast
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Normalize, Pooling, Transformer
torch.manual_seed(7)
chars = "abcdefghijklmnopqrstuvwxyz0123456789.,:;!?()[]{}<>|`'\"-_=+*/#ßüöäéï"
vocab = ["<s>", "<pad>", "</s>", "<unk>"] + list(chars) + ["##" + c for c in chars]
tok = Tokenizer(models.WordPiece({t: i for i, t in enumerate(vocab)}, unk_token="<unk>", max_input_chars_per_word=100))
tok.normalizer = normalizers.Lowercase()
tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
tok.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
fast = PreTrainedTokenizerFast(tokenizer_object=tok, bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>", pad_token="<pad>", unk_token="<unk>", model_max_length=48)
cfg = XLMRobertaConfig(vocab_size=len(vocab), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, max_position_embeddings=50, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2, initializer_range=0.5, layer_norm_eps=1e-5)
m = XLMRobertaModel(cfg, add_pooling_layer=False)
m.save_pretrained("tiny-hf"); fast.save_pretrained("tiny-hf")
t = Transformer("tiny-hf")
st = SentenceTransformer(modules=[t, Pooling(16, pooling_mode="cls"), Normalize()], prompts={"query": "query: ", "document": "passage: "})
st.save("tiny-xlm-roberta")
