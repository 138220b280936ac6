import pytest
from hypothesis import given
from hypothesis import strategies as st

from dp_ros.data.bag import Recorded
from dp_ros.replay.injection import Deliveries, Injection, Link, parse

TOPICS = ('/a', '/b')
LINKS = st.builds(
    Link,
    st.integers(0, 300_000_000),
    st.integers(0, 300_000_000),
    st.floats(0, 0.9),
)


def sent(count=60):
    """Messages of two topics, 10 ms apart; each says when it was received."""
    return [
        Recorded(TOPICS[i % 2], 'std_msgs/msg/String', i * 10_000_000, bytes(str(i), 'ascii'))
        for i in range(count)
    ]


@given(LINKS, LINKS, st.integers(0, 1000))
def test_links_delay_and_lose_but_never_overtake(every, named, seed):
    injection = Injection(every, {'/a': named}, seed)
    deliveries = Deliveries(sent(), injection)
    came = list(deliveries)
    assert [t for t, _ in came] == sorted(t for t, _ in came)
    assert len(came) + sum(deliveries.lost.values()) == len(sent())
    for topic in TOPICS:
        link = injection.link(topic)
        own = [(t, m.received_ns) for t, m in came if m.topic == topic]
        assert [s for _, s in own] == sorted(s for _, s in own)
        assert all(t - s >= link.latency_ns for t, s in own)
        assert all(t - s <= link.latency_ns + link.jitter_ns for t, s in own)
    assert came == list(Deliveries(sent(), injection))


def test_nothing_injected_changes_nothing():
    deliveries = Deliveries(sent(), Injection())
    assert list(deliveries) == [(m.received_ns, m) for m in sent()]
    assert not deliveries.lost
    assert Injection().nothing


def test_another_topic_in_the_bag_changes_no_fate():
    injection = Injection(Link(0, 50_000_000, 0.3), seed=7)
    alone = list(Deliveries([m for m in sent() if m.topic == '/b'], injection))
    among = [(t, m) for t, m in Deliveries(sent(), injection) if m.topic == '/b']
    assert alone == among


def test_options_hold_for_every_topic_or_for_one():
    made = parse(['40', '/a=10.5'], ['/b=3'], ['0.25'], seed=3)
    assert made.link('/c') == Link(40_000_000, 0, 0.25)
    assert made.link('/a') == Link(10_500_000, 0, 0.25)
    assert made.link('/b') == Link(40_000_000, 3_000_000, 0.25)
    assert not made.nothing
    assert parse([], [], [], 0).nothing


@pytest.mark.parametrize('text', ['soon', '-1', 'a=3', '/a=', '/a=nan', '1e9', '2'])
def test_options_that_make_no_sense_are_a_sentence(text):
    with pytest.raises(ValueError, match=r'--drop .*expected a number from 0 to 1'):
        parse([], [], [text], 0)
