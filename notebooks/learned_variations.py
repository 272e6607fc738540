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
# # Variations of the Invariant Transformer Net
#
# What the weight of color, the filling outside a picture and the choice of classes change. Each
# row is one training; along the sliders, moved from 0 to 1 with all others at 1/2.

# %% tags=["parameters", "needs-transformers", "needs-pictures=phantom"]
profile: str = "phantom"  # which network learns on which pictures: a file in profiles/
network: str = None  # name of a classifier; None: the profile's first
classes: list[str] = None  # classes to learn from; None: all of the profile's
spatial_dim: int = None  # number p of control values α; None: 4
color_dim: int = None  # number q of control values β; None: 4
gate_margin: float = None  # how far above a₀ a batch has to be to go outward; None: 0
required_accuracy: float = None  # a₀; None: 0.95 times the clean accuracy
color_weights: list[float] = [0, 0.3, 5]  # values of λ, how much color counts
fills: list[str] = ["zeros", "edge", "reflect"]  # outside a picture
alone: list[str] = ["disc", "zoom_large"]  # classes to learn from, each by itself
epochs: int = 8  # how often each picture is seen; None: the profile's
seeds: list[int] = [0]  # one training each; None: the profile's
limit: int = 16  # at most that many pictures per class; None: the profile's

# %%
from itn import study

parameters = study.read_parameters(globals(), study.VariationParameters)

# %% [markdown]
# ## The weight of color

# %%
weights = study.vary_transformers(parameters, "color_weight", parameters.color_weights)
narrow = study.plot_variations(weights, columns=2)
study.show_figure(study.plot_variations(weights), "learned_color_weights", narrow)

# %%
table = study.variation_table(weights)
study.glue_table(table, ["spatial_displacement", "color_displacement"], "weight_")
study.glue_table(table, ["reported_accuracy"], "weight_", ["0.3"])
table.T

# %% [markdown]
# ## Outside the picture

# %%
fills = study.vary_transformers(parameters, "fill", parameters.fills)
narrow = study.plot_variations(fills, columns=2)
study.show_figure(study.plot_variations(fills), "learned_fills", narrow)

# %%
table = study.variation_table(fills)
scales = ["scale_x_lowest", "scale_x_highest", "scale_y_lowest", "scale_y_highest"]
study.glue_table(table, scales, "fill_")
table.T

# %% [markdown]
# ## One class alone
#
# One that looks the same however it is turned, and one that does not.

# %%
alone = study.vary_transformers(parameters, "classes", parameters.alone)
narrow = study.plot_variations(alone, columns=2)
study.show_figure(study.plot_variations(alone), "learned_alone", narrow)

# %%
table = study.variation_table(alone)
study.glue_table(table, ["spatial_displacement", "reported_accuracy"], "alone_")
table.T
