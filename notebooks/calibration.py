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
# # Calibration
#
# Does the screening find what is known? The networks of the phantom look at pairs of classes
# that differ in one parameter only, the one that a transformation moves, and at objects whose
# rotational symmetry is known.

# %% tags=["parameters", "needs-pictures=phantom"]
profile: str = "phantom"  # whose networks are calibrated: a file in profiles/
limit: int = 32  # pictures per class; None: the profile's

# %%
from itn import study

parameters = study.read_parameters(globals())
screenings = study.calibrate(parameters)

# %% [markdown]
# The classes, two of a critical pair side by side, and what varies in them:

# %%
study.show_figure(study.plot_phantom(), "phantom")

# %%
study.save_table(study.phantom_table(), "phantom")

# %% [markdown]
# Wide pale lines: the mean softmax of the true class of an ideal observer. Thin lines: the
# networks. Vertical: the known thresholds.

# %%
study.show_figure(study.plot_calibration(screenings), "calibration")

# %% [markdown]
# Thresholds, and their distance to the known ones in units of the separation of the pair:

# %%
study.save_table(study.calibration_table(screenings), "calibration")

# %% [markdown]
# Objects of known symmetry under rotation; gray: the angles that leave them as they are.

# %%
study.show_figure(study.plot_symmetry(screenings), "symmetry")

# %%
study.save_table(study.symmetry_table(screenings), "symmetry")

# %%
summary = study.calibration_summary(screenings, parameters)
study.glue_table(summary)
summary
