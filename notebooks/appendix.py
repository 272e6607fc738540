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
# ## Translation to the right

# %%
translation_x = study.obtain_screening(parameters, "translation_x")
study.describe(translation_x)

# %%
study.show_figure(itn.plot_softmax(translation_x, columns=3), "appendix_translation_x")

# %%
study.threshold_table(translation_x)

# %%
study.glue_numbers(study.key_numbers(translation_x), prefix="translation_x_")

# %% [markdown]
# ## Translation downwards

# %%
translation_y = study.obtain_screening(parameters, "translation_y")
study.show_figure(itn.plot_softmax(translation_y, columns=3), "appendix_translation_y")

# %%
study.threshold_table(translation_y)

# %%
study.glue_numbers(study.key_numbers(translation_y), prefix="translation_y_")

# %% [markdown]
# ## Rotation

# %%
rotation = study.obtain_screening(parameters, "rotation")
study.show_figure(itn.plot_softmax(rotation, columns=3), "appendix_rotation")

# %%
study.threshold_table(rotation)

# %%
study.glue_numbers(study.key_numbers(rotation), prefix="rotation_")

# %% [markdown]
# ## Horizontal scale

# %%
scale_x = study.obtain_screening(parameters, "scale_x")
study.show_figure(itn.plot_softmax(scale_x, columns=3), "appendix_scale_x")

# %%
study.threshold_table(scale_x)

# %%
study.glue_numbers(study.key_numbers(scale_x), prefix="scale_x_")

# %% [markdown]
# ## Vertical scale

# %%
scale_y = study.obtain_screening(parameters, "scale_y")
study.show_figure(itn.plot_softmax(scale_y, columns=3), "appendix_scale_y")

# %%
study.threshold_table(scale_y)

# %%
study.glue_numbers(study.key_numbers(scale_y), prefix="scale_y_")

# %% [markdown]
# ## Zoom

# %%
zoom = study.obtain_screening(parameters, "zoom")
study.show_figure(itn.plot_softmax(zoom, columns=3), "appendix_zoom")

# %%
study.threshold_table(zoom)

# %%
study.glue_numbers(study.key_numbers(zoom), prefix="zoom_")

# %% [markdown]
# ## Brightness

# %%
brightness = study.obtain_screening(parameters, "brightness")
study.show_figure(itn.plot_softmax(brightness, columns=3), "appendix_brightness")

# %%
study.threshold_table(brightness)

# %%
study.glue_numbers(study.key_numbers(brightness), prefix="brightness_")

# %% [markdown]
# ## Contrast

# %%
contrast = study.obtain_screening(parameters, "contrast")
study.show_figure(itn.plot_softmax(contrast, columns=3), "appendix_contrast")

# %%
study.threshold_table(contrast)

# %%
study.glue_numbers(study.key_numbers(contrast), prefix="contrast_")

# %% [markdown]
# ## Grayscale

# %%
grayscale = study.obtain_screening(parameters, "grayscale")
study.show_figure(itn.plot_softmax(grayscale, columns=3), "appendix_grayscale")

# %%
study.threshold_table(grayscale)

# %%
study.glue_numbers(study.key_numbers(grayscale), prefix="grayscale_")

# %% [markdown]
# ## Gaussian blur

# %%
blur = study.obtain_screening(parameters, "blur")
study.show_figure(itn.plot_softmax(blur, columns=3), "appendix_blur")

# %%
study.threshold_table(blur)

# %%
study.glue_numbers(study.key_numbers(blur), prefix="blur_")

# %% [markdown]
# ## Gaussian noise

# %%
noise = study.obtain_screening(parameters, "noise")
study.show_figure(itn.plot_softmax(noise, columns=3), "appendix_noise")

# %%
study.threshold_table(noise)

# %%
study.glue_numbers(study.key_numbers(noise), prefix="noise_")
