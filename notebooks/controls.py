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
# # Controls
#
# How much of a threshold is the doing of the procedure? Some of the pictures once more, with
# something else outside them, with values clipped, or moved there and back, so that nothing but
# the interpolation is left.

# %% tags=["parameters"]
profile: str = "photos"  # a file in profiles/
network: str = None  # name of a classifier; None: the profile's first
classes: list[str] = None  # None: all of the profile's that are screened
limit: int = None  # the first so many pictures of each class; None: as the profile says

# %%
from itn import study

parameters = study.read_parameters(globals())
controls = study.obtain_controls(parameters)

# %% [markdown]
# Accuracy of all pictures; the band is the 95 % Clopper–Pearson interval of the screening.

# %%
narrow = study.plot_controls(controls, columns=1)
study.show_figure(study.plot_controls(controls), "controls", narrow)

# %% [markdown]
# The magnitude at which half of the accuracy is lost, with its 95 % interval over pictures.
# ▲: farther out than as screened, ▼: nearer. There and back: the accuracy that is left, as a share
# of that untouched, on average over all magnitudes, and the lowest.

# %%
table = study.control_table(controls)
texts = study.control_texts(table)
study.save_table(texts.drop(columns="clipped").dropna(), "controls")

# %%
study.save_table(texts[["as screened", "clipped"]].dropna(), "controls_clipped")

# %% [markdown]
# How many of the thresholds are farther out, and nearer, and what is kept at least:

# %%
summary = study.control_summary(table)
summary

# %%
turned = ["rotation_up_as_screened", "rotation_up_edge", "rotation_up_reflect"]
zoomed = ["zoom_down_as_screened", "zoom_down_edge", "zoom_up_as_screened"]
brighter = ["brightness_down_as_screened", "brightness_up_as_screened"]
clipped = ["brightness_down_clipped", "brightness_up_clipped"]
study.glue_table(table, ["half"], rows=[*turned, *zoomed, *brighter, *clipped])
study.glue_table(summary, ["pictures", "thresholds", "farther", "nearer"], rows=["edge"])
study.glue_table(summary, ["kept", "lowest"], rows=["there_and_back"])
