"""What readers call a network, a transformation or a class, in tables and in figures."""

from itn.plots import readable

TITLES = {  # otherwise than by spaces for underscores
    "alexnet_phantom": "AlexNet",
    "resnet_phantom": "ResNet",
    "alexnet_photos": "AlexNet",
    "resnet_photos": "ResNet",
    "alexnet_photos_taught": "AlexNet, taught",
    "resnet_photos_taught": "ResNet, taught",
    "squeezenet": "SqueezeNet v1.0",
    **{f"efficientnet_lite{size}": f"EfficientNet-Lite{size}" for size in range(3)},
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
    # Categories of Caltech-101 whose folders are called otherwise than what they show.
    "Faces_easy": "face",
    "Leopards": "leopard",
    "Motorbikes": "motorbike",
    "airplanes": "airplane",
    "car_side": "car from the side",
    "cougar_face": "face of a cougar",
}


def title(name: object) -> str:
    """Return what readers call what the code calls `name`; of several words, the first counts."""
    first, space, rest = str(name).partition(" ")
    return TITLES.get(first, readable(first)) + space + readable(rest)
