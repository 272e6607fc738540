"""Networks on the sample of ImageNet pictures, against what is known of their weights."""

import numpy as np
import pytest

import itn
from itn.looks import complete_untouched
from itn.zoo.catalog import BROUGHT, brought_file


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "top_1", "top_5", "tolerance", "mean"),
    [
        ("squeezenet", 62.4, 82.6, 0.4, 0.502),  # as published
        ("efficientnet_lite0", 88.2, 97.4, 0.6, 0.701),  # as in PyTorch
    ],
)
def test_weights_classify_the_sample_as_they_are_known_to(name, top_1, top_5, tolerance, mean):
    if name in BROUGHT and brought_file(name) is None:
        pytest.skip(f"{BROUGHT[name]} is not installed")
    classifier = itn.load_classifier(name)
    pictures = itn.load_images("imagenet-sample", size=classifier.input_size, progress=False)
    if len(pictures) != 500:
        pytest.skip("the numbers are known for the 500 classes of even index")
    truth = classifier.logits_of(pictures)[pictures.labels]
    softmax = np.full((500, 1000), np.nan, np.float32)
    complete_untouched(softmax, classifier, pictures.images)  # compiled, sooner than `predict`
    of_truth = softmax[np.arange(500), truth]
    rank = (softmax > of_truth[:, None]).sum(axis=1)
    assert 100 * np.mean(rank < 1) == pytest.approx(top_1, abs=tolerance)
    assert 100 * np.mean(rank < 5) == pytest.approx(top_5, abs=tolerance)
    assert of_truth.mean() == pytest.approx(mean, abs=0.005)
