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
narrow = study.plot_phantom(columns=1)
study.show_figure(study.plot_phantom(), "phantom", narrow)

# %%
study.save_table(study.phantom_table(), "phantom")

# %% [markdown]
# Wide pale lines: the mean softmax of the true class of an ideal observer. Thin lines: the
# networks. Vertical: the known thresholds; bars across the middle: the intervals of the measured
# ones.

# %%
narrow = study.plot_calibration(screenings, columns=1)
study.show_figure(study.plot_calibration(screenings), "calibration", narrow)

# %% [markdown]
# Thresholds with their 95 % intervals, \* where that does not hold the known one, and their
# distance to the known ones in units of the separation of the pair:

# %%
study.save_table(study.calibration_table(screenings), "calibration")

# %% [markdown]
# How many of the known thresholds are in their 95 % intervals? The ideal observer looks at the same
# pictures; to the networks, pictures are also shown that are rendered anew, their parameter moved
# instead of the picture.

# %%
rendered = study.rendered_screenings(parameters)
coverage = study.coverage_table(screenings, rendered)
study.save_table(study.coverage_texts(coverage), "coverage")

# %%
networks = study.load_profile(parameters.profile).networks
held = ["held", "held low", "held high"]
told = [*held, "gray alarms", "away alarms", "border", "transforming", "ρ"]
study.glue_table(coverage, told, rows=networks)
study.glue_table(coverage, ["known", "held", "gray", "away"], rows=["ideal_observer"])

# %%
draws = study.ideal_coverage(screenings)
study.glue_table(draws)
draws

# %%
narrow = study.plot_bias(screenings, rendered, narrow=True)
study.show_figure(study.plot_bias(screenings, rendered), "bias", narrow)

# %% [markdown]
# Objects of known symmetry under rotation; gray: the angles that leave them as they are.

# %%
narrow = study.plot_symmetry(screenings, columns=1)
study.show_figure(study.plot_symmetry(screenings), "symmetry", narrow)

# %%
study.save_table(study.symmetry_table(screenings), "symmetry")

# %%
summary = study.calibration_summary(screenings, parameters)
study.glue_table(summary)
summary
