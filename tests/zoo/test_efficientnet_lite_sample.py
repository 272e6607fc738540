"""EfficientNet-Lite0 on the sample of ImageNet pictures, against what is known of it."""

import numpy as np
import pytest

import itn
from itn.zoo.catalog import BROUGHT, brought_file


@pytest.mark.data
def test_the_published_weights_classify_the_sample_as_they_do_in_pytorch():
    if brought_file("efficientnet_lite0") is None:
        pytest.skip(f"{BROUGHT['efficientnet_lite0']} is not installed")
    classifier = itn.load_classifier("efficientnet_lite0")
    pictures = itn.load_images("imagenet-sample", size=224, progress=False)
    if len(pictures) != 500:
        pytest.skip("the numbers are known for the 500 classes of even index")
    truth = classifier.logits_of(pictures)[pictures.labels]
    softmax = classifier.predict(pictures.images)
    of_truth = softmax[np.arange(500), truth]
    rank = (softmax > of_truth[:, None]).sum(axis=1)
    assert 100 * np.mean(rank < 1) == pytest.approx(88.2, abs=0.6)
    assert 100 * np.mean(rank < 5) == pytest.approx(97.4, abs=0.6)
    assert of_truth.mean() == pytest.approx(0.701, abs=0.005)
