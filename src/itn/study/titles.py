"""What readers call a network, a transformation or a class, in tables and in figures."""

from collections.abc import Sequence

from itn.plots import readable

TITLES = {  # otherwise than by spaces for underscores
    "alexnet_phantom": "AlexNet",
    "resnet_phantom": "ResNet",
    "alexnet_64": "AlexNet, 64 px",
    "resnet_64": "ResNet, 64 px",
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
PICTURES = {  # what the networks of a profile look at
    "phantom": "rendered objects",
    "photos": "photographs",
    "photos_taught": "photographs, turned and zoomed",
    "imagenet": "ImageNet classes",
    "imagenet_sample": "a sample of ImageNet",
    "paper": "ImageNet",
}


def title(name: object) -> str:
    """Return what readers call what the code calls `name`; of several words, the first counts."""
    first, space, rest = str(name).partition(" ")
    return TITLES.get(first, readable(first)) + space + readable(rest)


def notebook_title(heading: str, profile: str, networks: Sequence[str] = ()) -> str:
    """Return what readers call a notebook that was run for a profile, and for some networks.

    Examples
    --------
    >>> notebook_title("Rotation", "photos", ["alexnet_photos"])
    'Rotation · AlexNet on photographs'
    """
    pictures = PICTURES.get(profile, readable(profile))
    looking = " and ".join(map(title, networks))
    return f"{heading} · {looking} on {pictures}" if looking else f"{heading} · {pictures}"
