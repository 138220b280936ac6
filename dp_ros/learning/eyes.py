"""Image features of single frames, each frame encoded once."""

from collections import OrderedDict
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dp_ros.learning.graph_cache import Keep, anew
from dp_ros.learning.onnx_network import Array, exported
from dp_ros.learning.place import Network, Place
from dp_ros.learning.recorded import Recorder
from dp_ros.learning.vision import VisionEncoder

# Two frames of each of a dozen cameras, and as many encoded ahead.
FRAMES_KEPT = 48


class _OneCamera(nn.Module):
    def __init__(self, vision: VisionEncoder, camera: str) -> None:
        super().__init__()
        self._vision, self._camera = vision, camera
        self.eval()  # exporting ends in the mode that it began with, for `vision`, too

    def forward(self, frames: Tensor) -> Tensor:
        return self._vision.encode(self._camera, frames)


class Eyes:
    """`features(camera, stamp_ns, image)`: a frame is encoded when its stamp is new.

    The encoders run as graphs where `place` has a runtime for them, else in torch, recorded on a
    GPU.
    """

    def __init__(self, vision: VisionEncoder, place: Place, keep: Keep = anew) -> None:
        self._vision, self._place = vision.eval(), place
        self._kept: OrderedDict[tuple[str, int], tuple[NDArray[np.uint8], Array]] = OrderedDict()
        self.encoded = 0
        self._recorder = Recorder() if place.device.type == 'cuda' else None
        self._networks: dict[str, Network] = {}
        if place.narrow is not None:
            for name, camera in vision.cameras.items():
                width, height = camera.size
                frame = torch.zeros(1, height, width, 3, dtype=torch.uint8)
                export = partial(exported, _OneCamera(vision, name), {'frames': frame})
                self._networks[name] = place.narrow(keep(f'camera {name}', export))

    def features(self, camera: str, stamp_ns: int, image: NDArray[np.uint8]) -> Array:
        """Prepared frame (H, W, 3) uint8 -> features (F,).

        A stamp that comes again with another picture, after time was set back, is another frame.
        """
        key = (camera, stamp_ns)
        kept = self._kept.get(key)
        if kept is not None and kept[0] is image:
            return kept[1]
        found = self._encode(camera, image)
        self._kept[key] = (image, found)
        self.encoded += 1
        while len(self._kept) > FRAMES_KEPT:
            self._kept.popitem(last=False)
        return found

    def _encode(self, camera: str, image: NDArray[np.uint8]) -> Array:
        if camera not in self._vision.cameras:
            known = list(self._vision.cameras)
            raise ValueError(f'the policy knows the cameras {known}, not {camera!r}')
        width, height = self._vision.cameras[camera].size
        if image.shape != (height, width, 3) or image.dtype != np.uint8:
            raise ValueError(
                f'camera {camera!r}: expected prepared frames ({height}, {width}, 3) uint8, found '
                f'{image.shape} {image.dtype}'
            )
        if camera in self._networks:
            return self._networks[camera](np.ascontiguousarray(image)[None])[0]
        on_device = self._place.tensor(image)[None]

        def encode(frames: Tensor) -> Tensor:
            with self._place.autocast():
                return self._vision.encode(camera, frames)

        if self._recorder is None:
            found = encode(on_device)
        else:
            found = self._recorder(camera, encode, on_device)
        features: Array = found[0].float().cpu().numpy()
        return features
