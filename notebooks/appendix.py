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
# # Every class under every transformation
#
# Mean softmax against magnitude, one panel per class. Lines are the true class, its three
# strongest rivals, and the strongest of all others; where the ground is shaded, another class
# has the highest mean softmax.

# %% tags=["parameters"]
profile: str = None  # a file in profiles/; None: phantom, or the first with the classes
network: str = None  # name of a classifier; None: the profile's first
pictures: str = None  # a data set, or a folder of class folders; None: the profile's
classes: list[str] = None  # classes to show; None: all of the profile's
fill: str = None  # outside a picture: zeros, edge, reflect or mean; None: the profile's
seed: int = None  # of the noise; None: the profile's
limit: int = None  # at most that many pictures per class; None: all of them

# %%
import itn
from itn import study

parameters = study.read_parameters(globals())

# %% [markdown]
# Thresholds are marked ‡ where on the way more than a tenth of the pictures of other classes are
# taken for that one.
#
# ## Translation to the right

# %%
translation_x = study.obtain_screening(parameters, "translation_x")
study.describe(translation_x)

# %%
study.show_figure(itn.plot_softmax(translation_x, columns=3), "appendix_translation_x")

# %%
study.threshold_table(translation_x)

# %% [markdown]
# ## Translation downwards

# %%
translation_y = study.obtain_screening(parameters, "translation_y")
study.show_figure(itn.plot_softmax(translation_y, columns=3), "appendix_translation_y")

# %%
study.threshold_table(translation_y)

# %% [markdown]
# ## Rotation

# %%
rotation = study.obtain_screening(parameters, "rotation")
study.show_figure(itn.plot_softmax(rotation, columns=3), "appendix_rotation")

# %%
study.threshold_table(rotation)

# %% [markdown]
# ## Horizontal scale

# %%
scale_x = study.obtain_screening(parameters, "scale_x")
study.show_figure(itn.plot_softmax(scale_x, columns=3), "appendix_scale_x")

# %%
study.threshold_table(scale_x)

# %%
summary = study.threshold_summary(scale_x)
study.glue_table(summary, ["median"], "scale_x_", ["switch_up"])

# %% [markdown]
# ## Vertical scale

# %%
scale_y = study.obtain_screening(parameters, "scale_y")
study.show_figure(itn.plot_softmax(scale_y, columns=3), "appendix_scale_y")

# %%
study.threshold_table(scale_y)

# %%
summary = study.threshold_summary(scale_y)
study.glue_table(summary, ["median"], "scale_y_", ["switch_up"])

# %% [markdown]
# ## Zoom

# %%
zoom = study.obtain_screening(parameters, "zoom")
study.show_figure(itn.plot_softmax(zoom, columns=3), "appendix_zoom")

# %%
study.threshold_table(zoom)

# %%
summary = study.threshold_summary(zoom)
study.glue_table(summary, ["median"], "zoom_", ["switch_up"])

# %% [markdown]
# ## Brightness

# %%
brightness = study.obtain_screening(parameters, "brightness")
study.show_figure(itn.plot_softmax(brightness, columns=3), "appendix_brightness")

# %%
study.threshold_table(brightness)

# %%
summary = study.threshold_summary(brightness)
study.glue_table(summary, ["reached"], "brightness_", ["switch_up", "switch_down"])

# %% [markdown]
# ## Contrast

# %%
contrast = study.obtain_screening(parameters, "contrast")
study.show_figure(itn.plot_softmax(contrast, columns=3), "appendix_contrast")

# %%
study.threshold_table(contrast)

# %%
summary = study.threshold_summary(contrast)
study.glue_table(summary, ["nearest"], "contrast_", ["switch_down"])

# %% [markdown]
# ## Grayscale

# %%
grayscale = study.obtain_screening(parameters, "grayscale")
study.show_figure(itn.plot_softmax(grayscale, columns=3), "appendix_grayscale")

# %%
study.threshold_table(grayscale)

# %%
summary = study.threshold_summary(grayscale)
study.glue_table(summary, ["reached"], "grayscale_", ["switch_up"])

# %% [markdown]
# ## Gaussian blur

# %%
blur = study.obtain_screening(parameters, "blur")
study.show_figure(itn.plot_softmax(blur, columns=3), "appendix_blur")

# %%
study.threshold_table(blur)

# %%
study.glue_table(study.screening_summary(blur), ["categories"])
summary = study.threshold_summary(blur)
study.glue_table(summary, ["reached", "nearest", "farthest"], "blur_", ["switch_up"])

# %% [markdown]
# ## Gaussian noise

# %%
noise = study.obtain_screening(parameters, "noise")
study.show_figure(itn.plot_softmax(noise, columns=3), "appendix_noise")

# %%
study.threshold_table(noise)

# %% [markdown]
# ## Thresholds of growing magnitude
#
# Of the classes that the main figures show, and the median over all.

# %%
shown = [noise, rotation, zoom, translation_x, translation_y]
study.save_table(study.threshold_overview(shown, parameters), "thresholds")

# %% [markdown]
# ## What keeps its prediction
#
# Shares of pictures, all magnitudes together: accuracy falls by those that go wrong and rises by
# those that come right; consistent is who is taken for the same as untouched, right or wrong.

# %%
translations, scales = [translation_x, translation_y], [scale_x, scale_y, zoom]
colors = [brightness, contrast, grayscale, blur, noise]
consistency = study.consistency_table([*translations, rotation, *scales, *colors])
study.save_table(consistency, "consistency", dict.fromkeys(consistency.columns, ".0%"))
