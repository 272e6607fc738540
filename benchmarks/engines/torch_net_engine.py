"""A step of an Invariant Transformer Net of PyTorch and kornia; see `benchmarks/transformers.py`.

It runs in an environment of its own, which has no `itn`. The net is the paper's, in front of
SqueezeNet: control vectors are drawn, two small networks make matrices of them, pictures are moved
and recolored by these, and the loss is chosen by the accuracy of the batch.

torch_net_engine.py SIZE COUNT
"""

import sys
import time

import kornia
import torch
from pipe import Pipe
from torch import nn
from torch_engine import build_network, preprocess

CONTROLS, HIDDEN = 4, 32  # the defaults of ours
COLOR_WEIGHT = 5.0


class Transformer(nn.Module):
    """Control vector -> matrix, the identity at first, and how far it moves things."""

    def __init__(self, controls: int, rows: int, columns: int) -> None:
        super().__init__()
        identity = torch.eye(rows, columns)
        self.hidden, self.entries = nn.Linear(controls, HIDDEN), nn.Linear(HIDDEN, rows * columns)
        nn.init.normal_(self.entries.weight, std=1e-6)
        with torch.no_grad():
            self.entries.bias.copy_(identity.flatten())
        self.register_buffer("identity", identity)
        self.register_buffer("vectors", nn.functional.normalize(torch.randn(controls, columns)))

    def forward(self, control: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return matrices, and the loss that rewards moving things far."""
        matrix = self.entries(self.hidden(control).relu()).view(-1, *self.identity.shape)
        moved = torch.einsum("nrc,pc->npr", matrix - self.identity, self.vectors)
        distance = moved.square().sum(-1).clamp(min=1e-24).sqrt()
        return matrix, -(control * distance).mean()


class Net:
    """The net in front of a network that stays as it is."""

    def __init__(self, network: nn.Module, size: int) -> None:
        self.network = network.requires_grad_(False)
        self.spatial, self.color = Transformer(CONTROLS, 2, 3), Transformer(CONTROLS, 3, 4)
        own = [*self.spatial.parameters(), *self.color.parameters()]
        self.optimizer, self.stretch = torch.optim.Adam(own), torch.tensor([1, 1, size / 2])

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """Train once."""
        count, _, height, width = images.shape
        spatial, space = self.spatial(torch.rand(count, CONTROLS))
        color, hue = self.color(torch.rand(count, CONTROLS))
        moved = kornia.geometry.transform.warp_affine(
            images, spatial * self.stretch, (height, width), align_corners=True
        )
        moved = torch.einsum("nrc,nchw->nrhw", color[:, :, :3], moved) + color[:, :, 3, None, None]
        logits = self.network(preprocess(moved).contiguous(memory_format=torch.channels_last))
        repair = nn.functional.cross_entropy(logits, labels)
        right = (logits.argmax(1) == labels).float().mean()
        # As ours here, whose required accuracy is 0 in this benchmark: both branches are computed.
        loss = torch.where(right >= 0, space + COLOR_WEIGHT * hue, repair)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def new_network() -> nn.Module:
    """Build SqueezeNet up to its logits; what its weights are takes no time."""
    template = build_network(None)
    return nn.Sequential(*list(template)[:-1]).to(memory_format=torch.channels_last)


def main(size: str, count: str) -> None:
    pipe = Pipe()
    images = torch.rand(int(count), 3, int(size), int(size))
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 1000, (int(count),))
    net, alone = Net(new_network(), int(size)), new_network()
    optimizer, prepared = torch.optim.Adam(alone.parameters()), preprocess(images)

    def step_alone() -> None:
        loss = nn.functional.cross_entropy(alone(prepared), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def step(what: str) -> dict[str, float]:
        start = time.perf_counter()
        if what == "alone":
            step_alone()
        else:
            net.step(images, labels)
        return {"seconds": time.perf_counter() - start}

    pipe.serve({"step": step})


if __name__ == "__main__":
    main(*sys.argv[1:])
