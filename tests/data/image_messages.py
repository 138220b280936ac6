"""CDR of image messages, and pictures that are hard enough on a codec."""

import numpy as np

from dp_ros.data.bag_writer import TYPES
from dp_ros.data.stream_inputs import RAW_IMAGE


def image(rgb, stamp_ns=0, encoding='rgb8'):
    """sensor_msgs/Image of pixels (height, width, 3), as CDR."""
    types = TYPES.types
    stamp = types['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 1_000_000_000))
    message = types[RAW_IMAGE](
        header=types['std_msgs/msg/Header'](stamp=stamp, frame_id='camera_color_optical_frame'),
        height=rgb.shape[0],
        width=rgb.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=rgb[0].size,
        data=np.ascontiguousarray(rgb).reshape(-1),
    )
    return bytes(TYPES.serialize_cdr(message, RAW_IMAGE))


def moving(count, width=160, height=120):
    """Frames (count, height, width, 3) of smooth colours that drift, with a little noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    for i in range(count):
        waves = [np.sin((x + 2 * i) / 17 + c) + np.cos((y - i) / 23 - c) for c in range(3)]
        yield np.clip(
            128 + 50 * np.stack(waves, axis=-1) + rng.normal(0, 2, (height, width, 3)), 0, 255
        ).astype(np.uint8)
