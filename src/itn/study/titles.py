"""What a page calls networks, transformations and classes."""

import pandas as pd

from itn.plots import readable

TITLES = {
    "alexnet_photos": "AlexNet",
    "resnet_photos": "ResNet",
    "squeezenet": "SqueezeNet v1.0",
    "alexnet": "AlexNet",
    "resnet_v1_50": "ResNet V1 50",
    "resnet_v1_101": "ResNet V1 101",
    "resnet_v1_152": "ResNet V1 152",
    "InceptionV3": "Inception V3",
    "MobileNetV2": "MobileNet V2",
    "EfficientNetB0": "EfficientNet B0",
    "ConvNeXtTiny": "ConvNeXt Tiny",
    "scale_x": "horizontal scale",
    "scale_y": "vertical scale",
    "translation_x": "horizontal translation",
    "translation_y": "vertical translation",
    "grayscale": "gray",
}


def titled(table: pd.DataFrame) -> pd.DataFrame:
    """Call rows and columns what a page calls them."""
    return table.rename(index=_title, columns=_title)


def _title(name: object) -> str:
    return TITLES.get(str(name), readable(name))
