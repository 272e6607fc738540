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
import itn

parameters = itn.read_parameters(globals())
screenings = itn.calibrate(parameters)

# %% [markdown]
# The classes, two of a critical pair side by side, and what varies in them:

# %%
itn.show_figure(itn.plot_phantom(), "phantom")

# %%
itn.show_table(itn.phantom_table(), "phantom")

# %% [markdown]
# Wide pale lines: the mean softmax of the true class of an ideal observer. Thin lines: the
# networks. Vertical: the known thresholds.

# %%
itn.show_figure(itn.plot_calibration(screenings), "calibration")

# %% [markdown]
# Thresholds, and their distance to the known ones in units of the separation of the pair:

# %%
itn.show_table(itn.calibration_table(screenings), "calibration")

# %% [markdown]
# Objects of known symmetry under rotation; gray: the angles that leave them as they are.

# %%
itn.show_figure(itn.plot_symmetry(screenings), "symmetry")

# %%
itn.glue_numbers(itn.calibration_numbers(screenings, parameters))
