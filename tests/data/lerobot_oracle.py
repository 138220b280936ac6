"""The real lerobot, run by an interpreter that has version 0.4 or newer, not by the tests' own.

PYTHON lerobot_oracle.py read ROOT OUT.npz    what it reads of a set
PYTHON lerobot_oracle.py make ROOT IN.npz     write a set: episodes of rows, told apart by `length`
"""

import sys

import av
import numpy as np
import torch


class VideoReader:
    """What lerobot 0.4 asks of torchvision.io.VideoReader, which torchvision 0.28 has no more."""

    def __init__(self, path, kind):
        self.container = av.open(path)

    def seek(self, seconds, keyframes_only):
        self.container.seek(int(seconds * av.time_base), backward=True)

    def __iter__(self):
        for frame in self.container.decode(video=0):
            pixels = torch.from_numpy(frame.to_ndarray(format='rgb24')).permute(2, 0, 1)
            yield {'data': pixels, 'pts': frame.time}


def dataset_class():
    try:
        import torchvision
    except RuntimeError:  # its compiled part does not go with a torch for CPUs
        for name in [name for name in sys.modules if name.split('.')[0] == 'torchvision']:
            del sys.modules[name]
        library = torch.library.Library('torchvision', 'DEF')
        for operator in ('nms', 'qnms'):
            library.define(f'{operator}(Tensor a, Tensor b, float c) -> Tensor')
        dataset_class.library = library
        import torchvision
    if not hasattr(torchvision.io, 'VideoReader'):
        torchvision.io.VideoReader = VideoReader
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    return LeRobotDataset


def read(root, out):
    found = dataset_class()('local/set', root=root, video_backend='pyav')
    # From the last to the first: nothing may depend on reading in order.
    items = [found[index] for index in reversed(range(len(found)))][::-1]
    plain = {
        key: np.stack([np.asarray(item[key]) for item in items])
        for key in items[0]
        if key != 'task'
    }
    lengths = [found.meta.episodes[i]['length'] for i in range(found.num_episodes)]
    stats = {f'stats/{key}/{s}': v for key, of in found.meta.stats.items() for s, v in of.items()}
    np.savez(out, **plain, **stats, task=[item['task'] for item in items], lengths=lengths)


def make(root, source):
    rows = dict(np.load(source))
    lengths = rows.pop('length')
    features = {
        key: {
            'dtype': 'video' if values.ndim == 4 else values.dtype.name,
            'shape': values.shape[1:],
            'names': ['height', 'width', 'channels'] if values.ndim == 4 else None,
        }
        for key, values in rows.items()
    }
    made = dataset_class().create('local/set', fps=10, features=features, root=root)
    step = 0
    for length in lengths:
        for _ in range(length):
            made.add_frame({key: values[step] for key, values in rows.items()} | {'task': 'push'})
            step += 1
        made.save_episode()
    made.finalize()


if __name__ == '__main__':
    {'read': read, 'make': make}[sys.argv[1]](*sys.argv[2:])
