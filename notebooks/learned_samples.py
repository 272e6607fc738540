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
# # What the Invariant Transformer Net learned
#
# Pictures under the learned transformations, and what each control value does.

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
seeds: list[int] = [0]  # one training each; None: the profile's
limit: int = None  # at most that many pictures per class; None: the profile's

# %%
from itn import study

parameters = study.read_parameters(globals(), study.TransformerParameters)

# %%
trained = study.obtain_transformers(parameters)
study.describe_transformers(trained)

# %% [markdown]
# All values of α move together, with β at 1/2; then all values of β, with α at 1/2. Under each
# picture what the classifier says, and its softmax.

# %%
samples = study.obtain_samples(parameters)
narrow = study.plot_samples(samples, narrow=True)
study.show_figure(study.plot_samples(samples), "learned_samples", narrow)

# %% [markdown]
# The matrices, decomposed: one line for each control value, moved from 0 to 1 with all others
# at 1/2; black: all of a kind together; gray: the identity.

# %%
narrow = study.plot_decomposition(trained, columns=2)
study.show_figure(study.plot_decomposition(trained), "learned_decomposition", narrow)

# %% [markdown]
# Accuracy and consistency (the same class as on the untouched picture) along the same values,
# with 95 % Clopper-Pearson intervals:

# %%
study.save_table(study.survey_table(trained), "learned_survey")

# %%
table = study.transformer_table(trained)
table.T

# %%
rotation, shear = ["rotation_lowest", "rotation_highest"], ["shear_lowest", "shear_highest"]
scale = ["scale_x_lowest", "scale_x_highest", "scale_y_lowest", "scale_y_highest"]
saturation = ["saturation_lowest", "saturation_highest"]
study.glue_table(table, rotation + scale + shear + saturation, rows=["seed_0"])
