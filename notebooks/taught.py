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
# # Taught
#
# How much of an invariance is taught? The same networks, trained on the same photographs, with
# and without turned and zoomed ones among them.

# %% tags=["parameters", "needs-untaught"]
profile: str = "photos_taught"  # whose networks were taught: a file in profiles/

# %%
import itn

parameters = itn.read_parameters(globals())

# %% [markdown]
# Accuracy over all test pictures, with its 95 % Clopper–Pearson interval.

# %%
screenings = itn.taught_screenings(parameters)
itn.show_figure(itn.plot_taught(screenings), "taught")

# %%
itn.glue_numbers(itn.taught_numbers(screenings))
itn.glue_numbers({"zoom": itn.load_profile(parameters.profile).training.zoom})
