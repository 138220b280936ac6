"""What a benchmark leaves: a file of figures, and its own part of the page."""

import json

import pytest

from benchmarks import report
from benchmarks.report import Headline, Result

PAGE = '# Page\n\n<!-- a: begin -->\n<!-- a: end -->\n\n<!-- b: begin -->\nkept\n<!-- b: end -->\n'


@pytest.fixture
def page(tmp_path, monkeypatch):
    path = tmp_path / 'page.md'
    path.write_text(PAGE)
    monkeypatch.setattr(report, 'PAGE', path)
    monkeypatch.setattr(report, 'RESULTS', tmp_path / 'results')
    return path


def found(name='a'):
    headline = Headline('speed', '5 km/h', '4 km/h')
    return Result(name, 'Walks', 'a snail', ('who', 'km'), [['I', '5']], [headline], {'km': 5})


def test_figures_go_into_a_file_and_the_table_between_its_markers(page, tmp_path, capsys):
    report.publish(found(), report.machine())
    content = json.loads((tmp_path / 'results' / 'a.json').read_text())
    assert content['figures'] == {'km': 5}
    assert content['reference'] == 'a snail'
    assert content['headlines'] == [{'what': 'speed', 'ours': '5 km/h', 'reference': '4 km/h'}]
    assert content['machine']['cores'] >= 1
    assert content['machine']['versions']['numpy']
    part = page.read_text().partition('<!-- a: begin -->')[2].partition('<!-- a: end -->')[0]
    assert '| who | km |\n| --- | ---: |\n| I | 5 |' in part
    assert content['command'] in part
    assert 'kept' in page.read_text()
    assert 'Walks' in capsys.readouterr().out


def test_a_second_run_replaces_the_first(page, capsys):
    report.publish(found(), report.machine())
    once = page.read_text()
    report.publish(found(), report.machine())
    assert page.read_text().count('| I | 5 |') == once.count('| I | 5 |') == 1


def test_a_page_without_the_markers_is_told(page, capsys):
    with pytest.raises(ValueError, match='c: begin'):
        report.publish(found('c'), report.machine())


def test_a_spread_is_that_of_its_values():
    assert report.spread(range(101)) == {'p50': 50, 'p99': 99, 'max': 100}
