"""Forms of self-supervision that are ours, as rows of the paper's tables.

On embeddings the best form of the table `self_supervision`, and on audio from random
weights; see docs/kim2019.md.
"""

SELF_ACTIVATION = {
    "supervision": "self",
    "attention_target": "activation",
    "attention_weights": (0.01, 0.01),
}
SELF_SOFT = {
    "supervision": "self",
    "pseudo_labels": "soft",
    "attention_target": "cross_entropy",
    "attention_weights": (0.1, 0.1),
}
