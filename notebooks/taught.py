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
from itn import study

parameters = study.read_parameters(globals())

# %% [markdown]
# Accuracy over all test pictures, with its 95 % Clopper–Pearson interval.

# %%
screenings = study.taught_screenings(parameters)
narrow = study.plot_taught(screenings, columns=1)
study.show_figure(study.plot_taught(screenings), "taught", narrow)

# %%
taught = study.taught_table(screenings)
percent = dict.fromkeys(taught.columns, ".0%")
study.save_table(taught, "taught", percent)

# %%
study.glue_table(taught, ["as taken", "mean over all angles"])
study.glue_table(study.training_settings(parameters).iloc[:1], ["zoom"])
