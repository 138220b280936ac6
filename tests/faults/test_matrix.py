"""Every fault, in a rollout of the simulated cell: `make faults`, which writes docs/faults.md."""

import pytest

from tests.faults import exits
from tests.faults.benches import state
from tests.faults.harness import run
from tests.faults.ledger import REPEATS, SEED
from tests.faults.matrix import PHASES, ROWS, SHORT
from tests.faults.row import HOLD

pytestmark = [pytest.mark.timeout(300), pytest.mark.flaky(reruns=1, reruns_delay=1)]


@pytest.mark.faults
@pytest.mark.parametrize(
    ('row', 'repeat'),
    [(row, i) for row in ROWS for i in range(REPEATS if row.expects == HOLD else 1)],
    ids=lambda value: getattr(value, 'name', value),
)
def test_fault(row, repeat, benches, ledger):
    outcome = run(row, benches.get(row.bench), repeat, SEED)
    print(outcome)
    ledger.add(outcome)
    assert not outcome.failures


@pytest.mark.faults
@pytest.mark.parametrize('repeat', range(REPEATS))
@pytest.mark.parametrize('phase', PHASES)
def test_sigint(phase, repeat, benches, domain, tmp_path, ledger):
    benches.close()
    if phase == 'starting':
        outcome = exits.starting(domain, tmp_path, repeat, SEED)
    else:
        outcome = exits.run(phase, domain, tmp_path, repeat)
    print(outcome)
    ledger.end(outcome)
    assert not outcome.failures


def test_the_short_form(domain, tmp_path):
    """All in one graph, and so in one test."""
    bench = state(domain, tmp_path)
    try:
        outcomes = [run(row, bench, 0, SEED) for row in SHORT]
        # A machine that is busy with other tests may itself be the fault: once more.
        again = [row for row, outcome in zip(SHORT, outcomes) if outcome.failures]
        outcomes = [run(row, bench, 1, SEED) for row in again if bench.fit('state')]
        assert len(outcomes) == len(again), 'the graph is worn out'
    finally:
        bench.close()
    failed = {outcome.row: outcome.failures for outcome in outcomes if outcome.failures}
    assert not failed
    assert bench.codes == {}
