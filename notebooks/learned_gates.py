# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What a net holds
#
# Transformers that hold the accuracy, the consistency, or the divergence from what the classifier
# says of the untouched picture: how far they go, and what is left, on pictures that neither
# trained nor chose them.

# %% tags=["parameters", "needs-gates"]
profile: str = "phantom"  # which network learns on which pictures: a file in profiles/
network: str = None  # name of a classifier; None: the profile's first
classes: list[str] = None  # classes to learn from; None: all of the profile's
holds: list[str] = None  # what is held, one training each and seed; None: the profile's
spatial_dim: int = None  # number p of control values α; None: 4
color_dim: int = None  # number q of control values β; None: 4
color_weight: float = None  # λ, how much color counts; None: the profile's
fill: str = None  # outside a picture: zeros, edge, reflect or mean; None: zeros
epochs: int = None  # how often each picture is seen; None: the profile's
seeds: list[int] = None  # one training each; None: the profile's
limit: int = None  # at most that many pictures per class; None: the profile's

# %%
from itn import study

parameters = study.read_parameters(globals(), study.GateParameters)

# %%
gates = study.obtain_gates(parameters)
study.describe_gates(gates)

# %% [markdown]
# What each of them holds, with 95 % Clopper-Pearson intervals over pictures: accuracy and
# consistency on average over the control cube, and the consistency at its worst corner.

# %%
held = study.held_table(gates)
study.save_table(study.held_texts(held), "learned_gates_held")

# %% [markdown]
# The same of each training, and whether the interval of a consistency that was held reaches it.

# %%
each_seed = study.held_by_seed(gates)
study.save_table(study.held_by_seed_texts(each_seed), "learned_gates_seeds")

# %% [markdown]
# Whether the paper's sentences are true of the members of each family, with 95 % Clopper-Pearson
# intervals over drawn members, and the ledger's marks of its verdicts.

# %%
sentences = study.sentence_table(gates)
study.save_table(study.sentence_texts(sentences), "learned_gates_sentences")

# %% [markdown]
# The same with other fills outside a picture: the first training with the paper's gate.

# %%
fills = study.obtain_fills(parameters, gates)
by_fill = study.sentences_by_fill(fills)
study.save_table(study.sentence_texts(by_fill), "learned_gates_fills")
study.glue_table(by_fill, ["only zooms out"])

# %% [markdown]
# How much farther the learned families go than random matrices and than the best of a grid of
# known transformations, at equal accuracy and at equal consistency.

# %%
ratios = study.ratio_table(gates)
study.save_table(study.ratio_texts(ratios, gates), "learned_gates_ratios")

# %%
study.grid_table(gates)

# %%
narrow = study.plot_gates(gates, columns=2)
study.show_figure(study.plot_gates(gates), "learned_gates", narrow)

# %% [markdown]
# How the first net with the paper's gate learned, and what it makes of a few pictures.

# %%
trained = study.paper_gate(gates)
narrow = study.plot_transformer_training(trained, narrow=True)
study.show_figure(study.plot_transformer_training(trained), "learned_gates_training", narrow)

# %%
samples = study.show_gate(parameters, gates)
narrow = study.plot_samples(samples, narrow=True)
study.show_figure(study.plot_samples(samples), "learned_gates_samples", narrow)

# %%
study.glue_table(held, ["consistency"])
study.glue_table(held, ["space", "color"], rows=["accuracy", "consistency"])
study.glue_table(held, ["accuracy"], rows=["accuracy"])
ends = ["consistency low", "consistency high", "worst corner"]
study.glue_table(held, ends, rows=["consistency", "divergence"])
study.glue_table(held, ["reached", "seeds", "pictures"], rows=["consistency"])
each = ratios.set_index(["hold", "kind", "criterion", "rival"])
space = ["consistency_space_consistency_random", "consistency_space_consistency_grid"]
color = ["consistency_color_consistency_random", "consistency_color_consistency_grid"]
both = ["consistency_both_consistency_random"]
study.glue_table(each, ["ratio", "low", "high"], rows=[*space, *color, *both])
