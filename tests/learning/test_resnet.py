"""ResNet-18: what torchvision computes, weights of either layout, sentences for bad files."""

import urllib.error

import pytest
import torch
from safetensors.torch import save_file

from dp_ros import yamlfile
from dp_ros.learning import resnet
from dp_ros.learning.recipe import ResnetEncoder
from dp_ros.learning.resnet import WeightsError

MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
DEVIATION = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def recipe(**settings):
    return yamlfile.parse(ResnetEncoder, {'kind': 'resnet18'} | settings, 'encoder')


@pytest.fixture(scope='module')
def reference():
    """torchvision's network with weights and statistics that nothing else has."""
    torch.manual_seed(0)
    network = resnet.import_torchvision().models.resnet18(weights=None)
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(4, 3, 64, 64))
    return network.eval()


def maps_of(network, images):
    """What torchvision's `network` has before its pooling, from images in [0, 1]."""
    x = (images - MEAN) / DEVIATION
    for name, child in network.named_children():
        if name == 'avgpool':
            return x
        x = child(x)
    raise AssertionError('torchvision has changed')


def as_r3m(state):
    """The checkpoint as R3M's authors publish it."""
    return {'r3m': {f'module.convnet.{k}': v for k, v in state.items()}, 'step': 7}


@pytest.fixture(params=['torchvision.pth', 'r3m.pth', 'plain.safetensors', 'r3m.safetensors'])
def weights(request, reference, tmp_path):
    state, path = reference.state_dict(), tmp_path / request.param
    layout = as_r3m(state) if request.param.startswith('r3m') else state
    if path.suffix == '.safetensors':
        save_file(layout.get('r3m', layout), path)
    else:
        torch.save(layout, path)
    return path


@torch.no_grad()
def test_loaded_weights_give_what_torchvision_gives(weights, reference):
    network = resnet.backbone(recipe(weights=str(weights)))
    resnet.load_weights(network, str(weights))
    images = torch.rand(2, 3, 64, 96)
    maps = network(images)
    assert maps.shape == (2, 512, 2, 3)
    torch.testing.assert_close(maps, maps_of(reference, images), rtol=1e-3, atol=1e-4)
    # Its statistics are at rest in training, too.
    torch.testing.assert_close(network.train()(images), maps)


def test_from_scratch_there_is_no_batch_norm_and_no_image_depends_on_another():
    network = resnet.backbone(recipe())
    kinds = {type(m).__name__ for m in network.modules()}
    assert 'GroupNorm' in kinds
    assert not [kind for kind in kinds if 'BatchNorm' in kind]
    images = torch.rand(3, 3, 64, 64)
    together, alone = network(images), network(images[1:2])
    torch.testing.assert_close(together[1:2], alone, rtol=1e-3, atol=1e-4)


def test_imagenet_weights_come_from_the_cache_of_torchvision(reference, tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    cache = tmp_path / 'hub' / 'checkpoints'
    cache.mkdir(parents=True)
    torch.save(reference.state_dict(), cache / 'resnet18-f37072fd.pth')
    network = resnet.backbone(recipe(weights='imagenet'))
    resnet.load_weights(network, 'imagenet')
    assert torch.equal(network.state_dict()['1.weight'], reference.conv1.weight)


def test_without_a_network_and_a_cache_a_sentence_says_where_to_put_the_file(
    tmp_path, monkeypatch
):
    def offline(*_, **__):
        raise urllib.error.URLError('no route to host')

    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr(torch.hub, 'download_url_to_file', offline)
    network = resnet.backbone(recipe(weights='imagenet'))
    with pytest.raises(WeightsError, match=r'no route to host.*Put resnet18-f37072fd.pth there'):
        resnet.load_weights(network, 'imagenet')


def test_files_that_are_no_resnet_are_refused_with_a_sentence(reference, tmp_path):
    network = resnet.backbone(recipe(weights='a file'))
    state = dict(reference.state_dict())

    with pytest.raises(WeightsError, match='no such weight file'):
        resnet.load_weights(network, str(tmp_path / 'none.pth'))

    text = tmp_path / 'text.pth'
    text.write_text('not weights')
    with pytest.raises(WeightsError, match='cannot be read as weights'):
        resnet.load_weights(network, str(text))

    listed = tmp_path / 'list.pth'
    torch.save([torch.zeros(1)], listed)
    with pytest.raises(WeightsError, match='holds a list; expected a state dict'):
        resnet.load_weights(network, str(listed))

    short = tmp_path / 'short.pth'
    torch.save({k: v for k, v in state.items() if not k.startswith('layer4')}, short)
    with pytest.raises(WeightsError, match=r"tensors are missing, first 'layer4\.0\.conv1"):
        resnet.load_weights(network, str(short))

    wide = tmp_path / 'wide.pth'
    torch.save(state | {'conv1.weight': torch.zeros(96, 3, 7, 7)}, wide)
    with pytest.raises(WeightsError, match='does not fit a ResNet-18'):
        resnet.load_weights(network, str(wide))


class Trap:
    """What a hostile file would run when it is unpickled."""

    def __reduce__(self):
        return (exec, ('raise SystemExit("it was unpickled")',))


def test_a_file_that_would_run_code_is_not_unpickled(tmp_path):
    path = tmp_path / 'hostile.pth'
    torch.save({'conv1.weight': Trap()}, path)
    with pytest.raises(WeightsError, match='tensors saved by torch and nothing else'):
        resnet.load_weights(resnet.backbone(recipe(weights='x')), str(path))
