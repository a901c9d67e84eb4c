"""Forms of self-supervision, the paper's and ours, as rows of its tables.

Of pseudo labels the best form on embeddings of the table `self_supervision`, and that
on audio from random weights; see docs/kim2019.md.
"""

PRINTED = {"supervision": "self", "self_supervision": "pseudo_labels"}
SELF_ACTIVATION = {
    **PRINTED,
    "attention_target": "activation",
    "attention_weights": (0.01, 0.01),
}
SELF_SOFT = {
    **PRINTED,
    "pseudo_labels": "soft",
    "attention_target": "cross_entropy",
    "attention_weights": (0.1, 0.1),
}
