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
# # Training the Invariant Transformer Net
#
# A spatial and a color transformer in front of a frozen classifier learn to move pictures as
# far as they can while the accuracy holds.

# %% tags=["parameters", "needs-transformers"]
profile: str = "phantom"  # which network learns on which pictures: a file in profiles/
network: str = None  # name of a classifier; None: the profile's first
classes: list[str] = None  # classes to learn from; None: all of the profile's
spatial_dim: int = None  # number p of control values α; None: 4
color_dim: int = None  # number q of control values β; None: 4
color_weight: float = None  # λ, how much color counts; None: the profile's
gate_margin: float = None  # how far above a₀ a batch has to be to go outward; None: 0
required_accuracy: float = None  # a₀; None: 0.95 times the clean accuracy
fill: str = None  # outside a picture: zeros, edge, reflect or mean; None: zeros
epochs: int = None  # how often each picture is seen; None: the profile's
seeds: list[int] = None  # one training each; None: the profile's
limit: int = None  # at most that many pictures per class; None: the profile's

# %%
from itn import study

parameters = study.read_parameters(globals(), study.TransformerParameters)

# %%
trained = study.obtain_transformers(parameters)
study.describe_transformers(trained)

# %% [markdown]
# Points are batches, lines running means. Where the accuracy of a batch is below the required
# one, the cross-entropy is minimized, otherwise the losses of the transformers.

# %%
narrow = study.plot_transformer_training(trained, narrow=True)
study.show_figure(study.plot_transformer_training(trained), "learned_training", narrow)

# %% [markdown]
# The learned family against random matrices that displace as much, shrunk and stretched, and
# against the largest member of a grid of known transformations; one line for each seed.

# %%
narrow = study.plot_frontier(trained, narrow=True)
study.show_figure(study.plot_frontier(trained), "learned_frontier", narrow)

# %%
study.save_table(study.comparison_table(trained), "learned_comparison")

# %%
table = study.transformer_table(trained)
table.T

# %%
counts = ["epochs", "kept_epoch", "reported_pictures"]
clean = ["clean_accuracy", "reported_clean_accuracy", "required_accuracy"]
reached = ["outward", "reported_accuracy", "spatial_displacement", "color_displacement"]
study.glue_table(table, counts + clean + reached + ["grid_member"], rows=["seed_0"])
ratios = table[["to_random", "to_grid"]].agg(["mean", "min", "max"], skipna=False)
study.glue_table(ratios.T)
